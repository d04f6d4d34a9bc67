/** What every policy holds without saying so. */
import type { AllowRule, BuiltInVariable } from "./policy.ts";

/** The API that the supervisor works for. No other principal has a rule for it. */
export const ANTHROPIC_HOST = "api.anthropic.com";

/** Credential of the supervisor's routes: the token that came with the work item. */
export const SESSION_TOKEN = "session-token";

/** Names that no tool can have, since they are principals already. */
export const BUILT_IN_PRINCIPALS = ["supervisor", "sandbox"] as const;

const session = "/v1/sessions/{session}";
const work = "/v1/environments/{environment}/work/{work}";

/**
 * The six requests by which the SDK's worker serves one session, for this session and this work item only
 * (contracts/claude-managed-agents.md §4.2).
 */
export const SUPERVISOR_RULES: readonly AllowRule[] = [
  { methods: ["GET"], path: session },
  { methods: ["GET"], path: `${session}/events`, query: ["limit", "page"] },
  { methods: ["POST"], path: `${session}/events` },
  { methods: ["GET"], path: `${session}/events/stream`, query: ["event_deltas[]"] },
  { methods: ["POST"], path: `${work}/heartbeat`, query: ["desired_ttl_seconds", "expected_last_heartbeat"] },
  { methods: ["POST"], path: `${work}/stop` },
].map((rule) => ({ host: ANTHROPIC_HOST, credential: SESSION_TOKEN, ...rule }) as AllowRule);

/** Values of the built-in variables for inline tests. */
export const BUILT_IN_EXAMPLES: Readonly<Record<BuiltInVariable, string>> = {
  session: "sesn_example",
  work: "work_example",
  environment: "env_example",
};

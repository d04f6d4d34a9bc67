/** The agents of this bundle, each with its policy's lock. */
import supportLock from "../../policies/support.lock.json" with { type: "json" };
import type { AgentDefinition } from "../agent-definition.ts";
import { supportAgent } from "./support.ts";

/** An agent and its lock, as it was committed; not parsed yet. */
export interface BundledAgent {
  readonly agent: AgentDefinition;
  readonly lock: unknown;
}

/** Every agent that this runner can serve. */
export const bundledAgents: readonly BundledAgent[] = [{ agent: supportAgent, lock: supportLock }];

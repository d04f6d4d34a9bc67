/** Puts the control plane together: the one place where configuration, clients and handlers meet. */
import { PolicyError } from "../policies/engine/errors.ts";
import { parseLock } from "../policies/engine/lock.ts";
import { unavailable } from "./answer.ts";
import { type AnthropicLike, anthropicClient } from "./anthropic.ts";
import { type Config, ConfigError, readConfig, secretsOf } from "./config.ts";
import { handleCron } from "./cron.ts";
import type { ResolveCredential } from "./customer-credentials.ts";
import { drainQueue } from "./drain.ts";
import { ENVIRONMENT_KEY_GATE } from "./gates.ts";
import { handleHealth } from "./health.ts";
import { MAX_DURATION_MS } from "./limits.ts";
import { createLog, errorMessage, type Log } from "./log.ts";
import { warnOfOtherWorkers } from "./other-workers.ts";
import { type SessionPolicy, sessionPolicy } from "./policy.ts";
import { follow, reapSession, sweep } from "./reap.ts";
import { sandboxApiFetch } from "./sandbox-api.ts";
import { vercelSandboxes } from "./sandboxes.ts";
import { snapshotWatch } from "./snapshot-watch.ts";
import { handleWebhook } from "./webhook.ts";

/** What the platform gives an invocation. */
export interface Runtime {
  /** Lets a promise go on after the answer, for as long as the invocation may last. */
  waitUntil(work: Promise<unknown>): void;
  /** When this invocation is cut, or undefined when the platform does not say. */
  deadline(): Date | undefined;
}

/** The three routes. They never reject and never answer with a redirect or a 500. */
export interface ControlPlane {
  webhook(request: Request): Promise<Response>;
  cron(request: Request): Promise<Response>;
  health(): Promise<Response>;
}

/** Room to end in before an invocation is cut, in ms. */
const DEADLINE_MARGIN_MS = 10_000;

/**
 * Makes the control plane of one deployment.
 *
 * A deployment that cannot serve still answers: every route is then a 503 that says what is wrong.
 *
 * @param o.lock content of the policy's lock file
 * @param o.resolveCredential finds the credentials that a customer has of their own
 * @param o.write receives log lines
 * @param o.settleMs how long a claim waits for a runner that is about to exit, in ms
 */
export function composeControlPlane(o: {
  env: Readonly<Record<string, string | undefined>>;
  lock: unknown;
  runtime: Runtime;
  resolveCredential: ResolveCredential;
  now?: () => number;
  write?: (line: string) => void;
  settleMs?: number;
}): ControlPlane {
  let config: Config;
  let lockDigest: string;
  try {
    config = readConfig(o.env);
    lockDigest = parseLock(o.lock).digest;
  } catch (error) {
    createLog([], o.write).error("deployment.unusable", { message: errorMessage(error) });
    const message = publicMessage(error);
    const refuse = async () => unavailable(message);
    return { webhook: refuse, cron: refuse, health: refuse };
  }

  const log = createLog(secretsOf(config), o.write);
  const now = o.now ?? Date.now;
  const sandboxes = vercelSandboxes(config.sandboxApiUrl ? sandboxApiFetch(config.sandboxApiUrl) : undefined);
  const reaping = { sandboxes, environmentId: config.environmentId, log, now };
  const snapshots = snapshotWatch({ get: (signal) => sandboxes.snapshot(config.snapshotId, signal), now, log });
  const serving = serveWith(config, o.lock, log);
  if ("problem" in serving) log.error("deployment.refusing", { message: serving.problem });

  const drain = async () => {
    if (!("policy" in serving)) throw new Error("no session can be served");
    const { policy, anthropic } = serving;
    const report = await drainQueue({
      anthropic,
      sandboxes,
      snapshots,
      policy,
      settings: config,
      resolveCredential: o.resolveCredential,
      env: o.env,
      log,
      now,
      newId: () => crypto.randomUUID(),
      settleMs: o.settleMs ?? 10_000,
    });
    const deadline = o.runtime.deadline()?.getTime() ?? now() + MAX_DURATION_MS;
    for (const { runner } of report.started) {
      o.runtime.waitUntil(follow(runner, { ...reaping, log: runner.log }, deadline - DEADLINE_MARGIN_MS));
    }
    return report;
  };
  const obstacle = "policy" in serving ? undefined : "problem" in serving ? serving.problem : serving.gate;

  return {
    webhook: guarded(log, (request) => {
      const reap = (sessionId: string) => reapSession(sessionId, reaping);
      return handleWebhook(request, { signingKey: config.webhookSigningKey, obstacle, drain, reap, log });
    }),
    cron: guarded(log, (request) => {
      const lookForOthers = async () => {
        if ("policy" in serving) await warnOfOtherWorkers(serving.anthropic, config.environmentId, log);
      };
      const deps = { secret: config.cronSecret, obstacle, drain, sweep: () => sweep(reaping), lookForOthers, log };
      return handleCron(request, deps);
    }),
    health: async () => {
      const problem = "problem" in serving ? serving.problem : undefined;
      return handleHealth(config, lockDigest, problem, await snapshots.look());
    },
  };
}

type Serving = { policy: SessionPolicy; anthropic: AnthropicLike } | { gate: string } | { problem: string };

/** What serves sessions, or why none can be served. */
function serveWith(config: Config, lockFile: unknown, log: Log): Serving {
  const lock = parseLock(lockFile);
  if (lock.digest !== config.policyDigest) {
    return {
      problem:
        `the policy in this deployment is ${lock.digest}, and the stack recorded ${config.policyDigest}: nothing is ` +
        "served under a policy that was not reviewed; run `pulumi up`",
    };
  }
  let policy: SessionPolicy;
  try {
    policy = sessionPolicy(lock, config);
  } catch (error) {
    log.error("deployment.policy_unusable", { message: errorMessage(error) });
    return { problem: publicMessage(error) };
  }
  const { environmentKey, anthropicBaseUrl } = config;
  if (environmentKey === undefined) return { gate: ENVIRONMENT_KEY_GATE };
  return { policy, anthropic: anthropicClient({ environmentKey, baseURL: anthropicBaseUrl }) };
}

/** What anybody may read of an error: the words of our own ones, which name variables and places and hold no value. */
function publicMessage(error: unknown): string {
  const own = error instanceof ConfigError || error instanceof PolicyError;
  return own ? error.message : "the deployment cannot serve for a reason that its log names";
}

/** A handler that turns whatever it did not expect into a 503, which makes the sender try again. */
function guarded(log: Log, handler: (request: Request) => Promise<Response>): (request: Request) => Promise<Response> {
  return async (request) => {
    try {
      return await handler(request);
    } catch (error) {
      log.error("request.failed", { path: new URL(request.url).pathname, error: errorMessage(error) });
      return unavailable("the request failed for a reason that the log names");
    }
  };
}

/**
 * What becomes of one work item that a poll returned.
 *
 * | item                                              | outcome   | the item                                         |
 * |---------------------------------------------------|-----------|--------------------------------------------------|
 * | a session's, and its runner was started           | `started` | acknowledged; the runner serves and stops it     |
 * | a healthcheck or unknown, or its session is over  | `skipped` | stopped                                          |
 * | its policy or handover cannot be made of its values | `refused` | stopped: handed out again it would fail again, and turn every delivery into a failure. Once the metadata is right, a `user.interrupt` queues the session's work again (contract §5.3) |
 * | its session has a live runner                     | `left`    | comes again; the runner is not cut               |
 * | no sessions token, or anything failed             | `left`    | comes again: when it was not acknowledged after {@link RECLAIM_OLDER_THAN_MS}, else when its lease lapsed |
 */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { PolicyError } from "../policies/engine/errors.ts";
import { HandoverError } from "../runner/handover.ts";
import { acknowledge } from "./acknowledge.ts";
import { type AnthropicLike, statusOf } from "./anthropic.ts";
import { customerCredentials, type ResolveCredential } from "./customer-credentials.ts";
import { START_LIMIT_MS } from "./limits.ts";
import { type ClaimLog, errorMessage, type Log } from "./log.ts";
import { RUNNER_TAG, STARTING, sandboxName } from "./naming.ts";
import { variablesOf } from "./policy.ts";
import { isBeingStarted, runnerEnd } from "./runner-exit.ts";
import { NameTakenError, PolicyRefusedError, type SandboxHandle, SnapshotMissingError } from "./sandboxes.ts";
import { RunnerMismatchError, type SpawnDeps, type StartedRunner, startRunner } from "./spawn.ts";
import { type SessionWork, sessionsToken, sessionWork, type WorkItem } from "./work-item.ts";

/** How one item ended. */
export type ClaimOutcome =
  | { readonly kind: "started"; readonly sessionId: string; readonly runner: StartedRunner }
  | { readonly kind: "skipped" }
  | { readonly kind: "refused"; readonly sessionId: string; readonly reason: string }
  | {
      readonly kind: "left";
      readonly sessionId: string;
      readonly reason: string;
      /** True when the next item would fail for the same reason, so that polling for it would only hide it. */
      readonly systematic: boolean;
    };

/** What a claim works with. */
export interface ClaimDeps extends Omit<SpawnDeps, "log"> {
  readonly log: Log;
  readonly anthropic: AnthropicLike;
  /** Finds the credentials that a session's customer has of their own. */
  readonly resolveCredential: ResolveCredential;
  /** The functions' environment variables, for the resolver. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** How long a runner that is about to end is waited for, in ms. */
  readonly settleMs: number;
}

const session = z.object({
  status: z.string(),
  /** Set: the session is over, whatever its status says. */
  archived_at: z.string().nullish(),
  metadata: z.record(z.string(), z.string()).catch({}),
});

/** Serves one item. Never throws for what went wrong with the item: the outcome says it. */
export async function claim(item: WorkItem, deps: ClaimDeps): Promise<ClaimOutcome> {
  const work = sessionWork(item);
  if (work === undefined) return skip(item.id, "not a session's", deps);
  const log = deps.log.forClaim();
  try {
    return await claimSession(work, { ...deps, log }, AbortSignal.timeout(START_LIMIT_MS));
  } catch (error) {
    if (isPermanent(error)) return await refuse(work, errorMessage(error), { ...deps, log });
    const status = statusOf(error);
    const systematic =
      [SnapshotMissingError, PolicyRefusedError, RunnerMismatchError].some((kind) => error instanceof kind) ||
      status === 401 ||
      status === 403;
    const reason = error instanceof NameTakenError ? "another claim is starting its sandbox" : errorMessage(error);
    return { kind: "left", sessionId: work.sessionId, reason: log.clean(reason), systematic };
  }
}

async function claimSession(
  work: SessionWork,
  deps: ClaimDeps & { log: ClaimLog },
  signal: AbortSignal,
): Promise<ClaimOutcome> {
  const { anthropic, settings } = deps;
  const { workId, sessionId } = work;
  const token = sessionsToken(work.secret);
  if (token === undefined) {
    const reason =
      "the work item came without a sessions token, and a sandbox must not spend the environment key: ask Anthropic " +
      "to enable per-item secrets for the organization";
    return { kind: "left", sessionId, reason, systematic: true };
  }
  deps.log.hide([token]);

  const found = await anthropic.beta.sessions.retrieve(sessionId, undefined, { signal }).then(
    (value) => session.parse(value),
    (error: unknown) => {
      if (statusOf(error) === 404) return undefined;
      throw error;
    },
  );
  const over = found === undefined || found.status === "terminated" || typeof found.archived_at === "string";
  if (over) return skip(workId, "its session is over", deps);

  const bound = variablesOf(deps.policy.variables, {
    session: sessionId,
    work: workId,
    environment: settings.environmentId,
    metadata: found.metadata,
  });
  if ("missing" in bound) {
    const reason = `the policy's variable ${bound.missing} needs ${bound.source} of the session, made of letters, digits, _ and -`;
    return refuse(work, reason, deps);
  }

  const existing = await deps.sandboxes.find(sandboxName(sessionId), signal);
  if (existing !== undefined) {
    const busy = await isBusy(existing, deps, signal);
    if (busy !== undefined) return { kind: "left", sessionId, reason: busy, systematic: false };
    // Made anew rather than bound again: nothing that the earlier claim left running or lying about meets this
    // claim's credentials (traps.md 25), and there is no moment between two policies.
    await existing.discard(signal);
  }

  const { customerSources } = deps.policy;
  const own = await customerCredentials(customerSources, found.metadata, deps.resolveCredential, {
    env: deps.env,
    signal,
  });
  deps.log.hide(Object.values(own));
  const denied = Object.keys(customerSources).filter((name) => !Object.hasOwn(own, name));
  if (denied.length > 0) deps.log.info("credentials.none_for_customer", { session: sessionId, credentials: denied });

  const ack = () => acknowledge(anthropic, workId, settings.environmentId, signal);
  const runner = await startRunner(
    { workId, sessionId, sessionsToken: token, customerCredentials: own, variables: bound.values },
    deps,
    ack,
    signal,
  );
  return { kind: "started", sessionId, runner };
}

/**
 * Why an existing sandbox must be left alone, or undefined when its runner is gone. A runner that has just ended its
 * turn takes a moment to exit, and the session's next item may come in that moment: so it is waited for.
 */
async function isBusy(sandbox: SandboxHandle, deps: ClaimDeps, signal: AbortSignal): Promise<string | undefined> {
  if (!sandbox.running) return undefined;
  const runner = sandbox.tags[RUNNER_TAG] ?? STARTING;
  if (isBeingStarted(sandbox, deps.now())) return "another claim is starting its sandbox";
  for (const end = deps.now() + deps.settleMs; ; await sleep(500, undefined, { signal })) {
    if ((await runnerEnd(sandbox, runner, signal)) !== null) return undefined;
    if (deps.now() >= end) return "its runner is alive";
  }
}

/** True when the next try would fail for the same reason: this session's values cannot be bound, or are too long. */
function isPermanent(error: unknown): error is HandoverError | PolicyError {
  return error instanceof HandoverError || error instanceof PolicyError;
}

/** Stops the item of a session that cannot be served; left, when it cannot be stopped now. */
async function refuse(
  { workId, sessionId }: SessionWork,
  reason: string,
  deps: ClaimDeps & { log: ClaimLog },
): Promise<ClaimOutcome> {
  const why = deps.log.clean(reason);
  try {
    await stop(workId, deps, AbortSignal.timeout(START_LIMIT_MS));
  } catch (error) {
    const reason = `${why}; and its item could not be stopped: ${deps.log.clean(errorMessage(error))}`;
    return { kind: "left", sessionId, reason, systematic: false };
  }
  return { kind: "refused", sessionId, reason: why };
}

/**
 * Stops an item that is not served: a session's that is over, no session's, or one that cannot be read.
 *
 * @param workId a well-formed id
 */
export async function skip(workId: string, why: string, deps: ClaimDeps): Promise<{ readonly kind: "skipped" }> {
  deps.log.info("work.skipped", { work: workId, why });
  await stop(workId, deps, AbortSignal.timeout(START_LIMIT_MS)).catch((error) => {
    deps.log.warn("work.stop_failed", { work: workId, error: errorMessage(error) });
  });
  return { kind: "skipped" };
}

/** 409: stopped already. */
async function stop(workId: string, deps: ClaimDeps, signal: AbortSignal): Promise<void> {
  const params = { environment_id: deps.settings.environmentId, force: true };
  try {
    await deps.anthropic.beta.environments.work.stop(workId, params, { signal });
  } catch (error) {
    if (statusOf(error) !== 409) throw error;
  }
}

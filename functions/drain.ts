/**
 * Drains the work queue: claims what is there, starts a runner for each session, and stops when the queue is empty.
 *
 * Hand-rolled over `poll` and `ack`. The SDK's `WorkPoller` throws on the 404 of an item whose session is gone,
 * acknowledges before the sandbox exists, and by default stops the item as soon as the loop's body returns (traps.md 8
 * and 10). Nothing here beats a heartbeat: the runner's first beat must be the first (traps.md 11).
 */
import type { AnthropicLike } from "./anthropic.ts";
import { statusOf } from "./anthropic.ts";
import { type ClaimDeps, type ClaimOutcome, claim, skip } from "./claim.ts";
import { RECLAIM_OLDER_THAN_MS } from "./limits.ts";
import { errorMessage } from "./log.ts";
import { WORKER_ID } from "./other-workers.ts";
import type { SnapshotWatch } from "./snapshot-watch.ts";
import type { StartedRunner } from "./spawn.ts";
import { workItemId, workItemSchema } from "./work-item.ts";

/** Polls a drain makes at most, so that one invocation ends before its deadline. */
const MAX_POLLS = 25;

/** No poll starts later than this into a drain, in ms: a start needs up to 50 s, and functions end after 300 s. */
const DRAIN_LIMIT_MS = 200_000;

/** What a drain works with. */
export interface DrainDeps extends ClaimDeps {
  readonly snapshots: SnapshotWatch;
}

/** What a drain did. */
export interface DrainReport {
  readonly started: readonly { sessionId: string; runner: StartedRunner }[];
  readonly skipped: number;
  readonly refused: readonly { sessionId: string; reason: string }[];
  readonly left: readonly { sessionId: string; reason: string }[];
  /** Why the drain ended before the queue was seen empty, in fixed words; undefined when it was. */
  readonly cutShort: string | undefined;
}

/** True when all that was in the queue is in good hands, so that the sender of the event need not try again. */
export function handedOver(report: DrainReport): boolean {
  return report.left.length === 0 && report.cutShort === undefined;
}

/** Drains the queue. Never throws for what the API or an item did wrong: the report says it. */
export async function drainQueue(deps: DrainDeps): Promise<DrainReport> {
  const started: { sessionId: string; runner: StartedRunner }[] = [];
  const refused: { sessionId: string; reason: string }[] = [];
  const left: { sessionId: string; reason: string }[] = [];
  let skipped = 0;
  const report = (cutShort?: string): DrainReport => ({ started, skipped, refused, left, cutShort });

  if ((await deps.snapshots.look()).snapshot === "missing") {
    deps.log.error("snapshot.missing", { snapshot: deps.settings.snapshotId });
    return report("the snapshot that sessions start from does not exist any more: run `pulumi up` to build it again");
  }
  const end = deps.now() + DRAIN_LIMIT_MS;
  for (let polls = 0; polls < MAX_POLLS && deps.now() < end; polls += 1) {
    let polled: unknown;
    try {
      polled = await poll(deps.anthropic, deps.settings.environmentId);
    } catch (error) {
      // The queue handed out an item whose session is gone, and dropped it: the next poll returns the next one.
      if (statusOf(error) === 404 && /EnvironmentInstance not found/i.test(errorMessage(error))) continue;
      deps.log.error("queue.poll_failed", { status: statusOf(error), error: errorMessage(error) });
      return report(`the work queue could not be polled (${statusOf(error) ?? "no answer"})`);
    }
    // A 200 without a body arrives as an empty string (contract §3).
    if (polled === null || polled === undefined || polled === "") return report();

    const item = workItemSchema.safeParse(polled);
    if (!item.success) {
      const fields = item.error.issues.map((issue) => issue.path.join("."));
      deps.log.error("work.malformed", { fields });
      const workId = workItemId(polled);
      if (workId !== undefined) {
        // It would come again and turn every delivery into a failure.
        await skip(workId, "malformed", deps);
        skipped += 1;
        continue;
      }
      left.push({ sessionId: "unknown", reason: `the queue returned an item with a malformed ${fields.join(", ")}` });
      continue;
    }
    const outcome = await claim(item.data, deps);
    note(outcome, deps);
    if (outcome.kind === "started") started.push(outcome);
    else if (outcome.kind === "skipped") skipped += 1;
    else if (outcome.kind === "refused") refused.push(outcome);
    else {
      left.push(outcome);
      if (outcome.systematic) return report("every further session would fail for the same reason");
    }
  }
  return report(`the queue was not empty after ${MAX_POLLS} polls or ${DRAIN_LIMIT_MS / 1000} s`);
}

function poll(anthropic: AnthropicLike, environmentId: string): PromiseLike<unknown> {
  return anthropic.beta.environments.work.poll(environmentId, {
    reclaim_older_than_ms: RECLAIM_OLDER_THAN_MS,
    // Makes a second worker on the same environment visible in the queue's `stats` (traps.md 15).
    "Anthropic-Worker-ID": WORKER_ID,
  });
}

function note(outcome: ClaimOutcome, { log }: ClaimDeps): void {
  if (outcome.kind === "started") {
    const { sandbox, commandId } = outcome.runner;
    log.info("session.started", {
      session: outcome.sessionId,
      sandbox: sandbox.name,
      vm: sandbox.vmId,
      command: commandId,
    });
  } else if (outcome.kind === "refused") {
    log.error("session.refused", { session: outcome.sessionId, reason: outcome.reason });
  } else if (outcome.kind === "left") {
    log.warn("session.left", { session: outcome.sessionId, reason: outcome.reason });
  }
}

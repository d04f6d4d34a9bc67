/**
 * Looks for another worker on the environment (traps.md 15): two of them take each other's sessions, e.g. a poll loop on
 * somebody's machine and this deployment, or staging and production. Give each an environment of its own.
 */
import { z } from "zod";
import { type AnthropicLike, statusOf } from "./anthropic.ts";
import type { Log } from "./log.ts";

/** All instances of this deployment poll under one id, so they are one worker in the queue's stats. */
export const WORKER_ID = "handrail-functions";

const stats = z.object({ workers_polling: z.number().nullable() });

/** Warns when the queue saw more than one worker in the last 30 s. Never rejects: nothing depends on it. */
export async function warnOfOtherWorkers(anthropic: AnthropicLike, environmentId: string, log: Log): Promise<void> {
  try {
    const options = { signal: AbortSignal.timeout(5000), maxRetries: 0 };
    const answer = await anthropic.beta.environments.work.stats(environmentId, undefined, options);
    const { workers_polling: workersPolling } = stats.parse(answer);
    if (workersPolling !== null && workersPolling > 1) {
      log.warn("queue.other_workers", {
        workersPolling,
        environment: environmentId,
        message: "another worker polls this environment, and takes its sessions: give each worker its own environment",
      });
    }
  } catch (error) {
    log.info("queue.stats_unknown", { status: statusOf(error) });
  }
}

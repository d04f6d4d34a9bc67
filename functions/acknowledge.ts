/** Acknowledges a work item: `queued` to `starting` (contract §3). */
import { setTimeout as sleep } from "node:timers/promises";
import { type AnthropicLike, statusOf } from "./anthropic.ts";

/** Tries at most; as many as the SDK makes. */
const TRIES = 3;

/**
 * Acknowledges the item that was just polled.
 *
 * A 409 means that the item is not `queued` any more. After a try of our own whose answer was lost it is most likely
 * that try's doing, and counts as success. It may also be another claimant's, or the item was stopped meanwhile: still
 * safe, because a runner that is started then does not get the lease (its first beat is 412, or says `stopped`) and ends
 * without having done anything. A 409 to the first try cannot be ours, and is thrown.
 *
 * The tries are made here and not by the SDK, which does not tell whether it repeated a call and repeats a 409 too.
 *
 * @throws the error of the last try
 */
export async function acknowledge(
  anthropic: AnthropicLike,
  workId: string,
  environmentId: string,
  signal: AbortSignal,
): Promise<void> {
  let mayHaveWorked = false;
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      const options = { signal, maxRetries: 0 };
      await anthropic.beta.environments.work.ack(workId, { environment_id: environmentId }, options);
      return;
    } catch (error) {
      const status = statusOf(error);
      if (status === 409 && mayHaveWorked) return;
      const lost = status === undefined || status === 408 || status >= 500;
      if (signal.aborted || attempt === TRIES || !(lost || status === 429)) throw error;
      mayHaveWorked ||= lost;
      await sleep(300 * 2 ** (attempt - 1), undefined, { signal });
    }
  }
}

/** When a run stops taking calls, when it lets go of the item, and when the process must be gone. */

/** Points in time, epoch ms, in this order and before the deadline. */
export interface DeadlinePlan {
  /** Running calls are cancelled and answered with an error; new ones are answered so at once. */
  readonly drainAt: number;
  /** The SDK's worker is aborted, which stops the item. */
  readonly abortAt: number;
  /** The process ends, whatever still hangs. */
  readonly exitAt: number;
}

// The SDK's teardown is one POST with two retries of at most a few seconds (contract §3.2); an executor that ignores its
// cancellation is killed after 5 s.
const DRAIN_MS = 45_000;
const ABORT_MS = 20_000;
const EXIT_MS = 2000;

/**
 * Plans the end of a run. A run that is short from the start keeps the same proportions: at most half of its time goes
 * into ending it.
 */
export function planDeadline(now: number, deadlineMs: number): DeadlinePlan {
  const left = Math.max(0, deadlineMs - now);
  return {
    drainAt: deadlineMs - Math.min(DRAIN_MS, Math.floor(left / 2)),
    abortAt: deadlineMs - Math.min(ABORT_MS, Math.floor(left / 4)),
    exitAt: deadlineMs - Math.min(EXIT_MS, Math.floor(left / 20)),
  };
}

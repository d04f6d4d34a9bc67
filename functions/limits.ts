/** Configured longest duration of a function, in ms: every plan has it (vercel-functions.md §4.2). */
export const MAX_DURATION_MS = 300_000;

/**
 * How long an item may stay unacknowledged before a poll hands it out again, in ms. It must be longer than any start
 * takes, or one session gets two sandboxes (traps.md 12): {@link START_LIMIT_MS} ends a start before that.
 */
export const RECLAIM_OLDER_THAN_MS = 60_000;

/** After this, a start is abandoned and its item left, in ms. */
export const START_LIMIT_MS = 50_000;

/** Configured longest duration of a function, in ms: every plan has it (vercel-functions.md §4.2). */
export const MAX_DURATION_MS = 300_000;

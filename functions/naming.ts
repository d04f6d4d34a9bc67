/** How a session's sandbox is named and tagged, so that every claim and every sweep finds the same one. */

/** Tag by which a sweep finds the sandboxes of its own Anthropic environment. */
export const ENVIRONMENT_TAG = "handrail-environment";

/**
 * Tag with the id of the runner's command, by which its liveness is asked; {@link STARTING} until the runner was
 * started. Sandboxes that are not a session's do not have it.
 */
export const RUNNER_TAG = "handrail-runner";

/** Value of {@link RUNNER_TAG} of a sandbox whose runner was not started yet. */
export const STARTING = "starting";

/** Tag that is new for each claim, by which a claim knows a sandbox whose creation it never saw confirmed. */
export const CLAIM_TAG = "handrail-claim";

/** Name of a session's sandbox: at most 128 of `[A-Za-z0-9_-]` (contracts/vercel-sandbox-api.md §2.5). */
export function sandboxName(sessionId: string): string {
  return `handrail-${sessionId}`;
}

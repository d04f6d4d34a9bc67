/** The two things that only a person can make, in the Anthropic Console, and what to do while one is missing. */

/** Said while `ANTHROPIC_ENVIRONMENT_KEY` is not set. */
export const ENVIRONMENT_KEY_GATE =
  "gate open: there is no environment key. In the Anthropic Console, open the environment, Keys, generate one, then " +
  "`pulumi config set --secret handrail:environmentKey` and `pulumi up`";

/** Said while `ANTHROPIC_WEBHOOK_SIGNING_KEY` is not set. */
export const SIGNING_KEY_GATE =
  "gate open: there is no webhook signing key. In the Anthropic Console, Manage, Webhooks, add this URL, then " +
  "`pulumi config set --secret handrail:webhookSigningKey` and `pulumi up`";

/** `open`: not passed yet, something is missing. `closed`: it was passed. */
export type GateState = "open" | "closed";

/** State of the gate behind a value. */
export function gate(value: string | undefined): GateState {
  return value === undefined ? "open" : "closed";
}

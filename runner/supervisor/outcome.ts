/**
 * How a run of the supervisor ends, and the exit code by which the control plane learns it.
 *
 * The SDK's `handleItem` returns normally on a lost lease, on 401 and on abort (traps.md 21), so the outcome is derived
 * here from what was seen on the wire. The first thing that ends a run is its outcome; what follows from it is not.
 */

/** Exit code by outcome. Codes below 20 mean that the work item was served until something ended it. */
export const EXIT_CODES = {
  /** The turn ended and nothing came for the idle time, or the session terminated. The item was stopped. */
  ended: 0,
  /** Anthropic asked for the item to be stopped (`state: stopping`). It was. */
  stopped: 0,
  /** Another runner holds the lease (412), or it ran out. The item was left to whoever has it. */
  lease_lost: 10,
  /** Anthropic or the firewall refused the sessions token (401, 403). Error results were tried, the item released. */
  token_ended: 11,
  /** The deadline came. Pending calls got error results, the item was stopped. */
  deadline: 12,
  /** SIGTERM or SIGINT came. As at the deadline, but at once. */
  signalled: 13,
  /** The handover is missing or wrong. Nothing was done. */
  bad_handover: 20,
  /** A file of the runner, or a program it starts, is not the one that was released or can be changed by others. */
  bad_install: 21,
  /** No agent in this bundle has the policy that the handover names, or the agent's tools do not agree with it. */
  bad_policy: 22,
  /** No executor could be kept apart from the supervisor. */
  no_isolation: 23,
  /**
   * `boot.sh` was already started with this handover in this sandbox, as when the answer to a start was lost and the
   * start was repeated. Nothing was done; the earlier start serves the work item.
   */
  already_started: 24,
  /** Anything else, e.g. the session could not be read. The log says what. */
  failed: 30,
} as const;

/** How a run ended. */
export type Outcome = keyof typeof EXIT_CODES;

/** A reason to end before any work is done. */
export class BootError extends Error {
  override name = "BootError";
  readonly outcome: Outcome;

  constructor(outcome: Outcome, message: string) {
    super(message);
    this.outcome = outcome;
  }
}

/** Keeps the first outcome that was noted. */
export class OutcomeRecord {
  #outcome: Outcome | undefined;

  /** Returns true when this is the first. */
  note(outcome: Outcome): boolean {
    if (this.#outcome !== undefined) return false;
    this.#outcome = outcome;
    return true;
  }

  get value(): Outcome | undefined {
    return this.#outcome;
  }
}

/** Where a policy is wrong, and what to do about it. */
export interface PolicyProblem {
  /** Place inside the policy, lock or binding, e.g. `tools.get_customer.allow[0].methods[0]`. */
  readonly place: string;
  /** What is wrong there. Never holds a credential or a ticket. */
  readonly problem: string;
  /** What would make it right. */
  readonly fix: string;
}

/**
 * A policy, lock or binding was refused. `problems` has at least one entry; the message lists them all, a line each, with
 * the file where it is known.
 */
export class PolicyError extends Error {
  override name = "PolicyError";
  readonly problems: readonly PolicyProblem[];
  readonly file: string | null;

  constructor(problems: readonly PolicyProblem[], file: string | null = null) {
    const where = (place: string) => [file, place].filter((part) => part).join(": ");
    super(problems.map(({ place, problem, fix }) => `${where(place)}: ${problem}. ${fix}.`).join("\n"));
    this.problems = problems;
    this.file = file;
  }

  /** The same error, said of a file. A policy file does not know its own name; whoever loads it does. */
  in(file: string): PolicyError {
    return new PolicyError(this.problems, file);
  }
}

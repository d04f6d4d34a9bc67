/** What `compare` answers: a verdict, and every change of authority with a request that shows it. */
import type { Outcome } from "../evaluate.ts";
import type { Phase } from "../policy.ts";

/**
 * How the new authority stands to the old one. `wider`: some request gains, none loses. `narrower`: the reverse.
 * `incomparable`: both, or a request that goes elsewhere, or what could not be decided.
 */
export type Verdict = "equivalent" | "narrower" | "wider" | "incomparable";

/** A request, as `explain` takes it. */
export interface Witness {
  readonly method: string;
  /** As sent: nothing is normalised. */
  readonly url: string;
  /** Besides `Host`, which is the URL's, and the principal's ticket. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
}

/** One change, of one principal at one host with one credential. */
export interface Change {
  readonly verdict: Exclude<Verdict, "equivalent">;
  /** Where the two sides hold policies of several agents: whose. */
  readonly agent?: string;
  /** Who: `supervisor`, a tool, or `sandbox`, whose changes hold for every other principal too and are told once. */
  readonly principal: string;
  readonly phase: Phase;
  /** A host name, a pattern of host names, or (for `subnets`) a range of addresses. */
  readonly host: string;
  /** The credential that is gained or lost, or is sent along on both sides. */
  readonly credential: string | null;
  /** A shortest request whose outcome differs; null where no request can show it, or none was found in bounds. */
  readonly witness: Witness | null;
  /** Why it could not be decided. */
  readonly undecided?: string;
  /** What becomes of the witness under the old policy. */
  readonly before: Outcome;
  /** What becomes of it under the new policy. */
  readonly after: Outcome;
  /** What Vercel does not document and this change assumes. */
  readonly assumes?: readonly string[];
}

/** The answer. Its JSON is described by `comparison.schema.json`. */
export interface Comparison {
  readonly verdict: Verdict;
  /** Wider ones first, then incomparable, then narrower; empty when equivalent. */
  readonly changes: readonly Change[];
  /** What Vercel does not document and was assumed where nothing was found to change. */
  readonly assumes?: readonly string[];
}

const ORDER: readonly Verdict[] = ["wider", "incomparable", "narrower", "equivalent"];

/** Puts changes in order, and sums them up. */
export function comparisonOf(changes: readonly Change[], assumed: readonly string[] = []): Comparison {
  const key = (change: Change) =>
    [change.agent, change.principal, change.phase, change.host, change.credential].map(String).join(" ");
  const sorted = changes.toSorted(
    (a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict) || (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0),
  );
  const assumes = [...new Set(assumed)].sort();
  return {
    verdict: sum(changes.map(({ verdict }) => verdict)),
    changes: sorted,
    ...(assumes.length > 0 && { assumes }),
  };
}

/** The verdict over several. */
export function sum(verdicts: readonly Verdict[]): Verdict {
  const kinds = new Set(verdicts.filter((verdict) => verdict !== "equivalent"));
  const [only] = kinds;
  return kinds.size > 1 ? "incomparable" : (only ?? "equivalent");
}

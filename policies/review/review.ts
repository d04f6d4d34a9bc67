/** What a reviewer is shown: each policy that differs, by how much, and whether that was accepted. */
import { type Change, type Comparison, sum, type Verdict } from "../engine/compare/comparison.ts";
import type { StandingGrant } from "./standing-grants.ts";

/** Whether a policy may go in as it is. */
export type Passage =
  /** Nobody asked: two policies were compared, and neither goes anywhere. */
  | { readonly kind: "unasked" }
  /** Nothing grows. */
  | { readonly kind: "open" }
  /** It grows, and somebody said why, for exactly these two digests. */
  | { readonly kind: "accepted"; readonly for: string; readonly reason: string; readonly expires: string }
  /** It grows. `notes` name acceptances that were found for the agent and do not count, and why. */
  | { readonly kind: "stopped"; readonly notes: readonly string[] };

/** One policy, before and after. */
export interface PolicyReview {
  readonly agent: string;
  /** Where the policy stands in the repository, e.g. `policies/support.policy.ts`; null for data without a file. */
  readonly file: string | null;
  /** Digest of the lock before; null when there was no such policy, or it is no lock. */
  readonly before: string | null;
  /** Digest of the lock after; null when there is no such policy any more, or it is no lock. */
  readonly after: string | null;
  readonly comparison: Comparison;
  readonly passage: Passage;
  /** What the policies grant, with or without a change; empty where that is not known (raw network policies). */
  readonly grants: { readonly before: readonly StandingGrant[]; readonly after: readonly StandingGrant[] };
  /** Line of the policy's file that a change is best shown at, counted from 1. */
  readonly lineOf: (change: Change) => number;
}

/** A whole review. */
export interface Review {
  /** What it is compared with, as the user wrote it: a git ref, a file. */
  readonly from: string;
  readonly to: string;
  readonly policies: readonly PolicyReview[];
}

/** The verdict of a whole review. */
export function verdictOf(review: Review): Verdict {
  return sum(review.policies.map(({ comparison }) => comparison.verdict));
}

/** Whether a verdict or a change lets somebody do what was not possible before; what could not be decided may. */
export function grows(verdict: Verdict): boolean {
  return verdict === "wider" || verdict === "incomparable";
}

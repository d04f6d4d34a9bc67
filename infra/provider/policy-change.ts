/** What a plan says of a changed policy: who gains or loses which request, as in the review of a pull request. */
import { compare } from "../../policies/engine/compare/compare.ts";
import type { Side } from "../../policies/engine/compare/sides.ts";
import type { Lock } from "../../policies/engine/lock.ts";
import { reviewOf } from "../../policies/review/of-comparison.ts";
import { grows } from "../../policies/review/review.ts";
import { renderTerminal } from "../../policies/review/terminal.ts";
import type { Severity } from "./definition.ts";

/** Compares what was recorded with what is planned. */
export function describePolicyChange(before: Lock, after: Lock): { severity: Severity; message: string } {
  const side = (lock: Lock): Side => ({ kind: "locks", locks: [{ lock, examples: {} }], whole: false });
  const comparison = compare(side(before), side(after));
  const short = ({ digest }: Lock) => digest.slice(0, "sha256:".length + 12);
  const review = reviewOf(
    comparison,
    { name: `recorded ${short(before)}`, side: side(before) },
    { name: `planned ${short(after)}`, side: side(after) },
  );
  return {
    severity: grows(comparison.verdict) ? "warning" : "info",
    message: `egress policy ${renderTerminal(review, { color: false }).trimEnd()}`,
  };
}

/** The review for a terminal: the verdict first, then one block a change. */
import { createColors } from "picocolors";
import type { Change, Verdict } from "../engine/compare/comparison.ts";
import { grows, type PolicyReview, type Review, verdictOf } from "./review.ts";
import {
  changeVerb,
  curlLine,
  outcomeWords,
  passageWords,
  principalWords,
  subjectWords,
  VERDICT_WORDS,
  visible,
} from "./words.ts";

/** Lays a review out. Ends with a newline. */
export function renderTerminal(review: Review, options: { readonly color: boolean }): string {
  const paint = createColors(options.color);
  const verdict = verdictOf(review);
  const colorOf = (of: Verdict) => (grows(of) ? paint.red : of === "narrower" ? paint.green : paint.dim);
  const lines = [
    `${paint.bold(colorOf(verdict)(verdict.toUpperCase()))}  ${VERDICT_WORDS[verdict]}`,
    paint.dim(visible(`${review.from} → ${review.to}`)),
  ];
  for (const policy of review.policies) {
    const { comparison } = policy;
    const { assumes = [] } = comparison;
    if (comparison.changes.length === 0 && assumes.length === 0 && review.policies.length > 1) continue;
    lines.push("", `${paint.bold(visible(policy.agent))}  ${colorOf(comparison.verdict)(comparison.verdict)}`);
    if (policy.before === null && policy.after !== null) lines.push(paint.dim("  a new policy: all of it is new"));
    if (policy.after === null && policy.before !== null) lines.push(paint.dim("  this policy is gone"));
    for (const change of comparison.changes) lines.push("", ...block(change));
    if (assumes.length > 0) lines.push("", ...assumes.map((reading) => paint.dim(visible(`  assumed: ${reading}`))));
    lines.push(...passage(policy));
  }
  const words = passageWords(review);
  const stopped = review.policies.some(({ passage: { kind } }) => kind === "stopped");
  if (words !== null) lines.push("", stopped ? paint.red(words) : paint.green(words));
  if (stopped) {
    const accept = `npm run -s policy -- accept --base ${review.from} --for NAME --reason "why"`;
    lines.push(
      "To accept exactly this, commit the entry that this prints, and have it approved:",
      `  ${visible(accept)}`,
    );
  }
  return `${lines.join("\n")}\n`;

  function block(change: Change): string[] {
    const { undecided, witness, before, after, assumes = [] } = change;
    const sign = grows(change.verdict) ? (change.verdict === "wider" ? "+" : "±") : "-";
    const headline = `${sign} ${principalWords(change.principal)} ${changeVerb(change)}: ${subjectWords(change)}`;
    const rows = [`  ${colorOf(change.verdict)(visible(headline))}`];
    if (undecided !== undefined)
      rows.push(`      ${visible(undecided)}`, "      Counts as a gain until it is decided.");
    else {
      if (witness) rows.push(`      ${paint.cyan(curlLine(witness))}`);
      rows.push(visible(`      before  ${outcomeWords(before)}`), visible(`      after   ${outcomeWords(after)}`));
    }
    for (const reading of assumes) rows.push(paint.dim(visible(`      assumed: ${reading}`)));
    return rows;
  }

  function passage({ passage: { kind, ...rest } }: PolicyReview): string[] {
    if (kind === "accepted" && "expires" in rest) {
      const { for: who, reason, expires } = rest;
      return ["", visible(`  accepted for ${who} until ${expires}: ${reason}`)];
    }
    const notes = "notes" in rest ? rest.notes : [];
    return notes.length === 0 ? [] : ["", ...notes.map((note) => `  ${paint.yellow(visible(note))}`)];
  }
}

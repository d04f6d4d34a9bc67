/**
 * The review as a comment of a pull request, in GitHub's Markdown.
 *
 * Names, URLs and reasons come from the pull request, which may be a stranger's: they appear in code only, where GitHub
 * makes no link, no mention and no markup of them.
 */
import type { Change } from "../engine/compare/comparison.ts";
import { grows, type PolicyReview, type Review, verdictOf } from "./review.ts";
import { changeVerb, curlLine, outcomeWords, passageWords, principalWords, VERDICT_WORDS, visible } from "./words.ts";

/** How the comment is found again, to be updated instead of repeated. The first line of every report starts with it. */
export const COMMENT_MARKER = "<!-- handrail-policy-review";

/** GitHub takes comments of up to 65,536 characters. */
const MOST_CHARACTERS = 60_000;

/** Renders a review. Changes that would make the comment too long are counted instead. */
export function renderMarkdown(review: Review): string {
  const verdict = verdictOf(review);
  const words = passageWords(review, code);
  const stopped = review.policies.some(({ passage }) => passage.kind === "stopped");
  const alert = stopped ? "CAUTION" : grows(verdict) ? "IMPORTANT" : "NOTE";
  const head = [
    `${COMMENT_MARKER} verdict=${verdict} -->`,
    `### Egress policy: ${verdict}`,
    "",
    `> [!${alert}]`,
    `> ${VERDICT_WORDS[verdict]}${words === null ? "" : ` **${words}**`}`,
    "",
    `Compared: ${code(review.from)} → ${code(review.to)}`,
  ];
  const blocks = review.policies.flatMap((policy) => policyBlocks(policy, review.policies.length > 1));
  const shown: string[] = [];
  let room = MOST_CHARACTERS - head.join("\n").length;
  for (const block of blocks) {
    room -= block.length + 2;
    if (room < 0) break;
    shown.push(block);
  }
  const left = blocks.length - shown.length;
  if (left > 0)
    shown.push(`*${left} more parts do not fit into a comment: see the HTML report of the workflow's run.*`);
  return `${[head.join("\n"), ...shown].join("\n\n")}\n`;
}

function policyBlocks(policy: PolicyReview, several: boolean): string[] {
  const { comparison, passage, before, after } = policy;
  const readings = (comparison.assumes ?? []).map((reading) => `assumed: ${code(reading)}`);
  if (comparison.changes.length === 0)
    return [...(several ? [`#### ${code(policy.agent)}: equivalent`] : []), ...readings];
  const changes = comparison.changes;
  const lost = changes.filter(({ verdict }) => !grows(verdict));
  const title = [`#### ${code(policy.agent)}: ${comparison.verdict}`];
  if (before === null && after !== null) title.push("A new policy: everything that it grants is new.");
  if (after === null && before !== null) title.push("This policy is gone, and with it everything that it granted.");
  const blocks = [title.join("\n\n"), ...changes.filter(({ verdict }) => grows(verdict)).map(changeBlock)];
  if (lost.length > 0) {
    const summary = `${lost.length} ${lost.length === 1 ? "request is" : "kinds of request are"} no longer possible`;
    blocks.push([`<details><summary>${summary}</summary>`, ...lost.map(changeBlock), "</details>"].join("\n\n"));
  }
  blocks.push(...readings);
  if (passage.kind === "accepted") {
    blocks.push(`Accepted for ${code(passage.for)} until ${code(passage.expires)}: ${code(passage.reason)}`);
  }
  if (passage.kind === "stopped") {
    blocks.push(
      [
        ...passage.notes.map((note) => `- ${code(note)}`),
        ...(passage.notes.length > 0 ? [""] : []),
        "To accept exactly this change, commit the entry that this prints, and have it approved:",
        "",
        ...fenced('npm run -s policy -- accept --base origin/main --for YOU --reason "why" --days 14'),
      ].join("\n"),
    );
  }
  return blocks;
}

function changeBlock(change: Change): string {
  const { principal, credential, host, phase, witness, undecided, before, after, assumes = [] } = change;
  const what = credential === null ? `${code(host)} without a credential` : `${code(credential)} on ${code(host)}`;
  const when = phase === "setup" ? ", while the snapshot is built" : "";
  const lines = [`**${code(principalWords(principal))} ${changeVerb(change)}: ${what}${when}**`, ""];
  if (undecided !== undefined) {
    lines.push(`${code(undecided)}. It counts as a gain until it is decided.`);
  } else {
    if (witness) lines.push(...fenced(curlLine(witness)), "");
    lines.push(`before: ${code(outcomeWords(before))}<br>after: ${code(outcomeWords(after))}`);
  }
  for (const reading of assumes) lines.push("", `assumed: ${code(reading)}`);
  return lines.join("\n");
}

/** A code span that nothing inside can end. */
export function code(text: string): string {
  const shown = visible(text);
  const longest = Math.max(0, ...[...shown.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  const pad = shown.startsWith("`") || shown.endsWith("`") || /^ .* $/.test(shown) || shown === "" ? " " : "";
  return `${fence}${pad}${shown}${pad}${fence}`;
}

function fenced(text: string): string[] {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  return [`${fence}sh`, text, fence];
}

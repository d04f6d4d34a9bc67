/** The review as a page: one file that fetches nothing, with a drawing of each policy and the same in words. */
import { createHash } from "node:crypto";
import type { Change } from "../engine/compare/comparison.ts";
import { drawingSvg, LINE_STATES } from "./drawing-svg.ts";
import { escapeHtml } from "./escape-html.ts";
import { PAGE_SCRIPT, PAGE_STYLE } from "./page-style.ts";
import { grows, type PolicyReview, type Review, verdictOf } from "./review.ts";
import type { StandingGrant } from "./standing-grants.ts";
import {
  changeVerb,
  curlLine,
  outcomeWords,
  passageWords,
  principalWords,
  subjectWords,
  VERDICT_WORDS,
} from "./words.ts";

/**
 * Renders a review. The page's own policy (CSP) allows this script and this style and nothing else, so that a name which
 * escaped its escaping would still not run.
 */
export function renderHtml(review: Review): string {
  const verdict = verdictOf(review);
  const words = passageWords(review, (name) => name);
  const passages = new Set(review.policies.map(({ passage }) => passage.kind));
  const gate = passages.has("stopped") ? "stopped" : passages.has("accepted") ? "accepted" : "open";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; base-uri 'none'; form-action 'none'; style-src ${hash(PAGE_STYLE)}; style-src-attr 'none'; script-src ${hash(PAGE_SCRIPT)}">
<meta name="viewport" content="width=device-width">
<title>Egress policy: ${verdict}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<main>
<h1>Egress policy <span class="badge ${verdict}">${verdict}</span></h1>
<p>${VERDICT_WORDS[verdict]} <span class="muted">${escapeHtml(review.from)} → ${escapeHtml(review.to)}</span></p>
${words === null ? "" : `<p class="gate ${gate}">${escapeHtml(words)}</p>`}
${review.policies.map(section).join("\n")}
</main>
<script>${PAGE_SCRIPT}</script>
</body>
</html>
`;
}

function section(policy: PolicyReview, index: number): string {
  const { agent, comparison, passage, before, after } = policy;
  const changes = comparison.changes;
  const notes = [
    ...(before === null && after !== null ? ["A new policy: everything that it grants is new."] : []),
    ...(after === null && before !== null ? ["This policy is gone, and with it everything that it granted."] : []),
    ...(passage.kind === "accepted" ? [`Accepted for ${passage.for} until ${passage.expires}: ${passage.reason}`] : []),
    ...(passage.kind === "stopped" ? passage.notes : []),
    ...(comparison.assumes ?? []).map((reading) => `Assumed: ${reading}`),
  ];
  const id = `policy-${index}`;
  return `<section aria-labelledby="${id}">
<h2 id="${id}">${escapeHtml(agent)} <span class="badge ${comparison.verdict}">${comparison.verdict}</span></h2>
${notes.map((note) => `<p>${escapeHtml(note)}</p>`).join("\n")}
<figure>
<div class="scroll">
<div class="columns" aria-hidden="true"><span>who</span><span>with which credential</span><span>reaches</span></div>
${drawingSvg(policy, id)}
</div>
<figcaption>${LEGEND}</figcaption>
<div class="tip" role="status" hidden></div>
</figure>
${changes.length === 0 ? "" : `<h3>What changes</h3>\n${changes.map(changeHtml).join("\n")}`}
${grantsTable(policy.grants.after)}
</section>`;
}

const LEGEND = `<ul class="legend">${(["new", "changed", "undecided", "less", "gone", "kept"] as const)
  .map(
    (state) =>
      `<li><svg viewBox="0 0 34 10" aria-hidden="true"><g class="line ${state}"><path class="stroke" d="M0,5 H34"/></g></svg>${state === "new" ? "new, or more than before" : LINE_STATES[state].words}</li>`,
  )
  .join("")}</ul><p class="muted">Point at a line, or reach it with the Tab key, for a request that shows it.</p>`;

function changeHtml(change: Change): string {
  const { witness, undecided, before, after, assumes = [], verdict } = change;
  const title = `${principalWords(change.principal)} ${changeVerb(change)}: ${subjectWords(change)}`;
  const body =
    undecided !== undefined
      ? [`<p>${escapeHtml(undecided)}</p><p>It counts as a gain until it is decided.</p>`]
      : [
          witness ? `<pre tabindex="0">${escapeHtml(curlLine(witness))}</pre>` : "",
          `<dl><dt>before</dt><dd>${escapeHtml(outcomeWords(before))}</dd>`,
          `<dt>after</dt><dd>${escapeHtml(outcomeWords(after))}</dd></dl>`,
        ];
  const readings = assumes.map((reading) => `<p class="muted">assumed: ${escapeHtml(reading)}</p>`);
  return `<article class="change${grows(verdict) ? "" : " lost"}"><h4>${escapeHtml(title)}</h4>${[...body, ...readings].join("")}</article>`;
}

function grantsTable(grants: readonly StandingGrant[]): string {
  if (grants.length === 0) return "";
  const rows = grants.map(
    ({ principal, phase, host, credential, requests }) =>
      `<tr><td>${escapeHtml(principal)}${phase === "setup" ? " (set-up)" : ""}</td><td>${escapeHtml(host)}</td>` +
      `<td>${credential === null ? "none" : escapeHtml(credential)}</td>` +
      `<td>${requests.map((request) => `<code>${escapeHtml(request)}</code>`).join("<br>")}</td></tr>`,
  );
  return `<details><summary>Everything that is let through after the change</summary>
<table><thead><tr><th>who</th><th>host</th><th>credential</th><th>requests</th></tr></thead>
<tbody>${rows.join("\n")}</tbody></table></details>`;
}

function hash(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}

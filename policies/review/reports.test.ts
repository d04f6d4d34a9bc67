import { createHash } from "node:crypto";
import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import { renderHtml } from "./html.ts";
import { renderMarkdown } from "./markdown.ts";
import type { Review } from "./review.ts";
import { renderSarif } from "./sarif.ts";
import { renderTerminal } from "./terminal.ts";
import { CHANGES, SAMPLES, sampleReview } from "./testing/samples.ts";
import { sarifShape } from "./testing/sarif-shape.ts";

// Each report of each sample is a file to read: `npm test -- policies/review -u` writes them anew.
const names = Object.keys(SAMPLES) as (keyof typeof SAMPLES)[];

function sample(name: keyof typeof SAMPLES) {
  const review = SAMPLES[name];
  if (review === undefined) throw new Error(`no sample ${name}`);
  return review;
}

test.each(names)("%s on a terminal, without colour", async (name) => {
  await expect(renderTerminal(sample(name), { color: false })).toMatchFileSnapshot(`fixtures/${name}.txt`);
});

test.each(names)("%s as a comment", async (name) => {
  await expect(renderMarkdown(sample(name))).toMatchFileSnapshot(`fixtures/${name}.md`);
});

test.each(names)("%s for code scanning", async (name) => {
  await expect(JSON.stringify(renderSarif(sample(name)), null, 2)).toMatchFileSnapshot(`fixtures/${name}.sarif`);
});

test("a page, to open in a browser", async () => {
  await expect(renderHtml(sample("wider"))).toMatchFileSnapshot("fixtures/wider.html");
});

test("a page fetches nothing and runs nothing but its own script", () => {
  for (const name of names) {
    const page = renderHtml(sample(name));
    expect(page.match(/<(script|img|link|iframe|object|a|form)\b/g)).toEqual(["<script"]);
    expect(page).not.toMatch(/\b(?:src|href|on[a-z]+|style)=(?=["'])/);
    expect(page).toContain("default-src 'none'");
  }
});

test("a page's policy lets exactly its own script and style run", () => {
  const page = renderHtml(sample("hostile"));
  for (const [tag, directive] of [
    ["script", "script-src"],
    ["style", "style-src"],
  ] as const) {
    const content = new RegExp(`<${tag}>(.*?)</${tag}>`, "s").exec(page)?.[1] ?? "";
    const digest = createHash("sha256").update(content).digest("base64");
    expect(page).toContain(`${directive} 'sha256-${digest}'`);
  }
});

test("a page says every line in words for those who do not see it", () => {
  const page = renderHtml(sample("wider"));
  expect(page.match(/<g class="line [^>]* aria-label="[^"]+"/g)).toHaveLength(7);
  expect(page).toContain('aria-label="get_customer to api.crm.example, crm: more than before"');
  expect(page).toContain("curl https://api.crm.example/v1/customers/cus_42/orders");
});

test("colour says nothing that the words do not", () => {
  for (const name of names) {
    const colored = renderTerminal(sample(name), { color: true });
    expect(stripVTControlCharacters(colored)).toBe(renderTerminal(sample(name), { color: false }));
    if (name !== "equivalent") expect(colored).not.toBe(stripVTControlCharacters(colored));
  }
});

test("names of a stranger's pull request steer no terminal", () => {
  expect(renderTerminal(sample("hostile"), { color: false }).replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
});

test("names of a stranger's pull request stay in code spans of the comment: no markup, no mention, no link", () => {
  const comment = renderMarkdown(sample("hostile"));
  const prose = comment.replace(/^(`{3,})sh\n[\s\S]*?\n\1$/gm, "").replace(/(?<!`)(`+)(?!`)[^\n]*?(?<!`)\1(?!`)/g, "");
  expect(prose).not.toMatch(/@everyone|<img|javascript:|<b>/);
});

test("a comment stays below GitHub's limit and says what it leaves out", () => {
  const many = Array.from({ length: 1000 }, (_, i) => ({ ...CHANGES.gain, host: `api${i}.crm.example` }));
  const comment = renderMarkdown(sampleReview(many));
  expect(comment.length).toBeLessThan(65_536);
  expect(comment).toMatch(/\*\d+ more parts do not fit into a comment/);
});

test("an alert keeps its fingerprint when its line and witness change, and two alike have two", () => {
  const fingerprints = (review: Review) =>
    sarifShape.parse(renderSarif(review)).runs[0].results.map((one) => one.partialFingerprints.primaryLocationLineHash);
  const [first] = fingerprints(sampleReview([CHANGES.gain]));
  const moved = { ...CHANGES.gain, witness: { ...CHANGES.gain.witness, url: "https://api.crm.example/v1/other" } };
  expect(fingerprints(sampleReview([moved], { lineOf: () => 99 }))).toEqual([first]);
  expect(new Set(fingerprints(sampleReview([CHANGES.gain, moved]))).size).toBe(2);
});

test.each(names)("%s has what GitHub needs of a SARIF file", (name) => {
  const { runs } = sarifShape.parse(renderSarif(sample(name)));
  for (const { ruleId, ruleIndex } of runs[0].results) expect(runs[0].tool.driver.rules[ruleIndex]?.id).toBe(ruleId);
});

test("only what grows is an alert, and what was accepted is suppressed with its reason", () => {
  expect(sarifShape.parse(renderSarif(sample("narrower"))).runs[0].results).toEqual([]);
  expect(sarifShape.parse(renderSarif(sample("accepted"))).runs[0].results[0]?.suppressions).toEqual([
    {
      kind: "external",
      status: "accepted",
      justification: "accepted for Kim Doe until 2026-12-05: Orders are shown in the reply (#42)",
    },
  ]);
});

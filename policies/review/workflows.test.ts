import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { COMMENT_MARKER } from "./markdown.ts";

const folder = join(import.meta.dirname, "..", "..", ".github", "workflows");
const files = (await readdir(folder)).filter((name) => name.startsWith("policy-review"));
const texts = new Map(
  await Promise.all(files.map(async (name) => [name, await readFile(join(folder, name), "utf8")] as const)),
);

const text = (name: string) => texts.get(name) ?? "";
const check = text("policy-review.yml");
const report = text("policy-review-report.yml");

/** The jobs of a workflow, as text. */
function jobs(workflow: string): string[] {
  const [, all = ""] = workflow.split(/^jobs:\n/m);
  return all.split(/^(?= {2}[a-z]+:\n)/m).filter((job) => /^ {2}[a-z]+:\n/.test(job));
}

/** What a job may do, e.g. `contents: read`. */
function permissions(job: string): string[] {
  const block = /^ {4}permissions:\n((?: {6}[a-z-]+: [a-z]+\n)+)/m.exec(job)?.[1] ?? "";
  return block
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.trim());
}

describe.each(files)("%s", (name) => {
  test("uses actions by commit only, with the version beside it", () => {
    const uses = [...text(name).matchAll(/^\s*-? ?uses: (.*)$/gm)].map(([, action]) => action);
    expect(uses.length).toBeGreaterThan(0);
    for (const action of uses) expect(action).toMatch(/^[\w-]+(?:\/[\w-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test("grants nothing by default, and each job what it needs by name", () => {
    expect(text(name)).toMatch(/^permissions: \{\}$/m);
    for (const job of jobs(text(name))) expect(permissions(job)).not.toEqual([]);
  });

  test("keeps no token in the checkout, ends in time, and puts nothing of an event into a script", () => {
    const { length } = text(name).match(/uses: actions\/checkout@/g) ?? [];
    expect(text(name).match(/persist-credentials: false/g) ?? []).toHaveLength(length);
    for (const job of jobs(text(name))) expect(job).toMatch(/^ {4}timeout-minutes: \d+$/m);
    for (const [script] of text(name).matchAll(/run: (?:\|\n(?: {10}.*\n|\n)+|.*)/g))
      expect(script).not.toContain("${{");
  });
});

test("the check that runs a stranger's code can read the repository, and has no secret", () => {
  expect(jobs(check).map(permissions)).toEqual([["contents: read"]]);
  expect(check).toMatch(/^on:\n {2}pull_request:\n/m);
  expect(check).not.toMatch(/secrets\.|pull_request_target|github\.token/);
});

test("where something can be written, no code of the pull request is checked out or run", () => {
  const [compare = "", ...writing] = jobs(report);
  expect(permissions(compare).every((permission) => permission.endsWith(": read"))).toBe(true);
  expect(compare).toMatch(/ref: \$\{\{ github\.event\.repository\.default_branch \}\}/);
  for (const job of writing) expect(job).not.toMatch(/actions\/checkout|npm |node /);
  expect(report).not.toMatch(/secrets\.|workflow_run\.(?:head_branch|head_commit|display_title)/);
  // Reports are made here, from git: the artifacts of the run that started this one are a stranger's.
  expect(report).toContain('gh run download "$GITHUB_RUN_ID"');
  expect(report).not.toContain("workflow_run.id");
});

test("both compare the same two commits, so that one acceptance counts in both", () => {
  expect(check).toContain("check --base HEAD^1 ");
  expect(report).toContain('check --base "$merge^1" --head "$merge" ');
});

test("the comment is found again by the marker that reports start with", () => {
  expect(report).toContain(`startswith("${COMMENT_MARKER}")`);
  expect(report).toContain(`echo "${COMMENT_MARKER} verdict=error -->"`);
});

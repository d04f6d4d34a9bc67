import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

/** What the verbs read, without tests and builds. */
const PARTS = ["policies", "runner", "functions", "infra", "scripts", "package.json", "tsconfig.json"];
const SKIPPED = /\.test(?:-d)?\.ts$|(?:^|\/)(?:dist|fixtures|goldens|local|demo)(?:\/|$)/;

const root = join(import.meta.dirname, "..", "..");
let checkout: string;

beforeAll(async () => {
  checkout = await mkdtemp(join(tmpdir(), "handrail-gate-"));
  const filter = (path: string) => !SKIPPED.test(relative(root, path));
  await Promise.all(PARTS.map((part) => cp(join(root, part), join(checkout, part), { recursive: true, filter })));
  await symlink(join(root, "node_modules"), join(checkout, "node_modules"));
  await rm(join(checkout, "policies", "acceptances.json"), { force: true });
  for (const verb of ["lock", "review"]) expect(await policy(verb)).toMatchObject({ code: 0 });
  const git = (...args: string[]) => promisify(execFile)("git", ["-C", checkout, ...args]);
  await git("init", "-q", "-b", "main");
  await git("add", "policies");
  await git("-c", "user.name=Test", "-c", "user.email=test@test.example", "commit", "-q", "-m", "Policies");
});

afterAll(() => rm(checkout, { recursive: true, force: true }));

/** Runs the verb as a person does. */
function policy(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    const file = join(checkout, "scripts", "policy.ts");
    execFile(
      process.execPath,
      [file, ...args],
      { cwd: checkout, env: { ...process.env, NO_COLOR: "1" } },
      (error, out, err) => resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

async function edit(old: string, now: string): Promise<void> {
  const file = join(checkout, "policies", "support.policy.ts");
  const text = await readFile(file, "utf8");
  expect(text.split(old)).toHaveLength(2);
  await writeFile(file, text.replace(old, now));
}

// One pull request, from its first commit on: each step starts where the one before it ended.
test("the gate passes what grants nothing, and writes its reports", async () => {
  const { code, out } = await policy("check", "--base", "main", "--reports", join(checkout, "reports"));
  expect(out).toContain("Passes: nothing is gained.");
  expect(code).toBe(0);
  expect(await readFile(join(checkout, "reports", "review.md"), "utf8")).toMatch(
    /^<!-- handrail-policy-review verdict=equivalent/,
  );
});

test("a policy whose lock and REVIEW.md were forgotten is an error with the fix, before anything is judged", async () => {
  await edit(
    "sandbox: [packageRegistry]",
    'sandbox: [packageRegistry, { methods: ["GET"], host: "docs.example", path: "/guide" }]',
  );
  const { code, err } = await policy("check", "--base", "main");
  expect(code).toBe(1);
  expect(err).toContain("Run `npm run policy -- lock`");
});

test("the gate stops what grows, with a request that shows it", async () => {
  await policy("lock");
  const stale = await policy("check", "--base", "main");
  expect(stale).toMatchObject({ code: 1, err: expect.stringContaining("Run `npm run policy -- review`") });
  await policy("review");
  const { code, out } = await policy("check", "--base", "main");
  expect(out).toContain("curl https://docs.example/guide");
  expect(code).toBe(2);
});

test("the gate passes once the printed acceptance is committed, and stops again at the next change", async () => {
  const printed = await policy("accept", "--base", "main", "--for", "Kim Doe", "--reason", "the guide is public");
  const acceptances = [JSON.parse(printed.out)];
  await writeFile(join(checkout, "policies", "acceptances.json"), JSON.stringify({ acceptances }));
  const accepted = await policy("check", "--base", "main");
  expect(accepted.out).toMatch(/accepted for Kim Doe until .*: the guide is public/);
  expect(accepted.code).toBe(0);

  await edit('path: "/guide"', 'path: "/{page...}", modelChooses: ["page"]');
  await policy("lock");
  await policy("review");
  const later = await policy("check", "--base", "main");
  expect(later.out).toContain("The acceptance for Kim Doe does not count: it is for sha256:");
  expect(later.code).toBe(2);
});

test("a commit is judged by its locks, whatever the working tree holds", async () => {
  expect(await policy("check", "--base", "main", "--head", "main")).toMatchObject({ code: 0 });
});

test("a base that git does not know is an error that says what to do", async () => {
  const { code, err } = await policy("check", "--base", "origin/nowhere");
  expect(err).toMatch(/git:origin\/nowhere: git knows no such commit here\. Fetch it first/);
  expect(code).toBe(1);
});

test("an acceptance needs somebody who answers for it, and a reason", async () => {
  const { code, err } = await policy("accept", "--base", "main");
  expect(err).toMatch(/for: is empty: it must say who answers for it/);
  expect(code).toBe(1);
});

test("what is not understood is an error, not the gate's answer that something grew", async () => {
  for (const args of [
    ["check", "--base", "main", "--frob"],
    ["compare", "a", "b", "c"],
    ["compare", "--json", "--html", "a", "b"],
  ]) {
    expect((await policy(...args)).code).toBe(1);
  }
});

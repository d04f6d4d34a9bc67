import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import type { Change, Comparison, Verdict } from "../engine/compare/comparison.ts";
import type { Side as CompareSide } from "../engine/compare/sides.ts";
import { compile } from "../engine/compile.ts";
import { definePolicy } from "../engine/define.ts";
import { type Lock, serializeLock } from "../engine/lock.ts";
import { type Acceptance, newAcceptance } from "./acceptances.ts";
import { gateCode, reviewSides } from "./gate.ts";
import { committedSide, type Side } from "./sides.ts";
import { CHANGES } from "./testing/samples.ts";

const TODAY = "2026-11-21";

/** A lock for its digest only: the comparison is given. */
const lockOf = (agent: string, host: string) =>
  compile(definePolicy({ agent, tools: {}, sandbox: [{ methods: ["GET"], host }] }));
const [old, grown, later] = ["a.example", "b.example", "c.example"].map((host) => lockOf("support", host)) as [
  Lock,
  Lock,
  Lock,
];

function side(name: string, locks: readonly Lock[], files: Readonly<Record<string, string>> = {}): Side {
  return {
    name,
    locks: new Map(locks.map((lock) => [lock.agent, { lock, examples: {} }])),
    read: async (file) => files[file] ?? null,
  };
}

const answer =
  (verdict: Verdict, changes: readonly Change[] = []) =>
  (): Comparison => ({ verdict, changes });

async function review(o: {
  verdict: Verdict;
  changes?: readonly Change[];
  before?: readonly Lock[];
  after?: readonly Lock[];
  accepted?: readonly Acceptance[];
  today?: string;
}) {
  const files: Record<string, string> = o.accepted
    ? { "acceptances.json": JSON.stringify({ acceptances: o.accepted }) }
    : {};
  return reviewSides({
    from: side("main", o.before ?? [old]),
    to: side("working tree", o.after ?? [grown], files),
    folder: "policies",
    compare: answer(o.verdict, o.changes),
    today: o.today ?? TODAY,
  });
}

const forKim = { for: "Kim Doe", reason: "orders are shown", days: 14, today: TODAY };
const accept = (before: Lock | null, after: Lock) =>
  newAcceptance({ agent: "support", before: before?.digest ?? null, after: after.digest }, forKim);

describe("the gate", () => {
  test.each([
    ["equivalent", 0],
    ["narrower", 0],
    ["wider", 2],
    ["incomparable", 2],
  ] as const)("answers %s with exit code %i", async (verdict, code) => {
    expect(gateCode(await review({ verdict }))).toBe(code);
  });

  test("stops on what could not be decided", async () => {
    expect(gateCode(await review({ verdict: "incomparable", changes: [CHANGES.undecided] }))).toBe(2);
  });

  test("compares a new policy with no authority at all, and one that is gone likewise", async () => {
    const pairs: unknown[] = [];
    const agents = (one: CompareSide) => (one.kind === "locks" ? one.locks.map(({ lock }) => lock.agent) : one.kind);
    const compare = (before: CompareSide, after: CompareSide): Comparison => {
      pairs.push([agents(before), agents(after)]);
      return { verdict: "equivalent", changes: [] };
    };
    const options = { folder: "policies", compare, today: TODAY };
    const other = lockOf("other", "a.example");
    await reviewSides({ from: side("main", [other]), to: side("working tree", [old]), ...options });
    expect(pairs).toEqual([
      [["other"], []],
      [[], ["support"]],
    ]);
  });

  test("lets an accepted change pass, and says who answers for it", async () => {
    const result = await review({ verdict: "wider", accepted: [accept(old, grown)] });
    expect(gateCode(result)).toBe(0);
    expect(result.policies[0]?.passage).toEqual({
      kind: "accepted",
      for: "Kim Doe",
      reason: "orders are shown",
      expires: "2026-12-05",
    });
  });

  test("lets an accepted new policy pass", async () => {
    expect(gateCode(await review({ verdict: "wider", before: [], accepted: [accept(null, grown)] }))).toBe(0);
  });

  test.each([
    ["the next change", { after: [later] }, /is for sha256:.* → sha256:.*, and this is/],
    ["another base", { before: [later] }, /is for sha256:.* → sha256:.*, and this is/],
    ["the day after its last", { today: "2026-12-06" }, /expired on 2026-12-05/],
  ])("does not count an acceptance for %s, and says so", async (_, more, note) => {
    const result = await review({ verdict: "wider", accepted: [accept(old, grown)], ...more });
    expect(gateCode(result)).toBe(2);
    expect(result.policies[0]?.passage).toMatchObject({ notes: [expect.stringMatching(note)] });
  });

  test("counts an acceptance on its last day", async () => {
    expect(gateCode(await review({ verdict: "wider", accepted: [accept(old, grown)], today: "2026-12-05" }))).toBe(0);
  });

  test("does not take one agent's acceptance for another's", async () => {
    const accepted = [{ ...accept(old, grown), agent: "other" }];
    expect(gateCode(await review({ verdict: "wider", accepted }))).toBe(2);
  });

  test.each([
    ["no JSON", "{", /main: policies\/acceptances\.json: is not JSON/],
    [
      "a digest cut short",
      { ...accept(old, grown), after: "sha256:ab" },
      /acceptances\[0\]\.after: is not a lock's digest/,
    ],
    ["nobody's name", { ...accept(old, grown), for: " " }, /acceptances\[0\]\.for: is empty/],
    ["no end", { ...accept(old, grown), expires: "never" }, /acceptances\[0\]\.expires: is not a date/],
  ])("refuses acceptances with %s", async (_, entry, message) => {
    const text = typeof entry === "string" ? entry : JSON.stringify({ acceptances: [entry] });
    const to = side("main", [grown], { "acceptances.json": text });
    const result = reviewSides({
      from: side("x", [old]),
      to,
      folder: "policies",
      compare: answer("wider"),
      today: TODAY,
    });
    await expect(result).rejects.toThrow(message);
  });

  test.each([0, 91, 1.5, Number.NaN])("gives no acceptance for %d days", (days) => {
    const change = { agent: "support", before: old.digest, after: grown.digest };
    expect(() => newAcceptance(change, { ...forKim, days })).toThrow(/not a number of days from 1 to 90/);
  });
});

describe("a commit", () => {
  const folders: string[] = [];
  afterEach(() => Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true }))));

  async function repository(files: Readonly<Record<string, string>>): Promise<string> {
    const root = await mkdtemp(join(tmpdir(), "handrail-gate-"));
    folders.push(root);
    await mkdir(join(root, "policies"));
    await Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(root, "policies", name), text)));
    const git = (...args: string[]) => promisify(execFile)("git", ["-C", root, ...args]);
    await git("init", "-q", "-b", "main");
    await git("add", ".");
    await git("-c", "user.name=Test", "-c", "user.email=test@test.example", "commit", "-q", "-m", "Policies");
    return root;
  }

  test("is read as it was committed, whatever the working tree holds", async () => {
    const root = await repository({ "support.lock.json": serializeLock(old), "support.policy.ts": "export {}" });
    await writeFile(join(root, "policies", "support.lock.json"), serializeLock(grown));
    const { locks, read } = await committedSide(root, "policies", "main");
    expect([...locks.values()]).toEqual([{ lock: old, examples: {} }]);
    expect(await read("support.policy.ts")).toBe("export {}");
    expect(await read("acceptances.json")).toBeNull();
  });

  test.each(["nowhere", "--output=/tmp/x", "main:policies"])("is refused when git knows none: %s", async (ref) => {
    const root = await repository({ "support.lock.json": serializeLock(old) });
    await expect(committedSide(root, "policies", ref)).rejects.toThrow(`git:${ref}: git knows no such commit here`);
  });

  test.each([
    [
      "support.lock.json",
      serializeLock(old).replace("a.example", "b.example"),
      /main:policies\/support.lock.json: digest: is/,
    ],
    ["support.lock.json", "../../etc/passwd", /is not JSON/],
    ["other.lock.json", serializeLock(old), /agent: is support, not the file's name/],
  ])("is refused with a lock that is none: %s", async (name, text, message) => {
    const root = await repository({ [name]: text });
    await expect(committedSide(root, "policies", "main")).rejects.toThrow(message);
  });
});

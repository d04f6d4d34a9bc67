import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import supportPolicy from "../../support.policy.ts";
import { compile } from "../compile.ts";
import { serializeLock } from "../lock.ts";
import { compare } from "./compare.ts";
import { loadSide } from "./load-side.ts";

const folder = mkdtempSync(join(tmpdir(), "handrail-sides-"));
afterAll(() => rmSync(folder, { recursive: true }));

const support = join(import.meta.dirname, "..", "..", "support.policy.ts");
const repository = { root: join(folder, "repository"), folder: "policies" };
const load = (content: unknown) => {
  const file = join(folder, "policy.json");
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return loadSide(file, repository);
};

test("a policy, its lock, its folder and the commit of its lock are the same", async () => {
  mkdirSync(join(repository.root, "policies"), { recursive: true });
  const lockFile = join(repository.root, "policies", "support.lock.json");
  writeFileSync(lockFile, serializeLock(compile(supportPolicy)));
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", repository.root, "-c", "user.name=t", "-c", "user.email=t@a.example", ...args]);
  git("init", "--quiet");
  git("add", ".");
  git("commit", "--quiet", "--message", "locks");

  const policy = await loadSide(support, repository);
  const others = [
    await loadSide(lockFile, repository),
    await loadSide(join(support, ".."), repository),
    await loadSide("git:HEAD", repository),
  ];
  for (const other of others) expect(compare(policy, other)).toEqual({ verdict: "equivalent", changes: [] });

  await expect(loadSide("git:nowhere", repository)).rejects.toThrow("git:nowhere: git knows no such commit");
  await expect(loadSide("git:HEAD", { ...repository, folder: "elsewhere" })).rejects.toThrow(
    "there are no locks in elsewhere/",
  );
});

describe("a raw policy is refused", () => {
  const rule = (more: object) => ({ allow: { "a.example": [{ match: { path: { exact: "/" } }, ...more }] } });
  test.each<[string, unknown, string]>([
    ["when it is no JSON", "{", "content: is not JSON"],
    ["when it is another word", '"allow-some"', 'neither an object nor "allow-all" nor "deny-all"'],
    ["as the API reports it", { mode: "allow-all" }, "mode: is the form in which the API reports a policy"],
    ["with a key that is not known", { allow: {}, denied: [] }, 'Unrecognized key: "denied"'],
    ["with a rule that does nothing", rule({}), 'allow["a.example"][0]: needs exactly one of transform'],
    [
      "with a rule that does two things",
      rule({ transform: [], forwardURL: "https://b.example" }),
      "needs exactly one of",
    ],
    [
      "with a forwardURL that Vercel refuses",
      rule({ forwardURL: "http://b.example/" }),
      "forwardURL: is no https:// URL",
    ],
    [
      "with two keys of one host",
      { allow: { "A.example": [], "a.example": [] } },
      'allow["a.example"]: is "A.example" but for case, and which of them holds is not documented',
    ],
    ["with a status that is none", rule({ response: { statusCode: 99 } }), "response.statusCode"],
    ["with a range that is none", { subnets: { allow: ["10.0.0.0"] } }, "subnets.allow[0]: is no address range"],
    [
      "with a regular expression that RE2 refuses",
      { allow: { "a.example": [{ match: { path: { regex: "(?=a)" } }, transform: [] }] } },
      'allow["a.example"][0].match.path.regex: RE2 refuses /(?=a)/',
    ],
  ])("%s", async (_, content, message) => await expect(load(content)).rejects.toThrow(message));
});

test("a secret in a forwardURL is refused without being repeated", async () => {
  const forwardURL = "https://user:hunter2@b.example/?key=hunter2";
  const error = await load({ allow: { "a.example": [{ forwardURL }] } }).catch((error: Error) => error);
  expect(String(error)).toContain("is no https:// URL without user, password, query and fragment");
  expect(String(error)).not.toContain("hunter2");
});

test("a folder without policies is no policy that denies everything", async () => {
  const empty = join(folder, "empty");
  mkdirSync(empty);
  await expect(loadSide(empty, repository)).rejects.toThrow("empty: folder: holds no policy. Name a folder with");
});

test("a byte order mark is no mistake", async () => {
  expect(await load('\uFEFF"deny-all"')).toEqual({ kind: "raw", policy: "deny-all" });
});

test("a file that is not there is named, with what could be", async () => {
  await expect(loadSide("nowhere.json", repository)).rejects.toThrow(
    "nowhere.json: file: does not exist. Name a .policy.ts",
  );
});

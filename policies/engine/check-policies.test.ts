import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkPolicies } from "./check-policies.ts";
import { PolicyError } from "./errors.ts";
import { loadExplainSource } from "./explain-source.ts";
import { credential, principal } from "./invariants.ts";
import { loadPolicy, type PolicyFile, writeLock } from "./policy-files.ts";

let folder: string;
let file: PolicyFile;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "handrail-check-"));
  const path = join(folder, "desk.policy.ts");
  const define = JSON.stringify(new URL("./define.ts", import.meta.url).href);
  await writeFile(
    path,
    `import { definePolicy } from ${define};
export default definePolicy({
  agent: "desk",
  credentials: { crm: { form: { type: "bearer" }, source: { type: "secret", name: "crmToken" } } },
  tools: { read_file: { kind: "file", network: "none" } },
  sandbox: [
    { host: "a.example.com", methods: ["GET"] },
  ],
  tests: [
    { as: "sandbox", send: "GET https://a.example.com/", expect: "denied" },
  ],
  unreachable: [
    { as: "sandbox", host: "a.example.com", path: "/secret" },
  ],
});
`,
  );
  file = await loadPolicy(path);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("what is wrong is told with its line, and what is odd beside it", async () => {
  const at = (line: number, place: string) => `${file.file}:${line} (${place})`;
  const agents = [{ name: "desk", tools: [{ name: "fly", kind: "api", network: "own" }] }];
  const invariants = [principal("sandbox").holdsNoCredential(), credential("mail").onlyReads()];
  const { summary, failures, warnings } = await checkPolicies([file], { invariants, agents });
  expect(summary).toEqual(["desk: lock stale, 0 of 1 tests hold, 0 of 1 claims proved", "invariants: 1 of 2 proved"]);
  expect(failures).toEqual([
    expect.stringContaining("desk.lock.json is missing"),
    expect.stringContaining(`${at(10, "tests[0]")}: sandbox: GET https://a.example.com/: expected denied, got plain`),
    `${at(13, "unreachable[0]")}: sandbox: a.example.com/secret is not unreachable: sandbox[0] lets GET https://a.example.com/secret through`,
    `${at(5, "tools.fly")}: error missing-tool: is missing, and the agent has this tool. Say where it runs.`,
    `${at(5, "tools.read_file")}: error unlisted-tool: is no tool of the agent. Remove it, or correct its name.`,
    'invariants: against the invariant "credential mail only reads": no policy has credential mail',
  ]);
  expect(warnings).toEqual([expect.stringContaining(`${at(4, "credentials.crm")}: warning unused-credential`)]);
});

test("an explanation is asked of a policy, its lock or a raw policy, and of nothing else", async () => {
  await writeLock(file);
  expect(await loadExplainSource(file.lockFile)).toHaveProperty("lock.agent", "desk");
  const { locate } = (await loadExplainSource(file.file)) as { locate: (place: string) => unknown };
  expect(locate("sandbox[0]")).toEqual({ file: "desk.policy.ts", line: 7 });
  const raw = join(folder, "raw.json");
  await writeFile(raw, '"deny-all"');
  expect(await loadExplainSource(raw)).toEqual({ raw: "deny-all" });
  await writeFile(raw, "{");
  await expect(loadExplainSource(raw)).rejects.toThrow("raw.json: content: is not JSON");
  await expect(loadExplainSource(folder)).rejects.toThrow("file: is a folder. Name a .policy.ts file, a lock, or");
  await expect(loadExplainSource(join(folder, "no.json"))).rejects.toThrow("no.json: file: does not exist. Name a");
  await writeFile(raw, JSON.stringify({ allow: { "a.example": [{ match: { pth: {} }, transform: [] }] } }));
  await expect(loadExplainSource(raw)).rejects.toThrow('allow["a.example"][0].match: Unrecognized key: "pth"');
  for (const other of ["null", "42", '"allow-some"', "[]"]) {
    await writeFile(raw, other);
    await expect(loadExplainSource(raw)).rejects.toThrow(PolicyError);
  }
});

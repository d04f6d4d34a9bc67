import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { definePolicy } from "./define.ts";
import { loadPolicies, loadPolicy, staleLock, writeLock } from "./policy-files.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "handrail-policies-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("a lock is missing, then written, then current, then stale", async () => {
  const file = {
    file: "desk.policy.ts",
    lockFile: join(folder, "desk.lock.json"),
    policy: definePolicy({ agent: "desk", tools: {} }),
    source: "",
  };
  expect(await staleLock(file)).toMatch(/desk\.lock\.json is missing\. Run `npm run policy -- lock`/);
  expect(await writeLock(file)).toBe(true);
  expect(await staleLock(file)).toBeNull();
  expect(await writeLock(file)).toBe(false);
  const policy = definePolicy({ agent: "desk", tools: {}, setup: [{ host: "a.example.com", methods: ["GET"] }] });
  expect(await staleLock({ ...file, policy })).toMatch(/is not what desk\.policy\.ts compiles to/);
});

test("a file that exports no policy is refused by name", async () => {
  const file = join(folder, "empty.policy.ts");
  await writeFile(file, "export default {};\n");
  await expect(loadPolicy(file)).rejects.toThrow(`${file}: default export: is no policy`);
});

test("a policy is refused under another agent's file name", async () => {
  const file = join(folder, "other.policy.ts");
  const define = JSON.stringify(new URL("./define.ts", import.meta.url).href);
  await writeFile(
    file,
    `import { definePolicy } from ${define};\nexport default definePolicy({ agent: "desk", tools: {} });\n`,
  );
  await expect(loadPolicy(file)).rejects.toThrow("agent: desk is not the file's name. Name the file desk.policy.ts");
});

test("a refused policy is told with its file", async () => {
  const file = join(folder, "wrong.policy.ts");
  const define = JSON.stringify(new URL("./define.ts", import.meta.url).href);
  await writeFile(
    file,
    `import { definePolicy } from ${define};\nexport default definePolicy({ agent: "wrong", tools: { supervisor: { kind: "file", network: "none" } } });\n`,
  );
  await expect(loadPolicy(file)).rejects.toThrow(`${file}: tools.supervisor: is the name of a built-in principal`);
  await expect(loadPolicies(folder)).rejects.toThrow();
});

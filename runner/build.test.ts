import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildRunner, type RunnerBuild } from "./build.ts";
import { createManifest, manifestSchema } from "./manifest.ts";

const root = join(import.meta.dirname, "..");
let base: string;
let built: RunnerBuild;

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), "handrail-build-"));
  built = await buildRunner(join(base, "a"));
});

afterAll(() => rmSync(base, { recursive: true }));

const read = (folder: string, name: string) => readFileSync(join(base, folder, name));

describe("the built runner", () => {
  test("is three files with the digests, sizes and modes that the build reports", () => {
    expect(readdirSync(join(base, "a")).sort()).toEqual(["boot.sh", "manifest.json", "runner.mjs"]);
    for (const { path, size, mode } of built.files) {
      const stat = statSync(join(base, "a", path));
      expect([path, stat.size, stat.mode & 0o777]).toEqual([path, size, mode]);
    }
    const manifest = manifestSchema.parse(JSON.parse(read("a", "manifest.json").toString()));
    expect(manifest).toEqual(
      createManifest({ "boot.sh": read("a", "boot.sh"), "runner.mjs": read("a", "runner.mjs") }),
    );
    expect(built.digest).toBe(manifest.digest);
    for (const { path, sha256 } of built.files) {
      if (path !== "manifest.json") expect(manifest.files[path]).toBe(sha256);
    }
  });

  test("has the same bytes when it is built again, in another folder, from another checkout", async () => {
    await buildRunner(join(base, "b"));
    const checkout = join(base, "elsewhere", "deeper");
    for (const folder of ["runner", "policies"]) {
      cpSync(join(root, folder), join(checkout, folder), { recursive: true, filter: (path) => !path.endsWith("dist") });
    }
    cpSync(join(root, "package.json"), join(checkout, "package.json"));
    symlinkSync(join(root, "node_modules"), join(checkout, "node_modules"));
    const script = 'await (await import("./runner/build.ts")).buildRunner(process.argv[1])';
    execFileSync(process.execPath, ["--input-type=module", "-e", script, join(base, "c")], { cwd: checkout });
    for (const name of ["runner.mjs", "boot.sh", "manifest.json"]) {
      expect(read("b", name).equals(read("a", name))).toBe(true);
      expect(read("c", name).equals(read("a", name))).toBe(true);
    }
  });

  test("names no path of the machine that built it", () => {
    const bundle = read("a", "runner.mjs").toString();
    for (const path of [root, process.cwd(), base, "node_modules/"]) expect(bundle).not.toContain(path);
  });

  test("needs nothing beside it and Node", () => {
    const isolated = join(base, "isolated");
    cpSync(join(base, "a"), isolated, { recursive: true });
    const run = () => execFileSync(process.execPath, [join(isolated, "runner.mjs"), "nothing"], { stdio: "pipe" });
    expect(run).toThrow(/usage: runner\.mjs/);
  });
});

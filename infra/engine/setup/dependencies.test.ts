import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { isInstalled } from "./dependencies.mjs";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "handrail-dependencies-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const locked = {
  "": { version: "0.1.0" },
  "node_modules/zod": { version: "4.0.0" },
  "node_modules/@biomejs/cli-darwin-arm64": { version: "2.0.0", optional: true },
};

it.each([
  ["everything locked is there", locked, true],
  ["a package for another platform is not", { "node_modules/zod": { version: "4.0.0" } }, true],
  ["a package has another version", { "node_modules/zod": { version: "3.0.0" } }, false],
  ["a package is missing", {}, false],
  ["npm was killed before it wrote its own lockfile", undefined, false],
])("when %s, it counts as installed: %#", (_, present, expected) => {
  const [lockfile, hidden] = [join(folder, "package-lock.json"), join(folder, ".package-lock.json")];
  writeFileSync(lockfile, JSON.stringify({ packages: locked }));
  if (present) writeFileSync(hidden, JSON.stringify({ packages: present }));
  expect(isInstalled(lockfile, hidden)).toBe(expected);
});

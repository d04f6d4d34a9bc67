import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { stackName, withLocalStackConfig } from "./stack-config.ts";

let folder: string;
let localDir: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "handrail-config-"));
  localDir = join(folder, "state");
  writeFileSync(join(folder, "Pulumi.yaml"), "name: fixture\nruntime: nodejs\n");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const translate = (line: string) =>
  withLocalStackConfig(line.split(" "), { stack: "local", localDir, cwd: folder })
    .join(" ")
    .replaceAll(localDir, "DIR");

describe("a local stack's configuration file", () => {
  it.each([
    ["up --yes", "up --yes --config-file DIR/Pulumi.local.yaml"],
    ["preview --diff -s other", "preview --diff -s other --config-file DIR/Pulumi.other.yaml"],
    [
      "config set -s=organization/fixture/other a b",
      "config set -s=organization/fixture/other a b --config-file DIR/Pulumi.other.yaml",
    ],
    [
      "--non-interactive --color never destroy",
      "--non-interactive --color never destroy --config-file DIR/Pulumi.local.yaml",
    ],
    ["config set a -- -1", "config set a --config-file DIR/Pulumi.local.yaml -- -1"],
    ["stack init local", "--cwd DIR stack init local"],
    ["stack output --json", "stack output --json"],
    ["up --config-file mine.yaml", "up --config-file mine.yaml"],
    ["up --help", "up --help"],
    ["version", "version"],
  ])("pulumi %s → pulumi %s", (line, expected) => {
    expect(translate(line)).toBe(expected);
  });

  it("is written by stack init beside a copy of the project's name, since the backend knows stacks by that", () => {
    translate("stack init local");
    expect(readFileSync(join(localDir, "Pulumi.yaml"), "utf8")).toContain("name: fixture\n");
  });
});

it.each([
  ["up -s a", "a"],
  ["up --stack=b", "b"],
  ["up --stack organization/handrail/c", "c"],
  ["up -- -s d", undefined],
  ["up", undefined],
])("the stack of `pulumi %s` is %s", (line, expected) => {
  expect(stackName(line.split(" "))).toBe(expected);
});

import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isRoot } from "../testing/installed-runner.ts";
import { checkTrusted, trustedOwners } from "./install.ts";

let base: string;
let program: string;

beforeEach(() => {
  base = mkdtempSync("/var/tmp/handrail-install-");
  chmodSync(base, 0o755);
  mkdirSync(join(base, "bin"));
  program = join(base, "bin", "node");
  writeFileSync(program, "", { mode: 0o755 });
});

afterEach(() => rmSync(base, { recursive: true }));

const check = async (path = program) => checkTrusted(path, await trustedOwners());

describe("a program that the supervisor starts", () => {
  test("is root's, in root's folders", async () => {
    await check();
    symlinkSync("bin/node", join(base, "link"));
    await check(join(base, "link"));
  });

  test("is not one that others can write", async () => {
    chmodSync(program, 0o757);
    await expect(check()).rejects.toThrow(`${program} can be written by others`);
  });

  test("is not in a folder that others can write", async () => {
    chmodSync(join(base, "bin"), 0o777);
    await expect(check()).rejects.toThrow(`${join(base, "bin")} can be written by others`);
  });

  // The image's default user, who may do anything during set-up.
  test.runIf(isRoot)(
    "is not another user's, nor in another user's folder, nor behind another user's link",
    async () => {
      chownSync(program, 1000, 1000);
      await expect(check()).rejects.toThrow(`${program} belongs to uid 1000`);
      chownSync(program, 0, 0);
      chownSync(join(base, "bin"), 1000, 0);
      await expect(check()).rejects.toThrow(`${join(base, "bin")} belongs to uid 1000`);
      chownSync(join(base, "bin"), 0, 0);
      mkdirSync(join(base, "theirs"));
      symlinkSync(program, join(base, "theirs", "node"));
      chownSync(join(base, "theirs"), 1000, 1000);
      symlinkSync("theirs/node", join(base, "node"));
      await expect(check(join(base, "node"))).rejects.toThrow(`${join(base, "theirs")} belongs to uid 1000`);
    },
  );

  test("is there", async () => {
    await expect(check(join(base, "none"))).rejects.toThrow(`${join(base, "none")} cannot be found (ENOENT)`);
  });
});

import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { rename, symlink, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { WorkspaceFiles } from "../tool.ts";
import { resolveBeneath } from "./beneath.ts";
import { MAX_ENTRIES, MAX_FILE_BYTES, openWorkspace } from "./files.ts";

let base: string;
let root: string;
let files: WorkspaceFiles;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "handrail-files-"));
  root = join(base, "workspace");
  mkdirSync(join(root, "src"), { recursive: true });
  writeFileSync(join(root, "src/a.txt"), "one\ntwo\nthree\n");
  writeFileSync(join(base, "secret"), "outside");
  files = openWorkspace(root, new AbortController().signal);
});

afterEach(() => rmSync(base, { recursive: true }));

describe("reading", () => {
  test("returns a file by relative and by absolute path", async () => {
    expect(await files.read("src/a.txt")).toBe("one\ntwo\nthree\n");
    expect(await files.read(join(root, "src/../src/a.txt"))).toBe("one\ntwo\nthree\n");
  });

  test("returns the lines that were asked for", async () => {
    expect(await files.read("src/a.txt", { from: 2, to: 2 })).toBe("two\n");
    expect(await files.read("src/a.txt", { from: 3 })).toBe("three\n");
    await expect(files.read("src/a.txt", { from: 9 })).rejects.toThrow(/fewer than 9 lines/);
    await expect(files.read("src/a.txt", { from: 3, to: 2 })).rejects.toThrow(/comes after/);
  });

  test.each([
    ["../secret", /outside the workspace/],
    ["/etc/passwd", /outside the workspace/],
    ["/proc/self/environ", /outside the workspace/],
    ["src/../../secret", /outside the workspace/],
    ["missing.txt", /does not exist/],
    ["src", /is a folder/],
    ["src/a.txt/b", /not a folder/],
    ["a\0b", /NUL/],
  ])("%j is refused with a reason", async (path, reason) => {
    await expect(files.read(path)).rejects.toThrow(reason);
  });

  test("a path whose name only begins like the workspace's is outside", async () => {
    mkdirSync(`${root}-other`);
    writeFileSync(`${root}-other/x`, "x");
    await expect(files.read(`${root}-other/x`)).rejects.toThrow(/outside/);
  });

  test("a link inside the workspace works, one that leads outside reads nothing", async () => {
    symlinkSync("src/a.txt", join(root, "inside"));
    symlinkSync("/proc/self/environ", join(root, "environ"));
    symlinkSync("..", join(root, "up"));
    expect(await files.read("inside")).toContain("two");
    await expect(files.read("environ")).rejects.toThrow("environ is outside the workspace");
    await expect(files.read("up/secret")).rejects.toThrow(/outside the workspace/);
  });

  test("a FIFO and a device neither hang nor answer", async () => {
    execFileSync("mkfifo", [join(root, "fifo")]);
    await expect(files.read("fifo")).rejects.toThrow(/not a regular file/);
  });

  test("a file of more than the cap is read in parts", async () => {
    writeFileSync(join(root, "big"), `${"x".repeat(99)}\n`.repeat(MAX_FILE_BYTES / 50));
    await expect(files.read("big")).rejects.toThrow(/name a range of lines/);
    expect(await files.read("big", { from: 5000, to: 5001 })).toBe(`${"x".repeat(99)}\n`.repeat(2));
    await expect(files.read("big", { from: 1 })).rejects.toThrow(/shorter range/);
  });

  test("what is not text is said to be so", async () => {
    writeFileSync(join(root, "binary"), Buffer.from([1, 0, 2]));
    writeFileSync(join(root, "latin1"), Buffer.from([0xe4, 0x0a]));
    await expect(files.read("binary")).rejects.toThrow(/binary/);
    await expect(files.read("latin1")).rejects.toThrow(/not UTF-8/);
  });

  test("swapping a folder for a link while it is read never shows what is outside", async () => {
    mkdirSync(join(root, "here"));
    writeFileSync(join(root, "here/secret"), "inside");
    let swapping = true;
    const swap = (async () => {
      while (swapping) {
        await rename(join(root, "here"), join(root, "away"));
        await symlink("..", join(root, "here"));
        await unlink(join(root, "here"));
        await rename(join(root, "away"), join(root, "here"));
      }
    })();
    const seen = new Set<string>();
    // On a busy machine the folder may be away for many reads in a row.
    for (let i = 0; i < 500 || !seen.has("inside"); i++)
      seen.add(await files.read("here/secret").catch(() => "refused"));
    swapping = false;
    await swap;
    expect(seen).toContain("inside");
    expect(seen).not.toContain("outside");
  });

  test("a place is opened as it was resolved: a link that took its parent's name is not followed", async () => {
    mkdirSync(join(root, "here"));
    writeFileSync(join(root, "here/secret"), "inside");
    const place = await resolveBeneath(root, "here/secret", "nothing");
    await rename(join(root, "here"), join(root, "away"));
    await symlink("..", join(root, "here"));
    const { openBeneath } = await import("./beneath.ts");
    await expect(openBeneath(root, place, 0)).rejects.toThrow(/link|not a folder/);
  });
});

describe("writing", () => {
  test("makes the file and its folders, and replaces what was there", async () => {
    expect(await files.write("new/deep/b.txt", "äb")).toBe(3);
    expect(await files.write("new/deep/b.txt", "c")).toBe(1);
    expect(readFileSync(join(root, "new/deep/b.txt"), "utf8")).toBe("c");
  });

  test("keeps the mode of a script", async () => {
    chmodSync(join(root, "src/a.txt"), 0o755);
    await files.write("src/a.txt", "#!/bin/sh\n");
    expect(statSync(join(root, "src/a.txt")).mode & 0o777).toBe(0o755);
  });

  test.each(["../secret", "/etc/handrail-test", "link/secret", "dangling"])(
    "%j is refused, and nothing is written",
    async (path) => {
      symlinkSync("..", join(root, "link"));
      symlinkSync(join(base, "made"), join(root, "dangling"));
      await expect(files.write(path, "overwritten")).rejects.toThrow(/outside|not a regular file/);
      expect(readFileSync(join(base, "secret"), "utf8")).toBe("outside");
      expect(() => statSync(join(base, "made"))).toThrow();
    },
  );

  test("the workspace itself and a folder are no files", async () => {
    await expect(files.write(".", "x")).rejects.toThrow(/is a folder/);
    await expect(files.write("src", "x")).rejects.toThrow(/is a folder/);
  });

  test("more than the cap is refused", async () => {
    await expect(files.write("big", "x".repeat(MAX_FILE_BYTES + 1))).rejects.toThrow(/more than/);
  });
});

describe("listing", () => {
  test("shows folders, files and links, sorted, without following links", async () => {
    mkdirSync(join(root, "node_modules/pkg"), { recursive: true });
    symlinkSync("/", join(root, "root"));
    const { entries, truncated } = await files.list(".", 3);
    expect(entries).toEqual(["node_modules/", "root (link)", "src/", "src/a.txt"]);
    expect(truncated).toBe(false);
    await expect(files.list("root", 1)).rejects.toThrow(/outside/);
  });

  test("goes down as far as it was asked to", async () => {
    expect((await files.list(".", 1)).entries).toEqual(["src/"]);
    expect((await files.list("src", 1)).entries).toEqual(["src/a.txt"]);
  });

  test("ends at the cap and says so", async () => {
    for (let i = 0; i <= MAX_ENTRIES; i++) writeFileSync(join(root, `f${i}`), "");
    const { entries, truncated } = await files.list(".", 1);
    expect([entries.length, truncated]).toEqual([MAX_ENTRIES, true]);
  });
});

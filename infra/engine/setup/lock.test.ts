import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { acquireLock } from "./lock.mjs";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "handrail-lock-"));
  file = join(folder, "lock");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it("lets the next one in when the first releases", async () => {
  const { release } = await acquireLock(file);
  let holder: number | undefined;
  const second = acquireLock(file, (pid) => {
    holder = pid;
    release();
  });
  (await second).release();
  expect(holder).toBe(process.pid);
});

it("takes over from a process that is gone", async () => {
  // Above the largest pid that Linux hands out.
  writeFileSync(file, JSON.stringify([{ pid: 2 ** 22 + 1, started: "1" }]));
  (await acquireLock(file)).release();
});

it("takes over when the pid of the holder now belongs to another process", async () => {
  writeFileSync(file, JSON.stringify([{ pid: process.pid, started: "1" }]));
  (await acquireLock(file)).release();
});

it("takes over a lock that nobody can read", async () => {
  writeFileSync(file, "");
  (await acquireLock(file)).release();
});

it("leaves a lock alone that another process has taken meanwhile", async () => {
  const { release } = await acquireLock(file);
  writeFileSync(file, "somebody else");
  release();
  expect(readFileSync(file, "utf8")).toBe("somebody else");
});

import { chmodSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type InstalledRunner, installRunner, isRoot } from "../testing/installed-runner.ts";
import { startExecutors } from "./executors.ts";
import { findProgram } from "./install.ts";

let runner: InstalledRunner;

beforeEach(async () => {
  runner = await installRunner({ unprivileged: !isRoot });
});

afterEach(() => runner.remove());

const program = (name: string) => findProgram(name, "/usr/sbin:/usr/bin:/sbin:/bin");

/** Starts the executors with a `setpriv` of the test's own: a script that may do something before the real one. */
async function start(before: string, more: Partial<Parameters<typeof startExecutors>[0]> = {}) {
  const setpriv = join(runner.installDir, "..", "setpriv");
  writeFileSync(setpriv, `#!/bin/sh\n${before}\nexec ${await program("setpriv")} "$@"\n`);
  chmodSync(setpriv, 0o755);
  return startExecutors({
    node: runner.node,
    runner: join(runner.installDir, "runner.mjs"),
    agent: "support",
    workspace: runner.workspace,
    env: { PATH: "/usr/bin:/bin" },
    isolation: isRoot ? "uid" : "namespaces",
    launchers: {
      sh: await program("sh"),
      prlimit: await program("prlimit"),
      unshare: await program("unshare"),
      mount: await program("mount"),
      setpriv,
    },
    own: { pidNamespace: readlinkSync("/proc/self/ns/pid"), networkNamespace: readlinkSync("/proc/self/ns/net") },
    unchangeable: [join(runner.installDir, "runner.mjs")],
    log: () => {},
    ...more,
  });
}

test("executors that are slow to start are started again in the same way", async () => {
  const seen = join(runner.installDir, "..", "seen");
  // The first program of the first attempt never gets anywhere.
  const executors = await start(`mkdir ${seen} 2>/dev/null && exec sleep 600`, { startTimeoutMs: 4000 });
  await executors.stop();
  rmSync(seen, { recursive: true });
});

test("executors that fail are not started in another way", async () => {
  const tries = join(runner.installDir, "..", "tries");
  const failing = start(`case "$*" in *pdeathsig*--bounding-set*) echo x >> ${tries} ;; esac; exit 1`);
  await expect(failing).rejects.toMatchObject({ outcome: "no_isolation", message: expect.stringMatching(/by \w+: /) });
  expect(readFileSync(tries, "utf8").length).toBeLessThanOrEqual(6);
});

test("an executor that could change what the supervisor runs is not used", async () => {
  const theirs = join(runner.workspace, "program");
  writeFileSync(theirs, "");
  chmodSync(theirs, 0o666);
  await expect(start("", { unchangeable: [theirs] })).rejects.toMatchObject({
    outcome: "no_isolation",
    message: expect.stringContaining(`could change what the supervisor runs: ${theirs}`),
  });
});

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createRunCommand, MAX_OUTPUT_BYTES } from "./commands.ts";

let workspace: string;

beforeEach(() => {
  workspace = mkdtempSync(join(tmpdir(), "handrail-commands-"));
});

afterEach(() => rmSync(workspace, { recursive: true }));

function runner(signal = new AbortController().signal) {
  const env = { PATH: process.env.PATH ?? "", ONLY: "this" };
  return createRunCommand({ workspace, env, signal, graceMs: 50 });
}

/** Resolves once the process has gone. */
async function gone(pid: number): Promise<void> {
  const ended = () => {
    try {
      return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch {
      return true;
    }
  };
  while (!ended()) await new Promise((resolve) => setTimeout(resolve, 10));
}

const pidFrom = (file: string) => Number(readFileSync(join(workspace, file), "utf8"));

async function appears(file: string): Promise<void> {
  while (!existsSync(join(workspace, file))) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe("a command", () => {
  test("gives its output and exit code", async () => {
    const result = await runner()("sh", ["-c", "echo out; echo err >&2; exit 3"]);
    expect(result).toMatchObject({ exitCode: 3, signal: null, omittedBytes: 0 });
    expect(result.output.split("\n").sort()).toEqual(["", "err", "out"]);
  });

  test("runs in the workspace, without input, and with the given environment only", async () => {
    const { output } = await runner()("sh", ["-c", "pwd; cat; env | grep -v -e ^PWD -e ^_ -e ^SHLVL -e ^PATH"]);
    expect(output).toBe(`${workspace}\nONLY=this\n`);
  });

  test("that writes without end keeps the end, in whole characters, and says how much is missing", async () => {
    const script = 'process.stdout.write("ü".repeat(200_000) + "the end")';
    const { output, omittedBytes } = await runner()("node", ["-e", script]);
    expect(output).toMatch(/^ü+the end$/);
    expect(Buffer.byteLength(output)).toBeLessThanOrEqual(MAX_OUTPUT_BYTES);
    expect(omittedBytes + Buffer.byteLength(output)).toBe(400_007);
  });

  test("that does not exist is an error that names it", async () => {
    await expect(runner()("no-such-program", [])).rejects.toThrow(/no-such-program could not be started/);
  });

  test("takes what it left in the background with it", async () => {
    const { exitCode } = await runner()("sh", ["-c", "sleep 300 & echo $! > pid; exit 0"]);
    expect(exitCode).toBe(0);
    await gone(pidFrom("pid"));
  });

  test("is not waited for when something that escaped it holds its output", async () => {
    const detached = "setsid sh -c 'echo $$ > pid; exec sleep 300' & while ! test -s pid; do :; done; echo done";
    const result = await runner()("sh", ["-c", detached]);
    process.kill(pidFrom("pid"), "SIGKILL");
    expect(result.output).toBe("done\n");
  });
});

describe("cancelling", () => {
  test("kills the whole group and tells why and what was written", async () => {
    const controller = new AbortController();
    const running = runner(controller.signal)("sh", ["-c", "echo begun; sleep 300 & echo $! > pid; wait"]);
    await appears("pid");
    controller.abort(new Error("The call was not done after 5 seconds"));
    await expect(running).rejects.toThrow(/^The call was not done after 5 seconds\. .*\nbegun$/s);
    await gone(pidFrom("pid"));
  });

  test("kills a program that ignores being asked", async () => {
    const controller = new AbortController();
    const running = runner(controller.signal)("sh", ["-c", 'trap "" TERM; echo $$ > pid; while :; do sleep 300; done']);
    await appears("pid");
    controller.abort(new Error("interrupted"));
    await expect(running).rejects.toThrow("interrupted");
    await gone(pidFrom("pid"));
  });

  test("before the start starts nothing", async () => {
    const run = runner(AbortSignal.abort(new Error("too late")));
    await expect(run("sh", ["-c", "touch started"])).rejects.toThrow("too late");
    expect(existsSync(join(workspace, "started"))).toBe(false);
  });
});

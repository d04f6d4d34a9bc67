import { afterEach, expect, test } from "vitest";
import { READY } from "../testing/executor-ready.ts";
import { CommandExecutor } from "./command-executor.ts";
import { ExecutorClient } from "./executor-client.ts";

const executors: CommandExecutor[] = [];

afterEach(async () => {
  for (const executor of executors.splice(0)) await executor.stop();
});

/** Executors that are scripts: each answers with its process id, one named `deaf` answers nothing. */
function executor({ ready = true } = {}): CommandExecutor {
  const script = `
    if (${ready}) console.log(${JSON.stringify(JSON.stringify(READY))});
    require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
      const { id, tool } = JSON.parse(line);
      if (tool !== "deaf") console.log(JSON.stringify({ type: "result", id, ok: true, text: String(process.pid) }));
    });`;
  const command = [process.execPath, "-e", script];
  const options = { name: "test", command, env: {}, cwd: "/", fault: () => undefined, log: () => {} };
  const made = new CommandExecutor(() => new ExecutorClient(options));
  executors.push(made);
  return made;
}

const never = new AbortController().signal;

function lives(pid: string): boolean {
  try {
    return process.kill(Number(pid), 0);
  } catch {
    return false;
  }
}

test("each call has a process of its own, which has ended when the result is there", async () => {
  const commands = executor();
  await commands.start();
  const pids = await Promise.all(["1", "2", "3"].map((id) => commands.call(id, "tool", {}, never)));
  expect(new Set(pids).size).toBe(3);
  expect(pids.filter(lives)).toEqual([]);
});

test("a call that is cancelled while its process starts ends at once", async () => {
  const controller = new AbortController();
  const call = executor({ ready: false }).call("1", "tool", {}, controller.signal);
  controller.abort(new Error("time is up"));
  await expect(call).rejects.toThrow(/^time is up$/);
});

test("stopping ends the calls that run, and refuses others", async () => {
  const commands = executor();
  await commands.start();
  const running = commands.call("1", "deaf", {}, never);
  const refused = expect(running).rejects.toThrow(/the runner ended/);
  await new Promise((resolve) => setImmediate(resolve));
  await commands.stop();
  await refused;
  await expect(commands.call("2", "tool", {}, never)).rejects.toThrow("the runner is ending");
});

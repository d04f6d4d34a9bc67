import { afterEach, describe, expect, test } from "vitest";
import { READY } from "../testing/executor-ready.ts";
import { ExecutorClient } from "./executor-client.ts";

const clients: ExecutorClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) await client.stop();
});

/** A client of an executor that is a script: `say` writes a line, `message` is what came in. */
function client(
  onCall: string,
  options: Partial<ConstructorParameters<typeof ExecutorClient>[0]> = {},
): ExecutorClient {
  const script = `
    const say = (line) => process.stdout.write((typeof line === "string" ? line : JSON.stringify(line)) + "\\n");
    say(${JSON.stringify(READY)});
    const state = {};
    require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
      const message = JSON.parse(line);
      const result = (text, ok = true) => say({ type: "result", id: message.id, ok, text });
      ${onCall}
    });`;
  const made = new ExecutorClient({
    name: "test",
    command: [process.execPath, "-e", script],
    env: {},
    cwd: "/",
    fault: () => undefined,
    log: () => {},
    cancelGraceMs: 50,
    ...options,
  });
  clients.push(made);
  return made;
}

const never = new AbortController().signal;

/** A call of an executor that runs is sent before the next turn of the event loop. */
const sent = () => new Promise((resolve) => setImmediate(resolve));

describe("a call", () => {
  test("gives the tool's text, or throws the tool's message", async () => {
    const executor = client('result(message.tool + message.input.n, message.tool !== "bad");');
    expect(await executor.call("1", "good", { n: 1 }, never)).toBe("good1");
    await expect(executor.call("2", "bad", { n: 2 }, never)).rejects.toThrow(/^bad2$/);
  });

  test("that is cancelled ends with what the executor says about it", async () => {
    const executor = client('if (message.type === "cancel") result("stopped: " + message.reason, false);');
    await executor.start();
    const controller = new AbortController();
    const running = executor.call("1", "slow", {}, controller.signal);
    await sent();
    controller.abort(new Error("time is up"));
    await expect(running).rejects.toThrow(/time is up/);
  });

  test("is not answered by a result with another id", async () => {
    const executor = client('say({ type: "result", id: "other", ok: true, text: "forged" }); result("own");');
    expect(await executor.call("1", "tool", {}, never)).toBe("own");
  });
});

describe("an executor that turned against the supervisor", () => {
  test.each([
    ["garbage", 'say("nonsense")', /broke the protocol: a line is not JSON/],
    ["a wrong shape", 'say({ type: "result", id: 1 })', /broke the protocol: a line has the wrong shape/],
    ["an unknown message", 'say({ type: "please", do: "this" })', /broke the protocol/],
    ["a second introduction", `say(${JSON.stringify(READY)})`, /broke the protocol: unexpected ready/],
    ["an endless line", 'process.stdout.write("x".repeat(3e6))', /broke the protocol: a line is longer than/],
    ["its end", "process.exit(7)", /the executor ended \(exit code 7\)/],
  ])("with %s loses its calls and is started anew", async (_what, attack, message) => {
    const executor = client(`if (message.tool === "attack") { ${attack} } else result("fine");`);
    await expect(executor.call("1", "attack", {}, never)).rejects.toThrow(message);
    await expect(executor.call("2", "attack", {}, never)).rejects.toThrow(/may have taken effect in part/);
    expect(await executor.call("3", "tool", {}, never)).toBe("fine");
  });

  test("by not obeying a cancellation is killed", async () => {
    const executor = client('if (message.tool === "tool") result("fine");');
    await executor.start();
    const controller = new AbortController();
    const running = executor.call("1", "deaf", {}, controller.signal);
    await sent();
    controller.abort(new Error("interrupted"));
    await expect(running).rejects.toThrow(/^interrupted, and the tool did not stop/);
    expect(await executor.call("2", "tool", {}, never)).toBe("fine");
  });

  test("by filling its error output does not fill the supervisor's memory or block", async () => {
    const executor = client('process.stderr.write("x".repeat(2e6), () => result("fine"));');
    expect(await executor.call("1", "tool", {}, never)).toBe("fine");
  });
});

describe("an executor that does not start", () => {
  test("says why, with the end of what it wrote", async () => {
    const command = [process.execPath, "-e", 'console.error("no such luck"); process.exit(3)'];
    await expect(client("", { command }).start()).rejects.toThrow(/exit code 3\): no such luck/);
    await expect(client("", { command: ["/no/such/program"] }).start()).rejects.toThrow(/did not start.*ENOENT/);
  });

  test("in the way it must is not used", async () => {
    const executor = client('result("fine");', { fault: () => "it holds capabilities" });
    await expect(executor.start()).rejects.toThrow(/it holds capabilities/);
    await expect(executor.call("1", "tool", {}, never)).rejects.toThrow(/it holds capabilities/);
  });

  test("in time is given up", async () => {
    const command = [process.execPath, "-e", "setInterval(() => {}, 1000)"];
    await expect(client("", { command, startTimeoutMs: 50 }).start()).rejects.toThrow(/not ready after 50 ms/);
  });
});

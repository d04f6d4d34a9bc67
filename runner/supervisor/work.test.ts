import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { createBrokeredFetch } from "../fetch/brokered-fetch.ts";
import type { Handover } from "../handover.ts";
import { FakeAnthropic } from "../testing/fake-anthropic.ts";
import { testHandover } from "../testing/handover.ts";
import { type ApiContext, defineTool, type Tool } from "../tool.ts";
import { Calls } from "./calls.ts";
import { createRedact } from "./log.ts";
import type { Outcome } from "./outcome.ts";
import { servedTools } from "./tools.ts";
import { serveWork } from "./work.ts";

let fake: FakeAnthropic;
let shutdown: AbortController;
let records: { level: string; event: string; [field: string]: unknown }[];
/** Calls of `work`, by id, and what lets each of them end. */
let begun: Map<string, { context: ApiContext; finish: (text: string) => void }>;

beforeEach(async () => {
  fake = await FakeAnthropic.start(testHandover());
  shutdown = new AbortController();
  records = [];
  begun = new Map();
});

afterEach(() => fake.close());

const echo = defineTool({
  name: "echo",
  description: "Says it again.",
  kind: "api",
  network: "own",
  rerun: "safe",
  input: z.strictObject({ text: z.string() }),
  run: async ({ text }) => text,
});

/** Runs until the test lets it end; obeys its signal. */
const work = defineTool({
  name: "work",
  description: "Takes its time.",
  kind: "api",
  network: "own",
  rerun: "repeats",
  timeoutMs: 100_000,
  input: z.strictObject({}),
  run: (_input, context) =>
    new Promise<string>((resolve, reject) => {
      begun.set(context.callId, { context, finish: resolve });
      context.signal.addEventListener("abort", () => reject(context.signal.reason));
    }),
});

/** Never ends, whatever it is told. */
const stubborn = defineTool({
  name: "stubborn",
  description: "Does not listen.",
  kind: "api",
  network: "own",
  rerun: "repeats",
  timeoutMs: 100,
  input: z.strictObject({}),
  run: () => new Promise<string>(() => {}),
});

function serve(fields: Partial<Handover> = {}, tools: readonly Tool[] = [echo, work, stubborn]): Promise<Outcome> {
  const handover = testHandover({ anthropicBaseUrl: fake.url, ...fields });
  const redact = createRedact(handover.tickets);
  const calls = new Calls({ redact, graceMs: 50 });
  const log = (level: string, event: string, more = {}) => void records.push({ level, event, ...more });
  const unused = { call: () => Promise.reject(new Error("there is no executor in this test")) };
  const fetch = createBrokeredFetch({ ticket: undefined, deserves: () => false });
  const options = { calls, log, now: Date.now };
  return serveWork({
    ...options,
    handover,
    fetch,
    shutdown: shutdown.signal,
    tools: servedTools({
      ...options,
      tools,
      executors: { files: unused, commands: { sandbox: unused, none: unused } },
      fetchOf: () => fetch,
      variables: handover.variables,
    }),
  });
}

async function started(id: string) {
  for (;;) {
    const call = begun.get(id);
    if (call) return call;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe("a session", () => {
  test("gets an answer to each call, those from before the runner came included, and the item is stopped", async () => {
    const early = fake.call("echo", { text: "early" });
    const outcome = serve();
    expect(await fake.result(early)).toEqual({ text: "early", is_error: false });
    const late = fake.call("echo", { text: "late" });
    expect(await fake.result(late)).toEqual({ text: "late", is_error: false });
    fake.endTurn();
    expect(await outcome).toBe("ended");
    expect(fake.results).toHaveLength(2);
    expect(fake.stops).toBe(1);
  });

  test("uses the six routes only, with a placeholder that opens nothing", async () => {
    const outcome = serve();
    await fake.result(fake.call("echo", { text: "x" }));
    fake.endTurn();
    await outcome;
    expect(new Set(fake.requests)).toEqual(
      new Set([
        "POST /v1/environments/env_1/work/sesn_1/heartbeat",
        "POST /v1/environments/env_1/work/sesn_1/stop",
        "GET /v1/sessions/sesn_1",
        "GET /v1/sessions/sesn_1/events",
        "GET /v1/sessions/sesn_1/events/stream",
        "POST /v1/sessions/sesn_1/events",
      ]),
    );
    for (const headers of fake.headers) {
      expect(headers.authorization).toBe("Bearer injected-by-the-firewall");
      expect(headers).not.toHaveProperty("x-api-key");
    }
  });

  test("gets a readable error for input that does not fit, and for a result that is empty a text", async () => {
    const outcome = serve();
    const wrong = await fake.result(fake.call("echo", { text: 1 }));
    expect(wrong).toMatchObject({ is_error: true, text: expect.stringContaining("expected string") });
    expect(await fake.result(fake.call("echo", { text: "" }))).toEqual({ text: "(no output)", is_error: false });
    fake.endTurn();
    await outcome;
  });

  test("never sees a ticket, even when a tool's output holds one", async () => {
    const outcome = serve();
    const leaked = await fake.result(fake.call("echo", { text: `x-handrail-principal: ${"b".repeat(32)}` }));
    expect(leaked.text).toBe("x-handrail-principal: [ticket of get_customer]");
    fake.endTurn();
    await outcome;
  });

  test("that Anthropic asks to stop ends as stopped", async () => {
    fake.heartbeat = { ...fake.heartbeat, state: "stopping" };
    expect(await serve({ maxIdleMs: 0 })).toBe("stopped");
    expect(fake.stops).toBe(1);
  });
});

describe("a call that nobody would answer", () => {
  test("of a tool that is not served gets an error that names the tools, live and from the history", async () => {
    const early = fake.call("repl");
    fake.waitFor(early);
    const outcome = serve({ maxIdleMs: 500 });
    expect(await fake.result(early)).toMatchObject({
      is_error: true,
      text: expect.stringMatching(/no tool repl.*echo/),
    });
    const late = fake.call("bash", {}, "agent.tool_use");
    fake.waitFor(late);
    expect(await fake.result(late)).toMatchObject({ is_error: true });
    expect(fake.results.at(-1)?.type).toBe("user.tool_result");
    fake.endTurn();
    expect(await outcome).toBe("ended");
  });

  test("is left alone while a person has to confirm it, or when the server runs it", async () => {
    const outcome = serve({ maxIdleMs: 100 });
    await fake.seen(/stream$/);
    fake.emit({ id: "sevt_ask", type: "agent.tool_use", name: "bash", input: {}, evaluated_permission: "ask" });
    fake.waitFor("sevt_ask");
    fake.emit({ id: "sevt_web", type: "agent.tool_use", name: "web_search", input: {} });
    await fake.result(fake.call("echo", { text: "after" }));
    expect(fake.attempts).toHaveLength(1);
    fake.emit({ id: "sevt_yes", type: "user.tool_confirmation", tool_use_id: "sevt_ask", result: "allow" });
    expect(await fake.result("sevt_ask")).toMatchObject({ is_error: true });
    fake.endTurn();
    await outcome;
    expect(fake.attempts).toHaveLength(2);
  });

  test("because the tool does not end is given up after its time", async () => {
    const outcome = serve();
    const result = await fake.result(fake.call("stubborn"));
    expect(result).toEqual({ is_error: true, text: "Error: The call was not done after 0.1 seconds" });
    fake.endTurn();
    expect(await outcome).toBe("ended");
  });

  test("because its result is refused gets a smaller one instead, and is not run again after a reconnect", async () => {
    let refusals = 0;
    fake.fault = (route) => (route === "send" && refusals++ === 0 ? { status: 413 } : undefined);
    const outcome = serve();
    await fake.seen(/stream$/);
    const id = fake.call("work");
    (await started(id)).finish("too much");
    expect(await fake.result(id)).toMatchObject({ is_error: true, text: expect.stringContaining("HTTP 413") });
    begun.clear();
    fake.cut();
    expect(await fake.result(fake.call("echo", { text: "again" }))).toMatchObject({ text: "again" });
    expect(begun.size).toBe(0);
    fake.endTurn();
    expect(await outcome).toBe("ended");
  });

  test("whose result could not be sent at all is answered from memory after the reconnect, not run again", async () => {
    fake.fault = (route) => (route === "send" ? { status: 400 } : undefined);
    const outcome = serve();
    await fake.seen(/stream$/);
    const id = fake.call("work");
    (await started(id)).finish("done once");
    while (fake.attempts.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    begun.clear();
    fake.fault = () => undefined;
    fake.cut();
    expect(await fake.result(id)).toEqual({ text: "done once", is_error: false });
    expect(begun.size).toBe(0);
    fake.endTurn();
    await outcome;
  });
});

describe("an interrupt", () => {
  test("ends the running call and those that wait behind it, and no later one", async () => {
    const outcome = serve();
    await fake.seen(/stream$/);
    const running = fake.call("work");
    const queued = fake.call("work");
    await started(running);
    fake.emit({ id: "sevt_int", type: "user.interrupt", processed_at: null });
    expect(await fake.result(running)).toMatchObject({ is_error: true, text: expect.stringContaining("interrupted") });
    expect(await fake.result(queued)).toMatchObject({ is_error: true });
    fake.emit({ id: "sevt_int", type: "user.interrupt" });
    expect([...begun.keys()]).toEqual([running]);
    expect(await fake.result(fake.call("echo", { text: "next turn" }))).toMatchObject({ is_error: false });
    fake.endTurn();
    expect(await outcome).toBe("ended");
  });

  test("of the past does not end a call that is to be tried again", async () => {
    const stuck = fake.call("echo", { text: "retried" });
    fake.emit({ id: "sevt_int", type: "user.interrupt" });
    const outcome = serve();
    expect(await fake.result(stuck)).toEqual({ text: "retried", is_error: false });
    fake.endTurn();
    await outcome;
  });
});

describe("the end comes from outside", () => {
  test("the deadline: the running call gets its error result before the item is stopped", async () => {
    const outcome = serve({ deadlineMs: Date.now() + 3000, maxIdleMs: 0 });
    await fake.seen(/stream$/);
    const id = fake.call("work");
    await started(id);
    expect(await fake.result(id)).toMatchObject({ is_error: true, text: expect.stringContaining("time is up") });
    expect(fake.stops).toBe(0);
    expect(await fake.result(fake.call("work"))).toMatchObject({ is_error: true });
    expect(await outcome).toBe("deadline");
    expect(begun.size).toBe(1);
    expect(fake.stops).toBe(1);
  });

  test("SIGTERM: the same at once", async () => {
    const outcome = serve({ maxIdleMs: 0 });
    await fake.seen(/stream$/);
    const id = fake.call("work");
    await started(id);
    shutdown.abort();
    expect(await fake.result(id)).toMatchObject({ is_error: true, text: expect.stringContaining("being stopped") });
    expect(await outcome).toBe("signalled");
    expect(fake.stops).toBe(1);
  });

  test("a lost lease: the call is ended and left to the runner that has the item now", async () => {
    const outcome = serve({ maxIdleMs: 0 });
    await fake.seen(/stream$/);
    const { context } = await started(fake.call("work"));
    fake.fault = (route) => (route === "heartbeat" ? { status: 412 } : undefined);
    expect(await outcome).toBe("lease_lost");
    expect(context.signal.aborted).toBe(true);
    expect([fake.attempts, fake.stops]).toEqual([[], 0]);
  });

  test.each([401, 403])(
    "a heartbeat that is answered %d: the open call gets an error result, the item is released",
    async (status) => {
      const outcome = serve({ maxIdleMs: 0 });
      await fake.seen(/stream$/);
      const id = fake.call("work");
      await started(id);
      fake.fault = (route) => (route === "heartbeat" ? { status } : undefined);
      expect(await outcome).toBe("token_ended");
      expect(await fake.result(id)).toMatchObject({ is_error: true });
      expect(fake.stops).toBe(1);
    },
  );

  test("a token that ends everywhere: tried once more, then given up", async () => {
    const outcome = serve({ maxIdleMs: 0 });
    await fake.seen(/stream$/);
    const id = fake.call("work");
    (await started(id)).finish("done");
    fake.fault = () => ({ status: 401 });
    expect(await outcome).toBe("token_ended");
    expect(fake.results).toEqual([]);
    expect(fake.attempts.length).toBeGreaterThan(0);
    expect(records.map(({ event }) => event)).toContain("call.left_open");
  });

  test("a session that cannot be read is a failure that the log explains", async () => {
    fake.fault = (route) => (route === "session" ? { status: 404 } : undefined);
    expect(await serve()).toBe("failed");
    expect(records.find(({ event }) => event === "run.failed")).toBeDefined();
  });
});

import type Anthropic from "@anthropic-ai/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  recordingTool,
  sessionsTokenOf,
  startTestServer,
  type TestServer,
  userMessage,
  type Wire,
} from "./test-server.ts";

const TWO_CALLS = [{ call: [{ name: "lookup" }, { name: "note" }] }, { say: "Thanks." }];

let server: TestServer;
let events: Anthropic["beta"]["sessions"]["events"];
beforeAll(async () => {
  server = await startTestServer();
  events = server.client.beta.sessions.events;
});
afterAll(() => server.close());

const parked = async (turns: unknown[] = TWO_CALLS) => {
  const scene = await server.scene(turns);
  const session = await server.startSession(scene);
  const { event_ids } = (await server.idle(session.id, "requires_action")).stop_reason;
  return { scene, session, ids: event_ids as string[] };
};
const result = (id: string | undefined, text = "ok"): Wire => ({
  type: "user.custom_tool_result",
  custom_tool_use_id: id,
  content: [{ type: "text", text }],
});
const send = (sessionId: string, ...list: Wire[]) => events.send(sessionId, { events: list });
const types = (list: Wire[]) => list.map(({ type }) => type).filter((type: string) => !type.startsWith("span."));

/** Opens a stream; the returned function waits for the next idle event and gives everything up to it. */
async function open(sessionId: string, params: Wire = {}) {
  const stream = await events.stream(sessionId, params);
  const iterator = stream[Symbol.asyncIterator]();
  const untilIdle = async () => {
    const seen: Wire[] = [];
    for (;;) {
      const { value, done } = await iterator.next();
      if (done) return seen;
      seen.push(value);
      if (value.type === "session.status_idle") return seen;
    }
  };
  return { untilIdle, close: () => stream.controller.abort(), iterator };
}

test("answering some calls keeps the session waiting for the rest, answering all sets it running", async () => {
  const { session, ids } = await parked();
  expect(ids).toHaveLength(2);
  const stream = await open(session.id);
  await send(session.id, result(ids[1]));
  const [answered, idle] = await stream.untilIdle();
  expect(answered).toMatchObject({ type: "user.custom_tool_result", processed_at: expect.any(String) });
  expect(idle.stop_reason).toEqual({ type: "requires_action", event_ids: [ids[0]] });
  await send(session.id, result(ids[0]));
  expect(types(await stream.untilIdle())).toEqual([
    "user.custom_tool_result",
    "session.status_running",
    "agent.message",
    "session.status_idle",
  ]);
  stream.close();
});

test("a message is announced when queued and again, under the same id, when processed", async () => {
  const session = await server.startSession(await server.scene([]));
  await server.idle(session.id, "end_turn");
  const stream = await open(session.id);
  const sent = await send(session.id, userMessage("hello"));
  const echoes = (await stream.untilIdle()).filter(({ type }) => type === "user.message");
  stream.close();
  expect(echoes.map(({ id, processed_at }) => [id, processed_at === null])).toEqual([
    [sent.data?.[0]?.id, true],
    [sent.data?.[0]?.id, false],
  ]);
  expect((await server.history(session.id)).filter(({ id }) => id === sent.data?.[0]?.id)).toHaveLength(1);
});

test("a stream tells only what happens after it was opened, and only those who ask get deltas", async () => {
  const session = await server.startSession(await server.scene([{ say: "x".repeat(100) }]));
  await server.idle(session.id, "end_turn");
  const plain = await open(session.id);
  const detailed = await open(session.id, { event_deltas: ["agent.message"] });
  await send(session.id, userMessage("again"));
  const seen = await detailed.untilIdle();
  const message = seen.find(({ type }) => type === "agent.message");
  expect(seen.find(({ type }) => type === "event_start")).toEqual({
    type: "event_start",
    event: { id: message.id, type: "agent.message" },
  });
  const pieces = seen.filter(({ type }) => type === "event_delta").map(({ delta }) => delta.content.text);
  expect(pieces.join("")).toBe(message.content[0].text);
  expect(types(await plain.untilIdle())).toEqual([
    "user.message",
    "session.status_running",
    "user.message",
    "agent.message",
    "session.status_idle",
  ]);
  plain.close();
  detailed.close();
  await expect(events.stream(session.id, { event_deltas: ["agent.tool_use" as never] })).rejects.toMatchObject({
    status: 400,
    message: expect.stringContaining("event_deltas"),
  });
});

test.each([
  [
    "a message while results are missing",
    () => [userMessage("hi")],
    /Invalid user.message event at events\[0\]: waiting on responses to events \[sevt_\w+, sevt_\w+\]; only `user.tool_confirmation`/,
  ],
  ["a result for a call that was never made", () => [result("sevt_none")], /events\[0\]: no tool use sevt_none waits/],
  [
    "two results for one call in one request",
    (ids: string[]) => [result(ids[0]), result(ids[0])],
    /events\[1\]: .* already has a result/,
  ],
  [
    "a built-in tool's kind of result for a custom tool",
    (ids: string[]) => [{ type: "user.tool_result", tool_use_id: ids[0] }],
    /is answered by `user.custom_tool_result`/,
  ],
  [
    "an empty text in a result",
    (ids: string[]) => [result(ids[0], "")],
    /events\.0\.content\.0\.text: minimum string length is 1/,
  ],
  [
    "a confirmation that nothing asked for",
    (ids: string[]) => [{ type: "user.tool_confirmation", tool_use_id: ids[0], result: "allow" }],
    /waits for a confirmation/,
  ],
  ["an event type that only the session may emit", () => [{ type: "agent.message", content: [] }], /events\.0/],
  [
    "a field that does not exist",
    (ids: string[]) => [{ ...result(ids[0]), name: "x" }],
    /events\.0\.name: Extra inputs/,
  ],
])("%s is 400, and nothing of the request is taken", async (_, make, message) => {
  const { session, ids } = await parked();
  const before = await server.history(session.id);
  await expect(send(session.id, ...(make as (ids: string[]) => Wire[])(ids))).rejects.toMatchObject({
    status: 400,
    message: expect.stringMatching(message as RegExp),
  });
  expect(await server.history(session.id)).toEqual(before);
});

test("a second answer to the same call is 400", async () => {
  const { session, ids } = await parked();
  await send(session.id, result(ids[0]));
  await expect(send(session.id, result(ids[0]))).rejects.toMatchObject({
    status: 400,
    message: expect.stringContaining("already has a result"),
  });
});

test("an interrupt frees a stuck session: the turn ends, its work is queued again, and the next worker retries", async () => {
  const { scene, session } = await parked();
  const work = server.worker(scene.environmentKey).beta.environments.work;
  const first = await work.poll(scene.environment.id);
  await work.stop(first?.id as string, { environment_id: scene.environment.id, force: true });
  expect(await work.poll(scene.environment.id)).toBeNull();
  const stream = await open(session.id);
  await send(session.id, { type: "user.interrupt" });
  expect(types(await stream.untilIdle())).toEqual([
    "user.interrupt",
    "session.status_running",
    "user.interrupt",
    "session.status_idle",
  ]);
  stream.close();
  const again = await work.poll(scene.environment.id);
  await work.ack(session.id, { environment_id: scene.environment.id });
  const calls: unknown[] = [];
  await server
    .worker(sessionsTokenOf(again?.secret ?? null))
    .beta.environments.work.worker({
      tools: [recordingTool("lookup", calls), recordingTool("note", calls)],
      maxIdleMs: 1,
    })
    .handleItem({
      workId: session.id,
      sessionId: session.id,
      environmentId: scene.environment.id,
      workSecret: again?.secret as string,
    });
  expect(calls).toHaveLength(2);
  await send(session.id, userMessage("go on"));
  await server.idle(session.id, "end_turn");
  expect((await server.history(session.id)).findLast(({ type }) => type === "agent.message").content[0].text).toBe(
    "Thanks.",
  );
});

test("an interrupt and the next message can share a request", async () => {
  const { session } = await parked();
  await send(session.id, { type: "user.interrupt" }, userMessage("something else"));
  await server.idle(session.id, "end_turn");
  expect((await server.history(session.id)).at(-1)).toMatchObject({ stop_reason: { type: "end_turn" } });
});

test("a message that arrives while the brain works waits for the end of its turn", async () => {
  await server.raw("PATCH", "/console/knobs", { body: { thinkMs: 30 } });
  const session = await server.startSession(await server.scene([{ say: "one" }, { say: "two" }]), "first");
  await send(session.id, userMessage("second"));
  await server.idle(session.id, "end_turn");
  await server.raw("PATCH", "/console/knobs", { body: { thinkMs: 0 } });
  const told = (await server.history(session.id)).flatMap(({ type, content }) =>
    ["user.message", "agent.message"].includes(type) ? [content[0].text] : [],
  );
  expect(told).toEqual(["first", "one", "two", "second", "Done: the script has no further turns."]);
});

test("a system message is processed behind the message or the result that it was sent with", async () => {
  const system = { type: "system.message", content: [{ type: "text", text: "be brief" }] };
  const session = await server.startSession(await server.scene([{ say: "one" }, { call: [{ name: "lookup" }] }]));
  const [call] = (await server.idle(session.id, "requires_action")).stop_reason.event_ids;
  const stream = await open(session.id);
  await send(session.id, result(call), system);
  expect(types(await stream.untilIdle())).toEqual([
    "user.custom_tool_result",
    "system.message",
    "system.message",
    "session.status_running",
    "session.status_idle",
  ]);
  await send(session.id, userMessage("again"), system);
  const seen = (await stream.untilIdle()).filter(({ type }) => /message$/.test(type));
  expect(seen.map(({ type, processed_at }) => [type, processed_at !== null])).toEqual([
    ["user.message", false],
    ["system.message", false],
    ["user.message", true],
    ["system.message", true],
    ["agent.message", true],
  ]);
  const last = (await server.history(session.id)).filter(({ type }) => /message$/.test(type)).slice(-3);
  expect(types(last)).toEqual(["user.message", "system.message", "agent.message"]);
});

test("an interrupt while the brain works drops what it was about to say", async () => {
  await server.raw("PATCH", "/console/knobs", { body: { thinkMs: 200 } });
  const session = await server.startSession(await server.scene([]));
  await send(session.id, { type: "user.interrupt" });
  // A session that started to think later has spoken: so would this one have.
  const later = await server.startSession(await server.scene([]));
  await server.idle(later.id, "end_turn");
  await server.raw("PATCH", "/console/knobs", { body: { thinkMs: 0 } });
  expect(types(await server.history(session.id))).toEqual([
    "session.status_running",
    "user.message",
    "user.interrupt",
    "session.status_idle",
  ]);
});

test("a script that ends with calls ends the turn without a word", async () => {
  const { session, ids } = await parked([{ call: [{ name: "lookup" }] }]);
  await send(session.id, result(ids[0]));
  await server.idle(session.id, "end_turn");
  expect(types(await server.history(session.id))).not.toContain("agent.message");
});

test("a built-in tool set to ask runs only after its confirmation, and a denial is answered by the server", async () => {
  const environment = await server.client.beta.environments.create({ name: "ask", config: { type: "self_hosted" } });
  const agent = await server.client.beta.agents.create({
    name: "asker",
    model: "claude-opus-5-5",
    tools: [{ type: "agent_toolset_20260401", configs: [{ name: "bash", permission_policy: { type: "always_ask" } }] }],
  });
  const turns = [
    { call: [{ name: "bash", input: { command: "a" } }] },
    { call: [{ name: "bash", input: { command: "b" } }] },
  ];
  await server.raw("PUT", `/console/agents/${agent.id}/script`, { body: { turns } });
  const session = await server.startSession({ environment, agent });
  const [first] = (await server.idle(session.id, "requires_action")).stop_reason.event_ids;
  const answer = { type: "user.tool_result", tool_use_id: first };
  await expect(send(session.id, answer)).rejects.toMatchObject({ status: 400 });
  await send(session.id, { type: "user.tool_confirmation", tool_use_id: first, result: "allow" });
  await send(session.id, answer);
  const second = async () => (await server.idle(session.id, "requires_action")).stop_reason.event_ids[0];
  await expect.poll(second).not.toBe(first);
  await send(session.id, {
    type: "user.tool_confirmation",
    tool_use_id: await second(),
    result: "deny",
    deny_message: "no",
  });
  await server.idle(session.id, "end_turn");
  expect((await server.history(session.id)).find(({ type }) => type === "agent.tool_result")).toMatchObject({
    is_error: true,
    content: [{ type: "text", text: "no" }],
  });
});

test("archiving ends the session for whoever listens and refuses further events; deleting ends the stream", async () => {
  const { session } = await parked();
  const stream = await open(session.id);
  const archived = await server.client.beta.sessions.archive(session.id);
  expect(archived).toMatchObject({ status: "terminated", archived_at: expect.any(String) });
  expect((await stream.iterator.next()).value).toMatchObject({ type: "session.status_terminated" });
  await expect(send(session.id, userMessage("hi"))).rejects.toMatchObject({
    status: 400,
    message: expect.stringContaining("Cannot send events to archived session"),
  });
  await server.client.beta.sessions.delete(session.id);
  expect((await stream.iterator.next()).value).toMatchObject({ type: "session.deleted" });
  expect((await stream.iterator.next()).done).toBe(true);
  await expect(server.client.beta.sessions.retrieve(session.id)).rejects.toMatchObject({ status: 404 });
});

test("the history pages, filters by type and turns around", async () => {
  const { session } = await parked();
  const all = await server.history(session.id);
  const paged: string[] = [];
  for await (const { id } of events.list(session.id, { limit: 2 })) paged.push(id);
  expect(paged).toEqual(all.map(({ id }) => id));
  const calls = await events.list(session.id, { types: ["agent.custom_tool_use"], order: "desc" });
  expect(calls.data.map((event: Wire) => event.name)).toEqual(["note", "lookup"]);
  const first = await events.list(session.id, { limit: 2 });
  await expect(
    events.list(session.id, { limit: 2, order: "desc", page: first.next_page as string }),
  ).rejects.toMatchObject({
    status: 400,
  });
});

test("a session whose own tools lack what the script calls fails visibly instead of waiting for ever", async () => {
  const scene = await server.scene(TWO_CALLS);
  const session = await server.client.beta.sessions.create({
    agent: { type: "agent_with_overrides", id: scene.agent.id, tools: [] },
    environment_id: scene.environment.id,
    initial_events: [userMessage("go")],
  });
  await server.idle(session.id, "retries_exhausted");
  expect((await server.history(session.id)).find(({ type }) => type === "session.error").error.message).toContain(
    "lookup",
  );
});

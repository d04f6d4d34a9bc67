import { afterAll, beforeAll, expect, test } from "vitest";
import { recordingTool, startTestServer, type TestServer, userMessage } from "./test-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const TURNS = [
  {
    say: "Looking.",
    call: [
      { name: "lookup", input: { customer: "c1" } },
      { name: "note", input: { text: "a" } },
    ],
  },
  { call: [{ name: "note", input: { text: "b" } }] },
  { say: "All done." },
];

test("an unmodified worker serves a scripted session from the first poll to the stop", async () => {
  const scene = await server.scene(TURNS);
  const session = await server.startSession(scene);
  expect(session.status).toBe("running");
  const calls: unknown[] = [];
  const client = server.worker(scene.environmentKey);
  const done = new AbortController();
  const run = client.beta.environments.work
    .worker({
      environmentId: scene.environment.id,
      environmentKey: scene.environmentKey,
      tools: [recordingTool("lookup", calls), recordingTool("note", calls)],
      maxIdleMs: 1,
      signal: done.signal,
    })
    .run();
  await server.idle(session.id, "end_turn");
  await expect
    .poll(
      async () =>
        (await server.client.beta.environments.work.retrieve(session.id, { environment_id: scene.environment.id }))
          .state,
    )
    .toBe("stopped");
  done.abort();
  await run;
  expect(calls).toEqual([
    ["lookup", { customer: "c1" }],
    ["note", { text: "a" }],
    ["note", { text: "b" }],
  ]);
  const events = await server.history(session.id);
  expect(events.filter(({ type }) => !type.startsWith("span.")).map(({ type }) => type)).toEqual([
    "session.status_running",
    "user.message",
    "agent.message",
    "agent.custom_tool_use",
    "agent.custom_tool_use",
    "session.status_idle",
    "user.custom_tool_result",
    "session.status_idle",
    "user.custom_tool_result",
    "session.status_running",
    "agent.custom_tool_use",
    "session.status_idle",
    "user.custom_tool_result",
    "session.status_running",
    "agent.message",
    "session.status_idle",
  ]);
});

test("without a script the agent echoes and the session goes idle", async () => {
  const scene = await server.scene([]);
  const session = await server.client.beta.sessions.create({
    agent: scene.agent.id,
    environment_id: scene.environment.id,
  });
  expect(session.status).toBe("idle");
  await server.client.beta.sessions.events.send(session.id, { events: [userMessage("hello")] });
  await server.idle(session.id, "end_turn");
  const said = (await server.history(session.id)).find(({ type }) => type === "agent.message");
  expect(said.content[0].text).toBe("You said: hello");
});

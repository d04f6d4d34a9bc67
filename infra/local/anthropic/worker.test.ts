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

/** Claims the session's item and runs it as a sandbox would, with its token only. */
async function claim(scene: Scene) {
  const { work } = server.worker(scene.environmentKey).beta.environments;
  const item = await work.poll(scene.environment.id);
  const workId = item?.id as string;
  await work.ack(workId, { environment_id: scene.environment.id });
  const handle = (calls: unknown[]) =>
    server
      .worker("not-a-key")
      .beta.environments.work.worker({ tools: [recordingTool("lookup", calls), recordingTool("note", calls)] })
      .handleItem({
        workId,
        environmentId: scene.environment.id,
        sessionId: item?.data.id as string,
        workSecret: item?.secret as string,
      });
  const state = async () =>
    (await server.client.beta.environments.work.retrieve(workId, { environment_id: scene.environment.id })).state;
  return { workId, handle, state };
}
type Scene = Awaited<ReturnType<TestServer["scene"]>>;

test("a second worker on a live item ends at its first heartbeat, runs no tool and does not stop the item", async () => {
  const scene = await server.scene(TURNS);
  const session = await server.startSession(scene);
  const { workId, handle, state } = await claim(scene);
  const first: unknown[] = [];
  const serving = handle(first);
  await server.idle(session.id, "end_turn");
  const second: unknown[] = [];
  await handle(second);
  expect(await state()).toBe("active");
  expect([first.length, second.length]).toEqual([3, 0]);
  await server.client.beta.sessions.archive(session.id);
  await serving;
  expect(await state()).toBe("stopped");
  expect(workId).toBe(session.id);
});

test.each([
  [
    "whose lease lapsed lets go without stopping the item",
    "queued",
    () => server.raw("POST", "/console/clock", { body: { advanceMs: 3000 } }),
  ],
  [
    "that is told to stop stops the item",
    "stopped",
    (workId: string, environment_id: string) => server.client.beta.environments.work.stop(workId, { environment_id }),
  ],
] as const)("a worker %s", async (_, after, happen) => {
  await server.raw("PATCH", "/console/knobs", { body: { leaseTtlSeconds: 2 } });
  const scene = await server.scene(TURNS);
  const session = await server.startSession(scene);
  const { workId, handle, state } = await claim(scene);
  const serving = handle([]);
  await server.idle(session.id, "end_turn");
  await happen(workId, scene.environment.id);
  await serving;
  expect(await state()).toBe(after);
  await server.raw("PATCH", "/console/knobs", { body: { leaseTtlSeconds: 300 } });
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

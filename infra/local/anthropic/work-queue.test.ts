import type Anthropic from "@anthropic-ai/sdk";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createClock } from "./clock.ts";
import { randomIds } from "./ids.ts";
import { knobsSchema } from "./knobs.ts";
import {
  recordingTool,
  sessionsTokenOf,
  startTestServer,
  type TestServer,
  userMessage,
  type Wire,
} from "./test-server.ts";
import { WorkQueue } from "./work-queue.ts";

const TURNS = [{ call: [{ name: "lookup" }] }];

let server: TestServer;
let scene: Awaited<ReturnType<TestServer["scene"]>>;
let client: Anthropic;
beforeAll(async () => {
  server = await startTestServer();
});
beforeEach(async () => {
  scene = await server.scene(TURNS);
  client = server.worker(scene.environmentKey);
});
afterAll(() => server.close());

const work = () => client.beta.environments.work;
const here = () => ({ environment_id: scene.environment.id });
type Poll = ReturnType<typeof work>["poll"];
const poll = (o: Parameters<Poll>[1] = {}, options?: Parameters<Poll>[2]) =>
  work().poll(scene.environment.id, o, options);
const beat = (id: string, expected: string) => work().heartbeat(id, { ...here(), expected_last_heartbeat: expected });
const advance = (advanceMs: number) => server.raw("POST", "/console/clock", { body: { advanceMs } });
const stateOf = async (id: string) => (await server.client.beta.environments.work.retrieve(id, here())).state;

test("an empty queue answers 200 with the JSON null, which clients read as no work", async () => {
  const answer = await server.raw("GET", `/v1/environments/${scene.environment.id}/work/poll`, {
    token: scene.environmentKey,
  });
  expect(answer).toEqual({ status: 200, body: null });
});

test("a work item carries its session's id, and its secret is only in the poll answer", async () => {
  const session = await server.startSession(scene);
  const item = await poll();
  expect(item).toMatchObject({ id: session.id, state: "queued", data: { type: "session", id: session.id } });
  const secret = JSON.parse(Buffer.from(item?.secret as string, "base64url").toString());
  expect(secret).toMatchObject({ sessions_token: expect.stringMatching(/^sk-ant-req-/), api_base_url: server.url });
  expect(Object.keys(secret).length).toBeGreaterThan(2);
  expect((await work().ack(session.id, here())).secret).toBeNull();
  expect(
    (await work().list(scene.environment.id)).data.map(({ id, secret, state }) => ({ id, secret, state })),
  ).toEqual([{ id: session.id, secret: null, state: "starting" }]);
});

test("a claim is exclusive until it is older than the reclaim age, and each claim has a token of its own", async () => {
  await server.startSession(scene);
  const first = await poll();
  expect(await poll()).toBeNull();
  expect(await server.client.beta.environments.work.stats(scene.environment.id)).toMatchObject({
    depth: 0,
    pending: 1,
  });
  expect(await poll({ reclaim_older_than_ms: 60_000 })).toBeNull();
  await advance(5001);
  const second = await poll();
  expect(second?.id).toBe(first?.id);
  expect(sessionsTokenOf(second?.secret ?? null)).not.toBe(sessionsTokenOf(first?.secret ?? null));
});

test("of ten polls at once only one gets the item", async () => {
  await server.startSession(scene);
  const answers = await Promise.all(Array.from({ length: 10 }, () => poll({ block_ms: 50 })));
  expect(answers.filter(Boolean)).toHaveLength(1);
});

test("a blocking poll returns as soon as work arrives", async () => {
  const waiting = poll({ block_ms: 999 });
  const session = await server.startSession(scene);
  expect((await waiting)?.id).toBe(session.id);
});

test("a blocking poll whose caller hung up claims nothing, whatever arrives in that moment", async () => {
  const queue = new WorkQueue({
    clock: createClock(),
    ids: randomIds(),
    knobs: knobsSchema.parse({}),
    sessionExists: () => true,
  });
  const gone = new AbortController();
  const waiting = queue.poll("env_1", { blockMs: 999, signal: gone.signal });
  gone.abort();
  queue.enqueueSession("env_1", "sesn_1");
  expect(await waiting).toBeNull();
  expect((await queue.poll("env_1"))?.id).toBe("sesn_1");
});

test("the server notices that the caller of a blocking poll hung up", async () => {
  await server.raw("DELETE", "/console/requests");
  const gone = new AbortController();
  const waiting = poll({ block_ms: 999, "Anthropic-Worker-ID": "leaver" }, { signal: gone.signal });
  const stats = () => server.client.beta.environments.work.stats(scene.environment.id);
  await expect.poll(async () => (await stats()).workers_polling).toBe(1);
  gone.abort();
  await expect(waiting).rejects.toThrow();
  const polls = async () => (await server.raw("GET", "/console/requests")).body.data.map((r: Wire) => r.target);
  await expect.poll(polls).toContainEqual(expect.stringContaining("/work/poll"));
});

test("the lease is held by echoing the last heartbeat byte for byte; anything else is 412 with the server's state", async () => {
  const session = await server.startSession(scene);
  await poll();
  await expect(beat(session.id, "NO_HEARTBEAT")).rejects.toMatchObject({ status: 412 });
  await work().ack(session.id, here());
  const first = await beat(session.id, "NO_HEARTBEAT");
  expect(first).toMatchObject({ state: "active", lease_extended: true, ttl_seconds: 300 });
  const second = await beat(session.id, first.last_heartbeat);
  const reprinted = new Date(second.last_heartbeat).toISOString();
  for (const wrong of ["NO_HEARTBEAT", first.last_heartbeat, reprinted]) {
    await expect(beat(session.id, wrong)).rejects.toMatchObject({
      status: 412,
      errorCode: "heartbeat_precondition_failed",
      details: { current_state: { state: "active", last_heartbeat: second.last_heartbeat, lease_extended: false } },
    });
  }
  await beat(session.id, second.last_heartbeat);
});

test("a lapsed lease puts the item back for another worker, and the first one's next heartbeat is 412", async () => {
  const session = await server.startSession(scene);
  await poll();
  await work().ack(session.id, here());
  const { last_heartbeat } = await beat(session.id, "NO_HEARTBEAT");
  await advance(299_000);
  expect(await poll()).toBeNull();
  await advance(2_000);
  await expect(beat(session.id, last_heartbeat)).rejects.toMatchObject({ status: 412 });
  expect(await poll()).toMatchObject({ id: session.id, acknowledged_at: null, latest_heartbeat_at: null });
  await work().ack(session.id, here());
  expect((await beat(session.id, "NO_HEARTBEAT")).state).toBe("active");
});

test("an acknowledged item that nobody ever beats for comes back too", async () => {
  const session = await server.startSession(scene);
  await poll();
  await work().ack(session.id, here());
  await advance(301_000);
  expect((await poll())?.id).toBe(session.id);
});

test("a graceful stop reaches the worker by its next heartbeat; stopping what is stopped is 409, asked once", async () => {
  const session = await server.startSession(scene);
  await poll();
  await work().ack(session.id, here());
  await beat(session.id, "NO_HEARTBEAT");
  expect((await server.client.beta.environments.work.stop(session.id, here())).state).toBe("stopping");
  expect(await beat(session.id, "anything")).toMatchObject({ state: "stopping" });
  expect((await work().stop(session.id, { ...here(), force: true })).state).toBe("stopped");
  await server.raw("DELETE", "/console/requests");
  await expect(work().stop(session.id, here())).rejects.toMatchObject({ status: 409 });
  expect((await server.raw("GET", "/console/requests")).body.data).toHaveLength(1);
  expect(await beat(session.id, "anything")).toMatchObject({ state: "stopped", lease_extended: false });
});

test("a message after the stop queues the same id again with a new token; the old token is dead", async () => {
  const session = await server.startSession(scene);
  const token = sessionsTokenOf((await poll())?.secret ?? null);
  const old = server.worker(token);
  await old.beta.sessions.retrieve(session.id);
  await work().stop(session.id, { ...here(), force: true });
  await expect(old.beta.sessions.retrieve(session.id)).rejects.toMatchObject({ status: 401 });
  await expect(old.beta.environments.work.stop(session.id, here())).rejects.toMatchObject({ status: 409 });
  const { event_ids } = (await server.idle(session.id, "requires_action")).stop_reason;
  await server.client.beta.sessions.events.send(session.id, {
    events: [{ type: "user.custom_tool_result", custom_tool_use_id: event_ids[0] }],
  });
  await server.idle(session.id, "end_turn");
  expect(await poll()).toBeNull();
  await server.client.beta.sessions.events.send(session.id, { events: [userMessage("again")] });
  const again = await poll();
  expect(again?.id).toBe(session.id);
  expect(sessionsTokenOf(again?.secret ?? null)).not.toBe(token);
  await expect(old.beta.environments.work.stop(session.id, here())).rejects.toMatchObject({ status: 401 });
});

test("a message while the item is stopping queues the session again once it is stopped", async () => {
  const session = await server.startSession(await server.scene([{ say: "hi" }]));
  const other = { environment_id: session.environment_id };
  await server.idle(session.id, "end_turn");
  const admin = server.client.beta.environments.work;
  const key = (await server.raw("POST", `/console/environments/${session.environment_id}/keys`)).body.key;
  const mine = server.worker(key).beta.environments.work;
  await mine.poll(session.environment_id);
  await mine.ack(session.id, other);
  await admin.stop(session.id, other);
  await server.client.beta.sessions.events.send(session.id, { events: [userMessage("more")] });
  expect((await admin.retrieve(session.id, other)).state).toBe("stopping");
  await admin.stop(session.id, { ...other, force: true });
  expect((await mine.poll(session.environment_id))?.id).toBe(session.id);
});

test("polling an item whose session was deleted is 404 once, and the next poll finds the next item", async () => {
  const doomed = await server.startSession(scene);
  await server.idle(doomed.id, "requires_action");
  const kept = await server.startSession(scene);
  await server.client.beta.sessions.delete(doomed.id);
  await expect(poll()).rejects.toMatchObject({
    status: 404,
    message: expect.stringContaining("EnvironmentInstance not found"),
  });
  expect((await poll())?.id).toBe(kept.id);
});

test("stats count workers by their id", async () => {
  const stats = () => server.client.beta.environments.work.stats(scene.environment.id);
  expect((await stats()).workers_polling).toBe(0);
  await poll();
  expect((await stats()).workers_polling).toBeNull();
  await poll({ "Anthropic-Worker-ID": "one" });
  await poll({ "Anthropic-Worker-ID": "two" });
  expect(await stats()).toMatchObject({ workers_polling: 2, depth: 0, oldest_queued_at: null });
  await advance(31_000);
  expect((await stats()).workers_polling).toBe(0);
});

test("WorkPoller drains two sessions and, told so, leaves their items running", async () => {
  const ids = [(await server.startSession(scene)).id, (await server.startSession(scene)).id];
  const claimed: string[] = [];
  const options = {
    environmentId: scene.environment.id,
    environmentKey: scene.environmentKey,
    drain: true,
    blockMs: null,
  };
  for await (const item of work().poller({ ...options, autoStop: false })) claimed.push(item.id);
  expect(claimed).toEqual(ids);
  expect(await stateOf(ids[0] as string)).toBe("starting");
});

test("WorkPoller's default stops an item as soon as the loop body returns", async () => {
  const { id } = await server.startSession(scene);
  const options = {
    environmentId: scene.environment.id,
    environmentKey: scene.environmentKey,
    drain: true,
    blockMs: null,
  };
  for await (const _ of work().poller(options));
  expect(await stateOf(id)).toBe("stopping");
});

test("a worker skips and stops the platform's healthcheck items", async () => {
  const { body } = await server.raw("POST", `/console/environments/${scene.environment.id}/healthchecks`);
  const done = new AbortController();
  const run = work()
    .worker({
      environmentId: scene.environment.id,
      environmentKey: scene.environmentKey,
      tools: [],
      signal: done.signal,
    })
    .run();
  await expect.poll(() => stateOf(body.id)).toBe("stopped");
  done.abort();
  await run;
});

test("two handed-over items are served side by side, each with its own token only", async () => {
  const ids = [(await server.startSession(scene)).id, (await server.startSession(scene)).id];
  await Promise.all(
    ids.map(async () => {
      const item = await poll();
      await work().ack(item?.id as string, here());
      const calls: unknown[] = [];
      await server
        .worker("not-a-key")
        .beta.environments.work.worker({ tools: [recordingTool("lookup", calls)], maxIdleMs: 1 })
        .handleItem({
          workId: item?.id as string,
          environmentId: scene.environment.id,
          sessionId: item?.data.id as string,
          workSecret: item?.secret as string,
        });
      expect(calls).toEqual([["lookup", {}]]);
    }),
  );
  for (const id of ids) expect(await stateOf(id)).toBe("stopped");
});

test.each([
  [{ workIds: "work" as const }, (item: { id: string }) => expect(item.id).toMatch(/^work_/)],
  [{ secrets: "absent" as const }, (item: { secret: string | null }) => expect(item.secret).toBeNull()],
])("knob %j changes what a poll hands out", async (knobs, check) => {
  await server.raw("PATCH", "/console/knobs", { body: knobs });
  try {
    await server.startSession(scene);
    check((await poll()) as never);
  } finally {
    await server.raw("PATCH", "/console/knobs", { body: { workIds: "session", secrets: "issued" } });
  }
});

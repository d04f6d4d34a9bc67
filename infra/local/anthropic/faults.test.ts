import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { API_KEY, recordingTool, startTestServer, type TestServer, type Wire } from "./test-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterEach(() => server.raw("DELETE", "/console/faults"));
afterAll(() => server.close());

const fault = (action: Wire, match: Wire = {}, times = 1) =>
  server.raw("POST", "/console/faults", { body: { match, action, times } });
const TURNS = [{ call: [{ name: "lookup" }] }, { call: [{ name: "note" }] }, { say: "Done." }];

/** Serves one session with the SDK's tool runner. */
async function serve(sessionId: string) {
  const calls: unknown[] = [];
  const tools = [recordingTool("lookup", calls), recordingTool("note", calls)];
  for await (const _ of server.client.beta.sessions.events.toolRunner(sessionId, { tools, maxIdleMs: 1 }));
  return calls;
}
const requests = async (target: RegExp) => {
  const { body } = await server.raw("GET", "/console/requests");
  return body.data.filter((request: Wire) => target.test(request.target));
};

test.each(["cut", "sse_error"])(
  "after a stream's %s the SDK connects again and no call is lost or run twice",
  async (type) => {
    await server.raw("DELETE", "/console/requests");
    await fault({ type, afterEvents: 2 }, { path: "/events/stream" });
    const session = await server.startSession(await server.scene(TURNS));
    expect(await serve(session.id)).toEqual([
      ["lookup", {}],
      ["note", {}],
    ]);
    expect((await requests(/events\/stream/)).length).toBeGreaterThan(1);
  },
);

test("a cut stream breaks off in the middle, an error frame ends it in order", async () => {
  const { id } = await server.startSession(await server.scene([]));
  const read = async () => {
    const response = await fetch(`${server.url}/v1/sessions/${id}/events/stream`, {
      headers: { "x-api-key": API_KEY },
    });
    return response.text();
  };
  await fault({ type: "cut" }, { path: "/stream" });
  await expect(read()).rejects.toThrow("terminated");
  await fault({ type: "sse_error" }, { path: "/stream" });
  expect(await read()).toMatch(/^event: ping\n[\s\S]*\n\nevent: error\ndata: \{"type":"error"/);
});

test("a dropped request was never seen: the SDK's retry does it once", async () => {
  await fault({ type: "drop" }, { method: "POST", path: "^/v1/agents$" });
  const agent = await server.client.beta.agents.create({ name: "once", model: "claude-opus-5-5" });
  const named: string[] = [];
  for await (const { id, name } of server.client.beta.agents.list()) if (name === "once") named.push(id);
  expect(named).toEqual([agent.id]);
});

test("a lost response leaves a double behind, since the API has no idempotency keys", async () => {
  await fault({ type: "drop_response" }, { method: "POST", path: "^/v1/agents$" });
  await server.client.beta.agents.create({ name: "twice", model: "claude-opus-5-5" });
  const named: string[] = [];
  for await (const { id, name } of server.client.beta.agents.list()) if (name === "twice") named.push(id);
  expect(named).toHaveLength(2);
});

test("an injected status reaches the client with its headers, as often as asked and no more", async () => {
  await server.raw("DELETE", "/console/requests");
  await fault({ type: "status", status: 429, headers: { "retry-after-ms": "1" } }, { path: "^/v1/environments" }, 2);
  await server.client.beta.environments.list();
  expect((await requests(/^\/v1\/environments/)).map(({ status }: Wire) => status)).toEqual([429, 429, 200]);
  await fault({ type: "status", status: 418, message: "teapot" });
  await expect(server.client.beta.environments.list()).rejects.toMatchObject({ status: 418, apiMessage: "teapot" });
});

test("a delay holds a request back, and the console is never faulty", async () => {
  await fault({ type: "delay", ms: 1 }, { path: "environments" });
  await fault({ type: "status", status: 500 }, {}, 9);
  const listed = (await server.raw("GET", "/console/faults")).body.data;
  expect(listed).toMatchObject([{ match: { path: "environments" }, times: 1 }, { times: 9 }]);
  await server.client.beta.environments.list();
  expect((await server.raw("DELETE", `/console/faults/${listed[1].id}`)).status).toBe(200);
  expect((await server.raw("GET", "/console/faults")).body.data).toEqual([]);
});

test.each([
  [{ action: { type: "explode" } }, /action/],
  [{ action: { type: "drop" }, match: { path: "(" } }, /match\.path: is not a regular expression/],
  [{ action: { type: "status", status: 200 } }, /action\.status/],
  [{ action: { type: "drop" }, time: 1 }, /time: Extra inputs/],
])("a fault of the form %j is refused", async (body, message) => {
  const answer = await server.raw("POST", "/console/faults", { body });
  expect(answer).toMatchObject({ status: 400, body: { error: { message: expect.stringMatching(message) } } });
});

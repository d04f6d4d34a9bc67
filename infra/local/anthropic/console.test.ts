import { Agent } from "undici";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAuthority } from "../authority.ts";
import { OriginRegistry } from "../origins.ts";
import { startTestServer, type TestServer, userMessage, type Wire } from "./test-server.ts";

let server: TestServer;
const origins = new OriginRegistry();
beforeAll(async () => {
  server = await startTestServer({ origins });
});
afterAll(() => server.close());

const said = async (sessionId: string) =>
  (await server.history(sessionId)).flatMap(({ type, content }) => (type === "agent.message" ? [content[0].text] : []));

test("a host name gets the origin that the console was told", async () => {
  const body = { host: "api.crm.example", url: "http://127.0.0.1:4711" };
  expect(await server.raw("POST", "/console/origins", { body })).toEqual({ status: 200, body });
  expect(origins.resolve("api.crm.example")?.origin).toBe(body.url);
  expect((await server.raw("GET", "/console/origins")).body.data).toEqual([body]);
});

test.each([
  [{ host: "10.0.0.1", url: "http://127.0.0.1:1" }, /host/],
  [{ host: "crm.example", url: "http://127.0.0.1:1/path" }, /url: must be an origin/],
  [{ host: "crm.example", url: "word" }, /url/],
  [{ host: "crm.example" }, /url/],
  ["{", /not valid JSON/],
])("the origin %j is refused", async (body, message) => {
  const answer = await server.raw("POST", "/console/origins", { body });
  expect(answer).toMatchObject({ status: 400, body: { error: { message: expect.stringMatching(message) } } });
});

test.each([
  [
    { turns: [{ call: [{ name: "fly", input: {} }] }] },
    /turns\.0\.call\.0\.name: agent agent_\w+ \(version 1\) has no tool "fly"/,
  ],
  [{ turns: [{}] }, /turns\.0: a turn needs/],
  [{ turns: [{ say: "x", think: 1 }] }, /turns\.0\.think: Extra inputs/],
  [{}, /turns/],
])("the script %j is refused", async (body, message) => {
  const { agent } = await server.scene([]);
  const answer = await server.raw("PUT", `/console/agents/${agent.id}/script`, { body });
  expect(answer).toMatchObject({ status: 400, body: { error: { message: expect.stringMatching(message) } } });
});

test("a script is played once a session; a new script is played from its start by the next message", async () => {
  const scene = await server.scene([{ say: "one" }, { say: "two" }]);
  const session = await server.startSession(scene);
  const more = async (text: string, answers: number) => {
    await server.client.beta.sessions.events.send(session.id, { events: [userMessage(text)] });
    await expect.poll(async () => (await said(session.id)).length).toBe(answers);
    await server.idle(session.id, "end_turn");
  };
  await server.idle(session.id, "end_turn");
  await more("again", 3);
  await server.raw("PUT", `/console/agents/${scene.agent.id}/script`, { body: { turns: [{ say: "three" }] } });
  await more("and now", 4);
  expect(await said(session.id)).toEqual(["one", "two", "Done: the script has no further turns.", "three"]);
  const other = await server.startSession(scene);
  await server.idle(other.id, "end_turn");
  expect(await said(other.id)).toEqual(["three"]);
});

test("an unknown knob is refused, and a known one keeps the others", async () => {
  expect((await server.raw("PATCH", "/console/knobs", { body: { leaseTtl: 1 } })).status).toBe(400);
  const { body } = await server.raw("PATCH", "/console/knobs", { body: { requireBetaHeader: true } });
  expect(body).toMatchObject({ requireBetaHeader: true, leaseTtlSeconds: 300 });
  expect((await server.raw("GET", "/v1/agents", { token: "sk-ant-api03-local-test" })).status).toBe(400);
  expect((await server.client.beta.agents.list()).data).toBeInstanceOf(Array);
  await server.raw("PATCH", "/console/knobs", { body: { requireBetaHeader: false } });
});

test("the TLS listener serves the same sessions as the plain one", async () => {
  const authority = await createAuthority();
  const both = await startTestServer({ tls: await authority.issue(["api.anthropic.com", "127.0.0.1"]) });
  const dispatcher = new Agent({ connect: { ca: authority.caPem, servername: "api.anthropic.com" } });
  try {
    const scene = await both.scene([]);
    const session = await both.startSession(scene);
    const { Anthropic } = await import("@anthropic-ai/sdk");
    const { fetch } = await import("undici");
    const client = new Anthropic({
      authToken: scene.environmentKey,
      baseURL: both.tlsUrl as string,
      fetch: ((url: string, init: Wire) => fetch(url, { ...init, dispatcher })) as Wire,
    });
    expect((await client.beta.sessions.retrieve(session.id)).id).toBe(session.id);
    const { body } = await both.raw("GET", "/console/requests");
    expect(body.data.filter((request: Wire) => request.tls)).toMatchObject([{ target: `/v1/sessions/${session.id}` }]);
  } finally {
    await dispatcher.close();
    await both.close();
  }
});

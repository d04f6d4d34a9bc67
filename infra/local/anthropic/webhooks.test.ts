import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import Anthropic from "@anthropic-ai/sdk";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startTestServer, type TestServer, type Wire } from "./test-server.ts";

interface Received {
  body: string;
  headers: IncomingHttpHeaders;
}

/** An endpoint that answers with `statuses` in turn, the last of them for ever. */
async function startEndpoint(...statuses: number[]) {
  const received: Received[] = [];
  const http = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      received.push({ body, headers: request.headers });
      const status = statuses.length > 1 ? (statuses.shift() as number) : (statuses[0] ?? 200);
      response.writeHead(status, status >= 300 && status < 400 ? { location: "/elsewhere" } : {}).end();
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const count = (n: number) => expect.poll(() => received.length).toBe(n);
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/hook`,
    received,
    count,
    close: () => http.close(),
  };
}

let server: TestServer;
let closers: (() => unknown)[];
beforeEach(async () => {
  server = await startTestServer({ knobs: { webhookBackoffScale: 0.0001 } });
  closers = [() => server.close()];
});
afterEach(async () => {
  for (const close of closers) await close();
});

async function subscribe(events: string[], ...statuses: number[]) {
  const endpoint = await startEndpoint(...statuses);
  closers.push(endpoint.close);
  const { body } = await server.raw("POST", "/console/webhooks", { body: { url: endpoint.url, events } });
  const status = async () => (await server.raw("GET", `/console/webhooks/${body.id}`)).body;
  const outcomes = async () => (await status()).deliveries.map((delivery: Wire) => delivery.outcome);
  return { ...endpoint, id: body.id as string, secret: body.secret as string, status, outcomes };
}

const runSession = async () => {
  const session = await server.startSession(await server.scene([{ call: [{ name: "lookup" }] }]));
  await server.idle(session.id, "requires_action");
  return session;
};

test("the SDK accepts the signature once the URL-safe secret is normalised, and not with another key", async () => {
  const hook = await subscribe(["session.status_run_started"]);
  const session = await runSession();
  await hook.count(1);
  const { body, headers } = hook.received[0] as Received;
  const { webhooks } = new Anthropic({ apiKey: "unused" }).beta;
  const unwrap = (key: string) => webhooks.unwrap(body, { headers: headers as Record<string, string>, key });
  const normal = (secret: string) =>
    secret
      .replace(/^whsec_/, "")
      .replaceAll("-", "+")
      .replaceAll("_", "/");
  expect(unwrap(`whsec_${normal(hook.secret)}`)).toMatchObject({
    type: "event",
    id: headers["webhook-id"],
    data: { type: "session.status_run_started", id: session.id },
  });
  const other = await subscribe(["session.deleted"]);
  expect(() => unwrap(`whsec_${normal(other.secret)}`)).toThrow();
});

test("secrets come in URL-safe base64, which some of them show", async () => {
  const secrets = await Promise.all(
    Array.from({ length: 20 }, async () => (await subscribe(["session.created"])).secret),
  );
  expect(secrets.every((secret) => /^whsec_[A-Za-z0-9_-]{43}$/.test(secret))).toBe(true);
  expect(secrets.some((secret) => /[-_]/.test(secret.slice("whsec_".length)))).toBe(true);
});

test("every return to running is announced, parking and ending too", async () => {
  const hook = await subscribe([
    "session.created",
    "session.status_run_started",
    "session.status_idled",
    "session.requires_action",
    "session.idled",
    "session.archived",
    "session.status_terminated",
    "session.deleted",
  ]);
  const session = await runSession();
  const [call] = (await server.idle(session.id, "requires_action")).stop_reason.event_ids;
  await server.client.beta.sessions.events.send(session.id, {
    events: [{ type: "user.custom_tool_result", custom_tool_use_id: call }],
  });
  await server.idle(session.id, "end_turn");
  await server.client.beta.sessions.archive(session.id);
  await server.client.beta.sessions.delete(session.id);
  await hook.count(10);
  expect(hook.received.map(({ body }) => JSON.parse(body).data.type).sort()).toEqual([
    "session.archived",
    "session.created",
    "session.deleted",
    "session.idled",
    "session.requires_action",
    "session.status_idled",
    "session.status_idled",
    "session.status_run_started",
    "session.status_run_started",
    "session.status_terminated",
  ]);
});

test("a failed delivery is tried three times under one id, then dropped", async () => {
  const hook = await subscribe(["session.created"], 503);
  await runSession();
  await expect.poll(hook.outcomes).toEqual([503, 503, 503]);
  expect(new Set(hook.received.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
  expect(await hook.status()).toMatchObject({ disabled: null, failingSince: expect.any(String) });
  await server.raw("GET", "/console/webhooks");
  expect(hook.received).toHaveLength(3);
});

test("each attempt is stamped and signed anew", async () => {
  let now = Date.parse("2026-11-21T08:00:00Z");
  const own = await startTestServer({ now: () => (now += 1000), knobs: { webhookBackoffScale: 0 } });
  const endpoint = await startEndpoint(500, 200);
  closers.push(endpoint.close, () => own.close());
  await own.raw("POST", "/console/webhooks", { body: { url: endpoint.url, events: ["environment.created"] } });
  await own.scene([]);
  await endpoint.count(2);
  const [first, second] = endpoint.received.map(({ headers }) => headers) as [IncomingHttpHeaders, IncomingHttpHeaders];
  expect(second["webhook-id"]).toBe(first["webhook-id"]);
  expect(second["webhook-timestamp"]).not.toBe(first["webhook-timestamp"]);
  expect(second["webhook-signature"]).not.toBe(first["webhook-signature"]);
});

test.each([301, 307, 308])(
  "a %i disables the endpoint at once; what happens meanwhile is lost, even after it is enabled",
  async (status) => {
    const hook = await subscribe(["session.created"], status, 200);
    await runSession();
    await expect
      .poll(async () => (await hook.status()).disabled)
      .toMatchObject({ reason: expect.stringContaining(`${status}`) });
    await runSession();
    expect((await server.raw("PATCH", `/console/webhooks/${hook.id}`, { body: { disabled: false } })).status).toBe(200);
    await runSession();
    await expect.poll(hook.outcomes).toEqual([status, 200]);
  },
);

test("an endpoint that only fails for long is disabled, and one success starts the count anew", async () => {
  const hook = await subscribe(["session.created"], 500, 200, 500);
  await runSession();
  await expect.poll(hook.outcomes).toEqual([500, 200]);
  expect((await hook.status()).failingSince).toBeNull();
  await runSession();
  await expect.poll(hook.outcomes).toHaveLength(5);
  await server.raw("POST", "/console/clock", { body: { advanceMs: 25 * 3_600_000 } });
  await runSession();
  await expect
    .poll(async () => (await hook.status()).disabled)
    .toMatchObject({ reason: expect.stringContaining("failed") });
});

test("a fault delivers an event twice, or holds it back behind the next one, or loses an attempt", async () => {
  const hook = await subscribe(["session.created", "session.status_run_started"]);
  const fault = (action: Wire, event?: string) =>
    server.raw("POST", "/console/faults", { body: { match: event ? { event } : {}, action } });
  await fault({ type: "webhook_duplicate" }, "session.created");
  await runSession();
  await hook.count(3);
  const ids = hook.received.map(({ headers }) => headers["webhook-id"]);
  expect(new Set(ids).size).toBe(2);
  await fault({ type: "webhook_delay", ms: 300 }, "session.created");
  await runSession();
  await hook.count(5);
  expect(hook.received.slice(3).map(({ body }) => JSON.parse(body).data.type)).toEqual([
    "session.status_run_started",
    "session.created",
  ]);
  await fault({ type: "webhook_drop" }, "session.created");
  await runSession();
  await expect.poll(hook.outcomes).toContain("dropped");
  await hook.count(7);
});

test.each([
  [{ url: "http://hooks.example/x", events: ["session.created"] }, /url: must be https/],
  [{ url: "nowhere", events: ["session.created"] }, /url/],
  [{ url: "https://hooks.example/x", events: [] }, /events/],
  [{ url: "https://hooks.example/x", events: ["session.started"] }, /events\.0/],
])("registering %j is refused", async (body, message) => {
  const answer = await server.raw("POST", "/console/webhooks", { body });
  expect(answer.status).toBe(400);
  expect(answer.body.error.message).toMatch(message);
});

test("an endpoint's secret is shown once, and a removed endpoint hears nothing", async () => {
  const hook = await subscribe(["session.created"]);
  expect(JSON.stringify(await server.raw("GET", "/console/webhooks"))).not.toContain(hook.secret);
  await server.raw("DELETE", `/console/webhooks/${hook.id}`);
  const kept = await subscribe(["session.created"]);
  await runSession();
  await kept.count(1);
  expect(hook.received).toHaveLength(0);
});

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { API_KEY, sessionsTokenOf, startTestServer, type TestServer } from "./test-server.ts";

/** A: API key, E: environment key, S: sessions token of one work item. ok: not refused for its class. */
const MATRIX: [method: string, path: string, A: Verdict, E: Verdict, S: Verdict][] = [
  ["POST", "/v1/environments", "ok", 403, 403],
  ["GET", "/v1/environments", "ok", 403, 403],
  ["GET", "/v1/environments/ENV", "ok", 403, 403],
  ["POST", "/v1/environments/ENV", "ok", 403, 403],
  ["GET", "/v1/environments/ENV/work/poll", 403, "ok", 403],
  ["POST", "/v1/environments/ENV/work/SESN/ack", 403, "ok", "ok"],
  ["POST", "/v1/environments/ENV/work/SESN/heartbeat", 403, "ok", "ok"],
  ["GET", "/v1/environments/ENV/work", 403, "ok", 403],
  ["GET", "/v1/environments/ENV/work/SESN", "ok", 403, 403],
  ["POST", "/v1/environments/ENV/work/SESN", "ok", 403, 403],
  ["GET", "/v1/environments/ENV/work/stats", "ok", "ok", 403],
  ["POST", "/v1/sessions", "ok", 403, 403],
  ["GET", "/v1/sessions", "ok", 403, 403],
  ["GET", "/v1/sessions/SESN", "ok", "ok", "ok"],
  ["POST", "/v1/sessions/SESN", "ok", 403, 403],
  ["GET", "/v1/sessions/SESN/events", "ok", "ok", "ok"],
  ["POST", "/v1/sessions/SESN/events", "ok", "ok", "ok"],
  ["POST", "/v1/agents", "ok", 403, 403],
  ["GET", "/v1/agents", "ok", 403, 403],
  ["GET", "/v1/agents/AGENT", "ok", 403, 403],
  ["GET", "/v1/agents/AGENT/versions", "ok", 403, 403],
  ["GET", "/v1/skills/s/versions/latest", "ok", "ok", 403],
  ["GET", "/v1/memory_stores/m/memories", "ok", 403, "ok"],
  ["GET", "/v1/models", "ok", 403, 403],
  ["POST", "/v1/messages", "ok", 403, 403],
  ["GET", "/v1/files", "ok", 403, 403],
  ["POST", "/v1/environments/ENV/work/SESN/stop", "ok", "ok", "ok"],
  ["POST", "/v1/sessions/SESN/archive", "ok", 403, 403],
  ["DELETE", "/v1/sessions/NONE", "ok", 403, 403],
  ["POST", "/v1/agents/NONE/archive", "ok", 403, 403],
  ["POST", "/v1/environments/NONE/archive", "ok", 403, 403],
  ["DELETE", "/v1/environments/NONE", "ok", 403, 403],
];
type Verdict = "ok" | 401 | 403;

let server: TestServer;
let names: Record<string, string>;
let tokens: Record<"A" | "E" | "S", string>;
/** Of another environment; for S also of another session in the same environment. */
let foreign: { E: string; S: string[] };

const newScene = () => server.scene([{ call: [{ name: "lookup" }] }]);

async function claimed(scene?: Awaited<ReturnType<typeof newScene>>) {
  scene ??= await newScene();
  const session = await server.startSession(scene);
  const item = await server.worker(scene.environmentKey).beta.environments.work.poll(scene.environment.id);
  await server.idle(session.id, "requires_action");
  return { scene, session, token: sessionsTokenOf(item?.secret ?? null) };
}

beforeAll(async () => {
  server = await startTestServer();
  const mine = await claimed();
  const other = await claimed();
  const sister = await claimed(mine.scene);
  names = { ENV: mine.scene.environment.id, SESN: mine.session.id, AGENT: mine.scene.agent.id, NONE: "none_1" };
  tokens = { A: API_KEY, E: mine.scene.environmentKey, S: mine.token };
  foreign = { E: other.scene.environmentKey, S: [other.token, sister.token] };
});
afterAll(() => server.close());

const concrete = (path: string) =>
  path
    .replace(/ENV|SESN|AGENT|NONE/, (name) => names[name] as string)
    .replace(/ENV|SESN|AGENT/, (name) => names[name] as string);
const ask = async (method: string, path: string, token: string) =>
  (await server.raw(method, concrete(path), { token, ...(method === "POST" && { body: { unknown_field: 1 } }) }))
    .status;

// Each row asks with the classes that are refused first: what is accepted may stop or archive what later rows need.
describe.each(MATRIX)("%s %s", (method, path, A, E, S) => {
  test.each([
    ["API key", "A", A],
    ["environment key", "E", E],
    ["sessions token", "S", S],
  ] as const)("%s", async (_, who, verdict) => {
    const status = await ask(method, path, tokens[who]);
    if (verdict === "ok") expect(status).not.toSatisfy((s: number) => s === 401 || s === 403);
    else expect(status).toBe(verdict);
  });

  test("nobody, a stranger, and a key from elsewhere are 401 wherever their class is accepted", async () => {
    expect((await server.raw(method, concrete(path))).status).toBe(401);
    expect(await ask(method, path, "sk-ant-oat01-unknown")).toBe(401);
    const scoped = /ENV|SESN/.test(path);
    if (scoped && E === "ok") expect(await ask(method, path, foreign.E)).toBe(401);
    if (scoped && S === "ok") for (const token of foreign.S) expect(await ask(method, path, token)).toBe(401);
  });
});

test("an API key is also taken from x-api-key, an environment key is not", async () => {
  const list = (key: string) => server.raw("GET", "/v1/environments", { headers: { "x-api-key": key } });
  expect((await list(API_KEY)).status).toBe(200);
  expect((await list(tokens.E)).status).toBe(401);
});

test("a revoked environment key is refused at once, its sister still works", async () => {
  const { environment, environmentKey } = await server.scene([]);
  const door = `/console/environments/${environment.id}/keys`;
  const second = (await server.raw("POST", door)).body;
  expect(second.key).toMatch(/^sk-ant-oat01-[\w-]+$/);
  const poll = (token: string) => server.raw("GET", `/v1/environments/${environment.id}/work/poll`, { token });
  expect((await poll(second.key)).status).toBe(200);
  await server.raw("DELETE", `${door}/${second.id}`);
  expect((await poll(second.key)).status).toBe(401);
  expect((await poll(environmentKey)).status).toBe(200);
  expect(JSON.stringify(await server.raw("GET", door))).not.toContain(environmentKey);
});

test.each([
  ["stop", 200],
  ["claim", 401],
  ["never", 200],
] as const)(
  "sessionsTokenDies=%s: the first claim's token answers %i after the item was claimed again",
  async (mode, status) => {
    await server.raw("PATCH", "/console/knobs", { body: { sessionsTokenDies: mode } });
    const { scene, session, token } = await claimed();
    await server
      .worker(scene.environmentKey)
      .beta.environments.work.poll(scene.environment.id, { reclaim_older_than_ms: 0 });
    expect((await server.raw("GET", `/v1/sessions/${session.id}`, { token })).status).toBe(status);
    await server.client.beta.environments.work.stop(session.id, { environment_id: scene.environment.id, force: true });
    const after = (await server.raw("GET", `/v1/sessions/${session.id}`, { token })).status;
    expect(after).toBe(mode === "never" ? 200 : 401);
    await server.raw("PATCH", "/console/knobs", { body: { sessionsTokenDies: "stop" } });
  },
);

test("the request log names the class of each credential and never holds one", async () => {
  await server.raw("DELETE", "/console/requests");
  await server.raw("GET", "/v1/sessions/none?beta=true", { token: tokens.E });
  await server.raw("GET", "/v1//models", { token: "sk-ant-guess" });
  await server.raw("GET", "/v1/models");
  const { body } = await server.raw("GET", "/console/requests");
  expect(body.data.map((r: { credential: string; status: number }) => [r.credential, r.status])).toEqual([
    ["environmentKey", 404],
    ["unknown", expect.any(Number)],
    ["none", 401],
  ]);
  expect(JSON.stringify(body)).not.toMatch(/sk-ant/);
});

test("a path that climbs out of the token's own session is judged where it arrives, and logged as it was sent", async () => {
  const { request } = await import("node:http");
  const other = await server.startSession(await server.scene([]));
  const { hostname, port } = new URL(server.url);
  const ask = (path: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      request({ hostname, port, path, headers: { authorization: `Bearer ${tokens.E}` } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on("error", reject)
        .end();
    });
  await server.raw("DELETE", "/console/requests");
  const paths = ["..", "%2e%2e", "%2E."].map((up) => `/v1/sessions/${names.SESN}/${up}/${other.id}`);
  for (const path of paths) expect(await ask(path)).not.toBe(200);
  const { body } = await server.raw("GET", "/console/requests");
  expect(body.data.map((entry: { target: string }) => entry.target)).toEqual(paths);
});

test("the console is closed to whoever comes under another name than loopback", async () => {
  const { request } = await import("node:http");
  const status = await new Promise<number | undefined>((resolve, reject) => {
    request(`${server.url}/console/requests`, { headers: { host: "api.anthropic.com" } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on("error", reject)
      .end();
  });
  expect(status).toBe(404);
});

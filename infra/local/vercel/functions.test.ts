import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { request } from "undici";
import { expect, onTestFinished, test } from "vitest";
import { output, startAccount, TEAM } from "./testing.ts";

const PRODUCTION = "cp.vercel.app";

/** What a browser would get at a host name. */
async function get(url: string, host: string, path: string, options: Parameters<typeof request>[1] = {}) {
  const { headers, ...rest } = options ?? {};
  const answer = await request(url + path, { ...rest, headers: { ...headers, host } });
  return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
}

test("a deployed function runs with the variables of its target and nothing of this process's environment", async () => {
  process.env.PARENT_ONLY = "must not be seen";
  const { call, deploy, deploymentsUrl } = await startAccount({ functionEnv: { NODE_EXTRA_CA_CERTS: "/dev/null" } });
  const { json: project } = await call("POST", "/v8/projects", { name: "cp" });
  await call("POST", "/v10/projects/cp/env", { key: "ONE", value: "first", target: ["production"], type: "sensitive" });
  await call("POST", "/v10/projects/cp/env", { key: "TWO", value: "no", target: ["preview"], type: "encrypted" });
  const { id, url } = await deploy("cp", output({ "api/env": "export const GET = () => Response.json(process.env);" }));

  const { status, text } = await get(deploymentsUrl, PRODUCTION, "/api/env");

  expect(status).toBe(200);
  expect(JSON.parse(text)).toEqual({
    NODE_ENV: "production",
    NODE_EXTRA_CA_CERTS: "/dev/null",
    ONE: "first",
    VERCEL: "1",
    VERCEL_ENV: "production",
    VERCEL_TARGET_ENV: "production",
    VERCEL_URL: url,
    VERCEL_PROJECT_PRODUCTION_URL: PRODUCTION,
    VERCEL_PROJECT_ID: project.id,
    VERCEL_DEPLOYMENT_ID: id,
    VERCEL_REGION: "local1",
  });
});

test("a variable changed after a deployment is only seen by the next deployment", async () => {
  const { call, deploy, deploymentsUrl } = await startAccount();
  await call("POST", "/v8/projects", { name: "cp" });
  const { json } = await call("POST", "/v10/projects/cp/env", {
    key: "ONE",
    value: "first",
    target: ["production"],
    type: "encrypted",
  });
  const files = output({ "api/one": "export const GET = () => new Response(process.env.ONE);" });
  await deploy("cp", files);
  await call("PATCH", `/v10/projects/cp/env/${json.created.id}`, { value: "second" });

  expect((await get(deploymentsUrl, PRODUCTION, "/api/one")).text).toBe("first");
  await deploy("cp", files);
  expect((await get(deploymentsUrl, PRODUCTION, "/api/one")).text).toBe("second");
});

test("work handed to waitUntil goes on after the response, also while its deployment is replaced", async () => {
  const { call, deploy, deploymentsUrl, printed } = await startAccount();
  await call("POST", "/v8/projects", { name: "cp" });
  const gate = Promise.withResolvers<void>();
  const outside = createServer((_request, response) => void gate.promise.then(() => response.end())).listen(0);
  onTestFinished(() => void outside.close());
  const source = `
    export const GET = (request) => {
      const { waitUntil } = globalThis[Symbol.for("@vercel/request-context")].get();
      waitUntil(fetch(request.headers.get("x-outside")).then(() => console.log("work done")));
      return new Response("started");
    };`;
  await deploy("cp", output({ "api/start": source }));
  const headers = { "x-outside": `http://127.0.0.1:${(outside.address() as AddressInfo).port}` };
  expect((await get(deploymentsUrl, PRODUCTION, "/api/start", { headers })).text).toBe("started");

  await deploy("cp", output({ "api/start": "export const GET = () => new Response('new');" }));
  expect((await get(deploymentsUrl, PRODUCTION, "/api/start")).text).toBe("new");
  gate.resolve();
  await printed("work done");
});

test("each of two requests at a time finds its own request context", async () => {
  const { call, deploy, deploymentsUrl } = await startAccount();
  await call("POST", "/v8/projects", { name: "cp" });
  const both = `
    const waiting = [];
    export async function GET(request) {
      await new Promise((resolve) => { waiting.push(resolve); if (waiting.length === 2) for (const go of waiting) go(); });
      const { headers } = globalThis[Symbol.for("@vercel/request-context")].get();
      return Response.json([new URL(request.url).search, headers["x-mine"]]);
    }`;
  await deploy("cp", output({ "api/both": both }));

  const answers = await Promise.all(
    ["a", "b"].map((mine) => get(deploymentsUrl, PRODUCTION, `/api/both?${mine}`, { headers: { "x-mine": mine } })),
  );
  expect(answers.map(({ text }) => JSON.parse(text))).toEqual([
    ["?a", "a"],
    ["?b", "b"],
  ]);
});

test("a function finds an OIDC token that names its team and project and that only this account can issue", async () => {
  const { call, deploy, deploymentsUrl, verifyIdentity } = await startAccount();
  const { json: project } = await call("POST", "/v8/projects", { name: "cp" });
  const whoami = `
    export const GET = () =>
      new Response(globalThis[Symbol.for("@vercel/request-context")].get().headers["x-vercel-oidc-token"]);`;
  await deploy("cp", output({ "api/whoami": whoami }));

  const headers = { "x-vercel-oidc-token": "forged" };
  const { text: token } = await get(deploymentsUrl, PRODUCTION, "/api/whoami", { headers });

  expect(verifyIdentity(token)).toMatchObject({ owner_id: TEAM, project_id: project.id, environment: "production" });
  const [head, body] = token.split(".");
  expect(verifyIdentity(`${head}.${body}.AAAA`)).toBeUndefined();
});

test("a crash costs the requests under way a 500, and the next request starts the function again", async () => {
  const { call, deploy, deploymentsUrl, logs } = await startAccount();
  await call("POST", "/v8/projects", { name: "cp" });
  const source = `
    export const GET = () => new Response("up " + process.pid);
    export const POST = () => { process.exit(3); };
    export const PUT = () => { throw new Error("only this request"); };`;
  await deploy("cp", output({ "api/f": source }));

  const before = await get(deploymentsUrl, PRODUCTION, "/api/f");
  const thrown = await get(deploymentsUrl, PRODUCTION, "/api/f", { method: "PUT" });
  const still = await get(deploymentsUrl, PRODUCTION, "/api/f");
  const crashed = await get(deploymentsUrl, PRODUCTION, "/api/f", { method: "POST" });
  const after = await get(deploymentsUrl, PRODUCTION, "/api/f");

  expect(thrown).toMatchObject({ status: 500, headers: { "x-vercel-error": "FUNCTION_INVOCATION_FAILED" } });
  expect(still.text).toBe(before.text);
  expect(crashed).toMatchObject({ status: 500, headers: { "x-vercel-error": "FUNCTION_INVOCATION_FAILED" } });
  expect(after.text).toMatch(/^up \d+$/);
  expect(after.text).not.toBe(before.text);
  expect(logs).toContainEqual({
    source: "function",
    record: expect.objectContaining({ stream: "stderr", line: "function process ended: exit status 3" }),
  });
});

test("a function over its time limit is answered 504, over the body limit 413, and an unknown method 405", async () => {
  const { call, deploy, deploymentsUrl } = await startAccount();
  await call("POST", "/v8/projects", { name: "cp" });
  const source = "export const GET = () => new Promise(() => {}); export const POST = () => new Response('ok');";
  await deploy("cp", output({ "api/slow": source }, {}, { maxDuration: 1 }));
  const post = (size: number) =>
    get(deploymentsUrl, PRODUCTION, "/api/slow", { method: "POST", body: "x".repeat(size) });

  expect((await post(4.5 * 1024 * 1024)).status).toBe(200);
  expect((await post(4.5 * 1024 * 1024 + 1)).status).toBe(413);
  expect(await get(deploymentsUrl, PRODUCTION, "/api/slow", { method: "PUT" })).toMatchObject({
    status: 405,
    headers: { allow: "GET, POST" },
  });
  expect(await get(deploymentsUrl, PRODUCTION, "/api/slow")).toMatchObject({
    status: 504,
    headers: { "x-vercel-error": "FUNCTION_INVOCATION_TIMEOUT" },
  });
  expect((await post(1)).status).toBe(200);
});

test("what functions print is in the deployment's log file", async () => {
  const { call, deploy, deploymentsUrl, logsFolder, printed, close } = await startAccount();
  await call("POST", "/v8/projects", { name: "cp" });
  const source =
    "export const GET = () => { console.log('hello log'); console.error('oh no'); return new Response(''); };";
  const { id } = await deploy("cp", output({ "api/log": source }));
  await get(deploymentsUrl, PRODUCTION, "/api/log");
  await Promise.all([printed("hello log"), printed("oh no")]);
  await close();

  const text = await readFile(join(logsFolder, `${id}.log`), "utf8");
  expect(text).toMatch(/Z stdout hello log\n/);
  expect(text).toMatch(/Z stderr oh no\n/);
});

test("a deployment's own address asks for a login unless the bypass secret comes along; its production domain does not", async () => {
  const { call, deploy, deploymentsUrl, url: api } = await startAccount();
  await call("POST", "/v8/projects", { name: "cp" });
  const bypass = await call("PATCH", "/v10/projects/cp/protection-bypass", { generate: { note: "webhook" } });
  const [secret] = Object.keys(bypass.json.protectionBypass);
  const { url } = await deploy("cp", { ...output({}), "static/index.html": "<h1>hi</h1>" });

  expect(await get(deploymentsUrl, PRODUCTION, "/")).toMatchObject({
    status: 200,
    text: "<h1>hi</h1>",
    headers: { "content-type": "text/html; charset=utf-8" },
  });
  expect((await get(deploymentsUrl, "127.0.0.1", "/")).status).toBe(200);
  expect(await get(deploymentsUrl, url, "/")).toMatchObject({
    status: 302,
    headers: { location: expect.stringContaining("https://vercel.com/sso-api?url=") },
  });
  expect((await get(deploymentsUrl, url, `/?x-vercel-protection-bypass=${secret}`)).status).toBe(200);
  expect((await get(deploymentsUrl, url, "/", { headers: { "x-vercel-protection-bypass": `${secret}` } })).status).toBe(
    200,
  );

  await fetch(`${api}/console/protection`, { method: "PUT", body: JSON.stringify({ answer: "unauthorized" }) });
  expect((await get(deploymentsUrl, url, "/")).status).toBe(401);
});

test("a cron job calls production with the deployment's CRON_SECRET when triggered", async () => {
  const { call, deploy, url } = await startAccount();
  await call("POST", "/v8/projects", { name: "cp" });
  await call("POST", "/v10/projects/cp/env", {
    key: "CRON_SECRET",
    value: "s3",
    target: "production",
    type: "sensitive",
  });
  const source = `
    export const GET = (request) => {
      const { authorization, "user-agent": agent } = Object.fromEntries(request.headers);
      return new Response("", { status: authorization === "Bearer s3" && agent === "vercel-cron/1.0" ? 200 : 401 });
    };`;
  await deploy("cp", output({ "api/drain": source }, { crons: [{ path: "/api/drain", schedule: "*/5 * * * *" }] }));
  const trigger = (path: string) => fetch(`${url}/console/cron`, { method: "POST", body: JSON.stringify({ path }) });

  expect(await (await trigger("/api/drain")).json()).toEqual({ results: [{ project: "cp", status: 200 }] });
  expect((await trigger("/api/other")).status).toBe(404);
});

test("a fault that was asked for meets the paths it names, as often as asked", async () => {
  const { call, deploy, deploymentsUrl, url } = await startAccount();
  await call("POST", "/v8/projects", { name: "cp" });
  await deploy("cp", output({ "api/f": "let n = 0; export const GET = () => new Response(String(++n));" }));
  const fault = (body: object) => fetch(`${url}/console/faults`, { method: "POST", body: JSON.stringify(body) });

  await fault({ on: "functions", path: "^/api/f", status: 503, times: 1 });
  expect((await get(deploymentsUrl, PRODUCTION, "/api/f")).status).toBe(503);
  expect((await get(deploymentsUrl, PRODUCTION, "/api/f")).text).toBe("1");
  await fault({ on: "functions", path: "^/api/f", drop: "response", times: 1 });
  await expect(get(deploymentsUrl, PRODUCTION, "/api/f")).rejects.toThrow();
  expect((await get(deploymentsUrl, PRODUCTION, "/api/f")).text).toBe("3");

  await fault({ path: "/projects$", method: "POST", drop: "response", times: 1 });
  await expect(call("POST", "/v8/projects", { name: "lost" })).rejects.toThrow();
  expect((await call("GET", "/v10/projects/lost")).status).toBe(200);
});

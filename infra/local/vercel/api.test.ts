import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { ProxyAgent, request } from "undici";
import { expect, test } from "vitest";
import { output, startAccount, TEAM, TOKEN } from "./testing.ts";

test("a request without the account's token, or for another team, is refused in the API's words", async () => {
  const { url, call } = await startAccount();
  const get = (headers: Record<string, string>) => fetch(`${url}/v10/projects`, { headers });

  const missing = await get({});
  expect(missing.status).toBe(401);
  expect(await missing.json()).toMatchObject({ error: { code: "forbidden", missingToken: true } });
  expect((await get({ authorization: `Bearer ${TOKEN}x` })).status).toBe(403);
  expect((await call("GET", "/v10/projects?teamId=team_other")).status).toBe(403);
  expect((await call("GET", `/v10/projects?teamId=${TEAM}`)).status).toBe(200);
  expect((await call("GET", "/v2/teams/local")).json).toMatchObject({ id: TEAM, slug: "local" });
});

test("a project answers with the booleans that the plugin panics without, and its name is taken from then on", async () => {
  const { call } = await startAccount();
  const created = await call("POST", "/v8/projects", { name: "cp", framework: null });
  expect(created.json).toMatchObject({
    name: "cp",
    enableAffectedProjectsDeployments: false,
    autoAssignCustomDomains: true,
    gitForkProtection: true,
  });
  expect(await call("POST", "/v8/projects", { name: "cp" })).toMatchObject({
    status: 409,
    json: { error: { code: "conflict" } },
  });
  expect((await call("GET", "/v10/projects/cp")).json.id).toBe(created.json.id);
  expect((await call("DELETE", `/v8/projects/${created.json.id}`)).status).toBe(204);
  expect(await call("GET", "/v10/projects/cp")).toMatchObject({ status: 404, json: { error: { code: "not_found" } } });
});

test("a sensitive value is in no answer; an encrypted one comes back in clear where it is asked for", async () => {
  const { call } = await startAccount();
  await call("POST", "/v8/projects", { name: "cp" });
  const put = (key: string, type: string) =>
    call("POST", "/v10/projects/cp/env", { key, value: `value of ${key}`, target: ["production"], type });
  const secret = await put("SECRET", "sensitive");
  const open = await put("OPEN", "encrypted");
  const changed = await call("PATCH", `/v10/projects/cp/env/${secret.json.created.id}`, { value: "value of SECRET 2" });
  const one = await call("GET", `/v10/projects/cp/env/${secret.json.created.id}`);
  const list = await call("GET", "/v8/projects/cp/env?decrypt=true&limit=100");

  expect(JSON.stringify([secret, changed, one, list, await call("GET", "/v10/projects/cp")])).not.toContain(
    "value of SECRET",
  );
  expect(open.json.created.value).not.toBe("value of OPEN");
  expect((await call("GET", `/v10/projects/cp/env/${open.json.created.id}`)).json.value).toBe("value of OPEN");
  expect(list.json.envs.map(({ value }: { value: string }) => value)).toEqual(["", "value of OPEN"]);
});

test("a variable that exists for a target is a conflict for that target only", async () => {
  const { call } = await startAccount();
  await call("POST", "/v8/projects", { name: "cp" });
  const put = (target: string[], value = "v") => ({ key: "A", value, target, type: "encrypted" });

  expect(await call("POST", "/v10/projects/cp/env", put(["production"]))).toMatchObject({
    status: 200,
    json: { created: { key: "A" } },
  });
  expect(await call("POST", "/v10/projects/cp/env", put(["production", "preview"]))).toMatchObject({
    status: 400,
    json: { error: { code: "ENV_CONFLICT", envVarKey: "A" } },
  });
  const many = await call("POST", "/v10/projects/cp/env", [put(["preview"]), put(["production"])]);
  expect(many.status).toBe(200);
  expect(many.json).toMatchObject({
    created: [{ target: ["preview"] }],
    failed: [{ error: { code: "ENV_CONFLICT" } }],
  });
});

test("a deployment names the files that are missing, and an upload must be what its digest says", async () => {
  const { call, url } = await startAccount();
  await call("POST", "/v8/projects", { name: "cp" });
  const content = '{"version":3}';
  const sha = createHash("sha1").update(content).digest("hex");
  const create = (file: string, size = content.length) =>
    call("POST", "/v12/now/deployments", { name: "cp", files: [{ file, sha, size }] });
  const upload = (digest: string) =>
    fetch(`${url}/v2/now/files`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}`, "x-vercel-digest": digest },
      body: content,
    });

  expect((await create(".vercel/output/config.json")).json.error).toMatchObject({
    code: "missing_files",
    missing: [sha],
  });
  expect((await upload("a".repeat(40))).status).toBe(400);
  expect((await upload(sha)).status).toBe(200);
  expect((await create(".vercel/output/config.json", 1)).status).toBe(400);
  expect((await create("../escape")).status).toBe(400);
  expect((await create("package.json")).json.error.message).toContain("prebuilt output only");

  const { json } = await create(".vercel/output/config.json");
  // The first deployment of a project goes to production, whatever was asked for.
  expect(json).toMatchObject({
    readyState: "READY",
    aliasAssigned: true,
    target: "production",
    alias: ["cp.vercel.app"],
  });
  expect((await create(".vercel/output/config.json")).json.target).toBeNull();
  expect((await call("GET", `/v13/deployments/${json.id}`)).json.id).toBe(json.id);
  expect((await call("DELETE", `/v13/deployments/${json.id}`)).json).toEqual({ uid: json.id, state: "DELETED" });
  expect((await call("GET", `/v13/deployments/${json.id}`)).status).toBe(404);
});

test("a cron expression that Vercel would refuse is refused when deploying", async () => {
  const { call, deploy } = await startAccount();
  await call("POST", "/v8/projects", { name: "cp" });
  const config = { crons: [{ path: "/api/drain", schedule: "0 0 1 * 1" }] };
  await expect(deploy("cp", output({}, config))).rejects.toThrow(/both day of month and day of week/);
});

test("programs that only know api.vercel.com reach the account through the proxy, and nothing else", async () => {
  const { proxyUrl, caPem } = await startAccount();
  const dispatcher = new ProxyAgent({ uri: proxyUrl, requestTls: { ca: caPem } });
  const headers = { authorization: `Bearer ${TOKEN}` };

  const team = await request("https://api.vercel.com/v2/teams/local", { dispatcher, headers });
  expect(await team.body.json()).toMatchObject({ id: TEAM });
  const frameworks = await request("https://api-frameworks.zeit.sh/", { dispatcher });
  expect(await frameworks.body.json()).toContainEqual({ slug: "nextjs" });
  const regions = await request("https://dcs.vercel-infra.com", { dispatcher });
  expect(await regions.body.json()).toMatchObject({ iad1: { caps: ["V2_DEPLOYMENT_CREATE"] } });
  await expect(request("https://registry.example/", { dispatcher })).rejects.toThrow(/403/);
  await expect(request("https://api.vercel.com:8443/", { dispatcher })).rejects.toThrow(/403/);
  expect((await fetch(`${proxyUrl}/v2/teams/local`)).status).toBe(403);
  await dispatcher.close();

  const untrusting = new ProxyAgent({ uri: proxyUrl });
  await expect(request("https://api.vercel.com/", { dispatcher: untrusting })).rejects.toThrow(/certificate/);
  await untrusting.close();
});

test("curl, which like Go trusts what SSL_CERT_FILE names, is served through the proxy unaware", async (context) => {
  const { proxyUrl, caPem, stateDir } = await startAccount();
  const caFile = join(stateDir, "ca.pem");
  await writeFile(caFile, caPem);
  const args = ["-sS", "-H", `authorization: Bearer ${TOKEN}`, "https://api.vercel.com/v2/teams/local"];
  const env = { PATH: process.env.PATH, HTTPS_PROXY: proxyUrl, SSL_CERT_FILE: caFile };
  const { stdout, code } = await promisify(execFile)("curl", args, { env }).catch((error) => error);
  if (code === "ENOENT") return context.skip("there is no curl on this machine");
  expect(JSON.parse(stdout)).toMatchObject({ id: TEAM });
});

test("domains and aliases lead to what they were given, and are announced to the rest of the local cloud", async () => {
  const announced: string[] = [];
  const { call, deploy, deploymentsUrl } = await startAccount({ origins: { set: (host) => announced.push(host) } });
  await call("POST", "/v8/projects", { name: "cp" });
  expect((await call("POST", "/v10/projects/cp/domains", { name: "agents.example" })).json.verified).toBe(true);
  const { id, url } = await deploy("cp", { ...output({}), "static/hello.txt": "hello" });
  await call("POST", `/v2/deployments/${id}/aliases`, { alias: "alias.example" });

  expect(announced).toEqual(["agents.example", url, "cp.vercel.app", "agents.example", "alias.example"]);
  const status = (host: string) =>
    new Promise((resolve, reject) => {
      const outgoing = httpRequest(`${deploymentsUrl}/hello.txt`, { headers: { host } }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      outgoing.once("error", reject).end();
    });
  expect(await status("agents.example")).toBe(200);
  expect(await status("alias.example")).toBe(302);
  expect(await status("unknown.vercel.app")).toBe(404);
});

test("what is not part of the local API is said to be so", async () => {
  const { call } = await startAccount();
  const { status, json } = await call("GET", "/v1/edge-config");
  expect(status).toBe(404);
  expect(json.error.message).toBe("GET /v1/edge-config is not part of the local Vercel API");
});

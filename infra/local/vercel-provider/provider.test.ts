import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { startAccount, TEAM, TOKEN } from "../vercel/testing.ts";
import { folderWith, Plugin, recordWire, secret, type Values, type WireCall } from "./testing.ts";

const PROJECT = "vercel:index/project:Project";
const VARIABLE = "vercel:index/projectEnvironmentVariable:ProjectEnvironmentVariable";
const DEPLOYMENT = "vercel:index/deployment:Deployment";
const BYPASS = "vercel:index/projectProtectionBypass:ProjectProtectionBypass";
const GET_PREBUILT = "vercel:index/getPrebuiltProject:getPrebuiltProject";
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

async function trace(name: string): Promise<WireCall[]> {
  const text = await readFile(new URL(`fixtures/${name}`, import.meta.url), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** Names ids, team and bypass secrets by the order in which they come, and takes what is random out of the order. */
function normalise(calls: WireCall[]): unknown[] {
  const seen = new Map<string, string>();
  const names = (text: string) =>
    text.replace(/prj_\w+|dpl_\w+|env[A-Za-z0-9]{17,}|team_\w+|(?<="secret":")\w{32}/g, (id) => {
      const kind = id.match(/^(prj|dpl|env|team)/)?.[0] ?? "secret";
      if (!seen.has(id)) seen.set(id, `${kind} ${[...seen.values()].filter((one) => one.startsWith(kind)).length + 1}`);
      return seen.get(id) ?? "";
    });
  return calls.map(({ status, ...call }) => {
    const { files, ...body } = (call.body ?? {}) as { files?: { sha: string; file: string; size: number }[] };
    const content =
      call.body && typeof call.body === "object" ? { ...body, ...(files && { files: sort(files) }) } : call.body;
    const named = JSON.parse(names(JSON.stringify({ ...call, ...(call.body !== undefined && { body: content }) })));
    return { ...named, ok: status < 300 };
  });
}

/** Calls that the engine starts together, or that go through a random map, have no order of their own. */
function sort<T>(items: T[]): T[] {
  return items.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

/** The files here are not those of the recorded run, so their sizes, digests and contents are not compared. */
function withoutContents(calls: unknown[]): unknown[] {
  const text = JSON.stringify(calls)
    .replaceAll(/"sha":"\w{40}","size":\d+/g, '"sha":"…","size":0')
    .replaceAll(/"size":\d+,"sha":"\w{40}"/g, '"sha":"…","size":0')
    .replaceAll(/"digest":"\w{40}"/g, '"digest":"…"');
  return JSON.parse(text).map((call: WireCall) => (call.path === "/v2/now/files" ? { ...call, body: "…" } : call));
}

function comparable(calls: WireCall[]): unknown[] {
  return withoutContents(normalise(calls)).map((call) => {
    const { body, ...rest } = call as { body?: Values };
    const files = body?.files as { file: string }[] | undefined;
    if (!files) return call;
    return { ...rest, body: { ...body, files: sort(files) } };
  });
}

const projectInputs = (name: string) => ({
  name,
  nodeVersion: "24.x",
  automaticallyExposeSystemEnvironmentVariables: true,
  oidcTokenConfig: { issuerMode: "team" },
  resourceConfig: { fluid: true, functionDefaultTimeout: 300 },
  vercelAuthentication: { deploymentType: "standard_protection_new" },
});

const prebuilt = (functionName: string) => ({
  "out/.vercel/output/config.json": '{"version":3}',
  [`out/.vercel/output/functions/api/${functionName}.func/.vc-config.json`]:
    '{"runtime":"nodejs24.x","handler":"index.mjs","launcherType":"Nodejs"}',
  [`out/.vercel/output/functions/api/${functionName}.func/index.mjs`]:
    "export const GET = () => new Response('hello');",
  "out/.vercel/output/static/index.html": "hi\n",
});

test("creating, refreshing, changing and destroying a stack sends what the real plugin was seen to send", async () => {
  const { url } = await startAccount();
  const { env, calls } = await recordWire(url);
  const plugin = await Plugin.start(env, await folderWith(prebuilt("webhook")));
  await plugin.configure({ apiToken: secret(TOKEN) });

  const project = await plugin.create(PROJECT, projectInputs("agent-cp"));
  const inputs = {
    projectId: project.id,
    key: "ANTHROPIC_WEBHOOK_SIGNING_KEY",
    value: secret("whsec_abc"),
    sensitive: true,
    targets: ["production"],
  };
  const variable = await plugin.create(VARIABLE, inputs);
  const { output: files } = await plugin.invoke(GET_PREBUILT, { path: "out" });
  const deployed = { projectId: project.id, files, pathPrefix: "out", production: true };
  const deployment = await plugin.create(DEPLOYMENT, deployed);
  await plugin.read(DEPLOYMENT, deployment.id, deployment.outputs, deployed);
  await plugin.read(VARIABLE, variable.id, variable.outputs, inputs);
  await plugin.read(PROJECT, project.id, project.outputs, projectInputs("agent-cp"));
  await plugin.update(VARIABLE, variable.id, variable.outputs, { ...inputs, value: secret("whsec_def") });
  await plugin.delete(DEPLOYMENT, deployment.id, deployment.outputs);
  await plugin.delete(VARIABLE, variable.id, variable.outputs);
  await plugin.delete(PROJECT, project.id, project.outputs);

  expect(comparable(calls)).toEqual(comparable(await trace("provider-trace.jsonl")));
});

test("with a team, two variables, a bypass and a replaced deployment it still sends what the real plugin sends", async () => {
  const { url } = await startAccount();
  const { env, calls } = await recordWire(url);
  const plugin = await Plugin.start(env, await folderWith(prebuilt("hello")));
  const configure = () => plugin.configure({ apiToken: secret(TOKEN), team: TEAM });

  await configure();
  const project = await plugin.create(PROJECT, projectInputs("real-provider-check"));
  const variable = (key: string, sensitive: boolean, value: string) => ({
    projectId: project.id,
    key,
    sensitive,
    value: secret(value),
    targets: ["production"],
  });
  const two = await plugin.create(VARIABLE, variable("TWO", false, "first"));
  const bypass = await plugin.create(BYPASS, { projectId: project.id, note: "webhook" });
  const one = await plugin.create(VARIABLE, variable("ONE", true, "first"));
  const { output: files } = await plugin.invoke(GET_PREBUILT, { path: "out" });
  const deployed = (revision: string) => ({
    projectId: project.id,
    files,
    pathPrefix: "out",
    production: true,
    deleteOnDestroy: true,
    meta: { revision },
  });
  const first = await plugin.create(DEPLOYMENT, deployed("1"));

  await configure();
  await plugin.read(BYPASS, bypass.id, bypass.outputs, { projectId: project.id, note: "webhook" });
  await plugin.read(DEPLOYMENT, first.id, first.outputs, deployed("1"));
  await plugin.read(VARIABLE, two.id, two.outputs, variable("TWO", false, "first"));
  await plugin.read(VARIABLE, one.id, one.outputs, variable("ONE", true, "first"));
  await plugin.read(PROJECT, project.id, project.outputs, projectInputs("real-provider-check"));

  await configure();
  await plugin.update(VARIABLE, one.id, one.outputs, variable("ONE", true, "second"));
  await plugin.update(VARIABLE, two.id, two.outputs, variable("TWO", false, "second"));
  const second = await plugin.create(DEPLOYMENT, deployed("2"));
  await plugin.delete(DEPLOYMENT, first.id, first.outputs);

  await configure();
  await plugin.delete(DEPLOYMENT, second.id, second.outputs);
  await plugin.delete(VARIABLE, one.id, one.outputs);
  await plugin.delete(BYPASS, bypass.id, bypass.outputs);
  await plugin.delete(VARIABLE, two.id, two.outputs);
  await plugin.delete(PROJECT, project.id, project.outputs);

  // Between two configures the engine runs what does not depend on each other side by side.
  const phases = (list: unknown[]) => {
    const starts = list.flatMap((call, index) => ((call as WireCall).path.startsWith("/v2/teams/") ? [index] : []));
    return starts.map((start, index) => sort(list.slice(start, starts[index + 1])));
  };
  const anonymous = (list: unknown[]) => JSON.parse(JSON.stringify(list).replaceAll(/env \d/g, "env"));
  const seen = anonymous(comparable(calls));
  const expected = anonymous(comparable(await trace("provider-trace-team.jsonl")));
  expect(phases(seen)).toEqual(phases(expected));
});

test("a refresh of what was just created finds no difference, and a change made elsewhere shows up", async () => {
  const { url, call } = await startAccount();
  const { env } = await recordWire(url);
  const plugin = await Plugin.start(env);
  await plugin.configure({ apiToken: TOKEN, team: "local" });
  const inputs = { ...projectInputs("cp"), framework: undefined };
  const project = await plugin.create(PROJECT, JSON.parse(JSON.stringify(inputs)));

  const fresh = await plugin.read(PROJECT, project.id, project.outputs, projectInputs("cp"));
  expect(fresh.inputs).toEqual(projectInputs("cp"));
  expect(fresh.outputs).toEqual(project.outputs);
  expect(project.outputs.teamId).toBe(TEAM);

  await call("PATCH", `/v9/projects/${project.id}`, { autoExposeSystemEnvs: false });
  const drifted = await plugin.read(PROJECT, project.id, project.outputs, projectInputs("cp"));
  const { detailed } = await plugin.diff(PROJECT, drifted.inputs, projectInputs("cp"));
  expect(detailed).toEqual({ automaticallyExposeSystemEnvironmentVariables: "UPDATE" });

  await call("DELETE", `/v8/projects/${project.id}`);
  expect((await plugin.read(PROJECT, project.id, project.outputs, projectInputs("cp"))).id).toBe("");
});

test("a variable's value is a secret output whatever the program did, and never comes back from the API", async () => {
  const { url } = await startAccount();
  const { env, calls } = await recordWire(url);
  const plugin = await Plugin.start(env);
  await plugin.configure({ apiToken: TOKEN });
  const project = await plugin.create(PROJECT, projectInputs("cp"));
  const inputs = { projectId: project.id, key: "K", value: "hush", sensitive: true, targets: ["production"] };
  const made = await plugin.create(VARIABLE, inputs);
  const read = await plugin.read(VARIABLE, made.id, made.outputs, inputs);

  expect(made.outputs.value).toEqual(secret("hush"));
  expect(read.outputs.value).toEqual(secret("hush"));
  expect(read.inputs.value).toEqual(secret("hush"));
  expect(calls.filter(({ method }) => method === "GET").map(({ body }) => body)).not.toContain("hush");
});

test("only deleteOnDestroy of a deployment changes in place, and of a variable only what does not identify it", async () => {
  const { url } = await startAccount();
  const plugin = await Plugin.start((await recordWire(url)).env);
  const deployment = { projectId: "prj_1", files: { "out/a": "1~x" }, meta: { revision: "1" }, production: true };
  const changed = { ...deployment, meta: { revision: "2" }, deleteOnDestroy: true };
  expect(await plugin.diff(DEPLOYMENT, deployment, changed)).toEqual({
    replaces: ["meta"],
    detailed: { "meta.revision": "UPDATE_REPLACE", deleteOnDestroy: "ADD" },
  });
  expect((await plugin.diff(DEPLOYMENT, deployment, { ...deployment, files: { "out/a": "2~y" } })).detailed).toEqual({
    'files["out/a"]': "UPDATE_REPLACE",
  });

  const variable = {
    projectId: "p",
    key: "A",
    value: secret("1"),
    sensitive: true,
    targets: ["production", "preview"],
  };
  const news = { ...variable, value: secret("2"), targets: ["preview", "production"] };
  expect(await plugin.diff(VARIABLE, variable, news)).toEqual({ replaces: [], detailed: { value: "UPDATE" } });
  expect((await plugin.diff(VARIABLE, variable, { ...variable, sensitive: false })).replaces).toEqual(["sensitive"]);
  expect((await plugin.diff(VARIABLE, variable, { ...variable, key: UNKNOWN })).replaces).toEqual(["key"]);
});

test("a preview says what is known and leaves open what only the update can tell, without a request", async () => {
  const { url } = await startAccount();
  const { env, calls } = await recordWire(url);
  const plugin = await Plugin.start(env);
  await plugin.configure({ apiToken: TOKEN });
  const inputs = { projectId: UNKNOWN, files: { "out/a": `1~${"a".repeat(40)}` }, production: true };

  expect((await plugin.check(DEPLOYMENT, inputs)).failures).toEqual([]);
  const { id, outputs } = await plugin.create(DEPLOYMENT, inputs, true);

  expect(id).toBe("");
  expect(outputs).toEqual({ ...inputs, meta: {}, url: UNKNOWN, domains: UNKNOWN, teamId: UNKNOWN });
  expect(calls).toEqual([]);
});

test.for([
  ["a name in upper case", PROJECT, { name: "Agent" }, /^name: must be 1 to 52 lower-case/],
  [
    "camel case where Vercel wants snake case",
    PROJECT,
    { name: "a", vercelAuthentication: { deploymentType: "standardProtectionNew" } },
    /^vercelAuthentication.deploymentType: /,
  ],
  ["a property nobody knows", PROJECT, { name: "a", nmae: "b" }, /^nmae: .*does not know/],
  [
    "a variable without value",
    VARIABLE,
    { projectId: "p", key: "K", sensitive: true, targets: ["production"] },
    /^value: is required$/,
  ],
  [
    "a sensitive variable for development",
    VARIABLE,
    { projectId: "p", key: "K", value: "v", sensitive: true, targets: ["development"] },
    /^sensitive: /,
  ],
  ["a file without digest", DEPLOYMENT, { projectId: "p", files: { a: "12" } }, /^files.a: must be size~sha1/],
] as const)("%s is refused by the name of its property", async ([, type, inputs, message]) => {
  const { url } = await startAccount();
  const plugin = await Plugin.start((await recordWire(url)).env);
  await plugin.configure({ apiToken: TOKEN });

  const { failures } = await plugin.check(type, inputs);
  expect(failures).toEqual([expect.stringMatching(message)]);
});

test("the plugin refuses a token of the wrong form, as the real one does", async () => {
  const { url } = await startAccount();
  const plugin = await Plugin.start((await recordWire(url)).env);
  await expect(plugin.configure({ apiToken: "short" })).rejects.toThrow(/24 letters and digits/);
});

test("the plugin ends when the engine's end of its input closes, as it does when the engine is killed", async () => {
  const plugin = await Plugin.start({});
  plugin.process.stdin?.end();
  expect(await once(plugin.process, "exit")).toEqual([0, null]);
});

test("the plugin takes no way to Vercel but the proxy it was given", async () => {
  const plugin = await Plugin.start({ HTTPS_PROXY: "http://127.0.0.1:1" });
  await plugin.configure({ apiToken: TOKEN });
  await expect(plugin.create(PROJECT, { name: "cp" })).rejects.toThrow(/ECONNREFUSED/);
});

import { afterEach, beforeEach, expect, test } from "vitest";
import { API_KEY, startTestServer, type TestServer } from "../local/anthropic/test-server.ts";
import { environment } from "./environment.ts";
import { UNKNOWN } from "./property-values.ts";
import { type ProviderClient, startTestProvider, urnOf } from "./testing/client.ts";

const urn = urnOf("Environment");
let server: TestServer;
let client: ProviderClient;
let stop: () => void;

beforeEach(async () => {
  server = await startTestServer();
  const started = await startTestProvider([environment]);
  ({ client, close: stop } = started);
  await client.configure({ anthropicBaseUrl: server.url, anthropicApiKey: API_KEY });
});
afterEach(async () => {
  stop();
  await server.close();
});

const list = async () => (await server.client.beta.environments.list({ include_archived: true })).data;
const fault = (method: string, action: object) =>
  server.raw("POST", "/console/faults", { body: { match: { method, path: "^/v1/environments" }, action } });

test.each([
  ["no name", {}, ["name: is missing; give it a string"]],
  ["an empty name", { name: "" }, ["name: is empty; environments are told apart by name in the Console"]],
  ["an empty description", { name: "a", description: "" }, ["description: is empty; leave it out instead"]],
  [
    "a property of another spelling",
    { name: "a", descripton: "x" },
    ['descripton: there is no property "descripton" here; remove it, or correct its name'],
  ],
  [
    "the metadata key that the provider needs",
    { name: "a", metadata: { handrail_urn: "x" } },
    ["metadata: the key handrail_urn is set by the provider; remove it"],
  ],
  [
    "too much metadata",
    { name: "a", metadata: Object.fromEntries(Array.from({ length: 16 }, (_, n) => [`k${n}`, "v"])) },
    ["metadata: at most 15 pairs; one more is needed to find the object again"],
  ],
  ["nothing about what is not known yet", { name: UNKNOWN, metadata: { a: UNKNOWN } }, []],
])("check refuses %s by name, with the fix", async (_, inputs, failures) => {
  expect((await client.check(urn, inputs)).failures).toEqual(failures);
});

test("a preview knows the id of an environment that is there, and of no other", async () => {
  const inputs = { name: "a" };
  expect((await client.create(urn, inputs, { preview: true })).state).toEqual({ name: "a", environmentId: UNKNOWN });
  const after = await client.update(urn, {
    id: "env_1",
    state: { name: "b", environmentId: "env_1" },
    after: inputs,
    preview: true,
  });
  expect(after).toEqual({ name: "a", environmentId: "env_1" });
  expect(await list()).toEqual([]);
});

test("what is made is self-hosted, reads back as it was declared, and a refresh finds no difference", async () => {
  const inputs = { name: "a", description: "tools run elsewhere", metadata: { team: "support" } };
  const { id, state } = await client.create(urn, inputs);
  expect(state).toEqual({ ...inputs, environmentId: id });
  expect(await list()).toMatchObject([{ id, config: { type: "self_hosted" }, metadata: { team: "support" } }]);
  const read = await client.read(urn, id, state, inputs);
  expect(read).toEqual({ inputs, state });
  expect(await client.diff(urn, { id, state, before: read?.inputs ?? {}, after: inputs })).toMatchObject({
    changes: false,
  });
});

test("a create that was interrupted is continued: the same environment, with today's settings", async () => {
  const first = await client.create(urn, { name: "a", description: "old", metadata: { gone: "1" } });
  const second = await client.create(urn, { name: "b" });
  expect(second.id).toBe(first.id);
  expect(await list()).toMatchObject([{ id: first.id, name: "b", description: null }]);
  expect((await client.read(urn, first.id))?.inputs).toEqual({ name: "b" });
});

test("the environment of another resource, or an archived one, is not taken over", async () => {
  const other = await client.create(urnOf("Environment", "other"), { name: "other" });
  const old = await client.create(urn, { name: "old" });
  await server.client.beta.environments.archive(old.id);
  const { id } = await client.create(urn, { name: "new" });
  expect([other.id, old.id]).not.toContain(id);
});

test("a create whose answer is lost makes one environment", async () => {
  await fault("POST", { type: "drop_response" });
  const { id } = await client.create(urn, { name: "a" });
  expect((await list()).map((item) => item.id)).toEqual([id]);
});

test("a create that is refused fails with the API's words, and nothing is left", async () => {
  await client.create(urnOf("Environment", "other"), { name: "taken" });
  await expect(client.create(urn, { name: "taken" })).rejects.toThrow(
    /UNKNOWN: Anthropic answered HTTP 409: An environment named "taken" already exists \(req_\w+\)$/,
  );
  expect(await list()).toHaveLength(1);
});

test("an update changes name, description and metadata, and removes what is not declared any more", async () => {
  const before = { name: "a", description: "x", metadata: { keep: "1", drop: "1" } };
  const { id, state } = await client.create(urn, before);
  const after = { name: "b", metadata: { keep: "2", add: "1" } };
  expect(await client.diff(urn, { id, state, before, after })).toMatchObject({
    replaces: [],
    details: {
      name: "update",
      description: "delete",
      "metadata.keep": "update",
      "metadata.drop": "delete",
      "metadata.add": "add",
    },
  });
  expect(await client.update(urn, { id, state, after })).toEqual({ ...after, environmentId: id });
  expect((await client.read(urn, id))?.inputs).toEqual(after);
});

test("drift shows: somebody renamed it in the Console", async () => {
  const { id, state } = await client.create(urn, { name: "a" });
  await server.client.beta.environments.update(id, { name: "renamed" });
  const read = await client.read(urn, id, state, { name: "a" });
  expect(await client.diff(urn, { id, state, before: read?.inputs ?? {}, after: { name: "a" } })).toMatchObject({
    details: { name: "update" },
  });
});

test("one that is gone, or archived, is gone for the stack", async () => {
  const { id, state } = await client.create(urn, { name: "a" });
  await server.client.beta.environments.archive(id);
  expect(await client.read(urn, id, state)).toBeNull();
  await server.client.beta.environments.delete(id);
  expect(await client.read(urn, id, state)).toBeNull();
  await client.delete(urn, id, state);
});

test("an environment can be imported by its id; a cloud one is refused", async () => {
  const own = await server.client.beta.environments.create({ name: "mine", config: { type: "self_hosted" } });
  expect(await client.read(urn, own.id)).toEqual({
    inputs: { name: "mine" },
    state: { name: "mine", environmentId: own.id },
  });
  const cloud = await server.client.beta.environments.create({ name: "cloud", config: { type: "cloud" } });
  await expect(client.read(urn, cloud.id)).rejects.toThrow(
    /is a cloud environment; handrail runs tools in self-hosted/,
  );
});

test("deleting one that still has sessions archives it", async () => {
  const { id, state } = await client.create(urn, { name: "a" });
  const agent = await server.client.beta.agents.create({ name: "x", model: "claude-opus-5-5" });
  await server.client.beta.sessions.create({ agent: agent.id, environment_id: id });
  await client.delete(urn, id, state);
  expect(await list()).toMatchObject([{ id, archived_at: expect.any(String) }]);
});

test("an address where nobody listens is said to be that, with the reason", async () => {
  await client.configure({ anthropicBaseUrl: "http://127.0.0.1:1", anthropicApiKey: API_KEY });
  await expect(client.create(urn, { name: "a" })).rejects.toThrow(
    /Anthropic cannot be reached: .*(ECONNREFUSED|bad port)/,
  );
});

test("without a key, the operation says which setting is missing", async () => {
  await client.configure({ anthropicBaseUrl: server.url });
  await expect(client.create(urn, { name: "a" })).rejects.toThrow(/the provider has no anthropicApiKey; give it to/);
});

import { afterEach, beforeEach, expect, test } from "vitest";
import { agentTools } from "../../runner/agent-definition.ts";
import { supportAgent } from "../../runner/agents/support.ts";
import { API_KEY, startTestServer, type TestServer } from "../local/anthropic/test-server.ts";
import { agent } from "./agent.ts";
import { UNKNOWN } from "./property-values.ts";
import { type ProviderClient, startTestProvider, urnOf } from "./testing/client.ts";

const urn = urnOf("Agent");
const tool = { type: "custom", name: "lookup", description: "Looks up.", input_schema: { type: "object" } };
const inputs = { name: "support", model: "claude-opus-5-5", tools: [tool] };
let server: TestServer;
let client: ProviderClient;
let stop: () => void;

beforeEach(async () => {
  server = await startTestServer();
  const started = await startTestProvider([agent]);
  ({ client, close: stop } = started);
  await client.configure({ anthropicBaseUrl: server.url, anthropicApiKey: API_KEY });
});
afterEach(async () => {
  stop();
  await server.close();
});

const agents = () => server.client.beta.agents;
const list = async () => (await agents().list({ include_archived: true })).data;
const fault = (path: string, action: object) =>
  server.raw("POST", "/console/faults", { body: { match: { method: "POST", path }, action } });

test.each([
  ["a missing model", { model: undefined }, ["model: is missing; give it a string"]],
  ["an empty system prompt", { system: "" }, ["system: is empty; leave it out instead"]],
  [
    "a tool of another type",
    { tools: [{ ...tool, type: "bash_20250124" }] },
    ['tools[0].type: must be "custom": the runner serves no other tools'],
  ],
  ["a tool's name", { tools: [{ ...tool, name: "look up" }] }, ["tools[0].name: has 1 to 128 letters, digits, - or _"]],
  ["two tools of one name", { tools: [tool, tool] }, ["tools: two tools have the same name"]],
  [
    "a schema that is no object's",
    { tools: [{ ...tool, input_schema: { type: "string" } }] },
    ['tools[0].input_schema.type: must be "object"'],
  ],
  ["nothing about what is not known yet", { system: UNKNOWN, tools: [{ ...tool, description: UNKNOWN }] }, []],
])("check names %s", async (_, change, failures) => {
  expect((await client.check(urn, { ...inputs, ...change })).failures).toEqual(failures);
});

test("the example agent is accepted, made, and read back without a difference", async () => {
  const { name, model, system, tools } = supportAgent;
  const declared = { name, model, system, tools: agentTools(tools) };
  const checked = await client.check(urn, declared);
  expect(checked.failures).toEqual([]);
  const { id, state } = await client.create(urn, checked.inputs);
  expect(state).toMatchObject({ agentId: id, version: 1 });
  const read = await client.read(urn, id, state, checked.inputs);
  expect(read).toEqual({ inputs: checked.inputs, state });
  const diff = await client.diff(urn, { id, state, before: read?.inputs ?? {}, after: checked.inputs });
  expect(diff).toMatchObject({ changes: false, details: {} });
});

test("a create that was interrupted is continued: the same agent, with today's tools", async () => {
  const first = await client.create(urn, { ...inputs, system: "old" });
  const second = await client.create(urn, { ...inputs, tools: [{ ...tool, name: "note" }] });
  expect(second).toMatchObject({ id: first.id, state: { version: 2 } });
  expect(await list()).toMatchObject([{ id: first.id, system: null, tools: [{ name: "note" }] }]);
  // And once more, without a change: no new version.
  expect(await client.create(urn, { ...inputs, tools: [{ ...tool, name: "note" }] })).toMatchObject({
    state: { version: 2 },
  });
});

test("a create whose answer is lost makes one agent", async () => {
  await fault("^/v1/agents\\?|^/v1/agents$", { type: "drop_response" });
  const { id } = await client.create(urn, inputs);
  expect((await list()).map((item) => item.id)).toEqual([id]);
});

test("an update makes a version, and clears what is not declared any more", async () => {
  const before = { ...inputs, system: "Be kind.", description: "x", metadata: { a: "1" } };
  const { id, state } = await client.create(urn, before);
  const after = { ...inputs, metadata: { b: "2" } };
  expect(await client.update(urn, { id, state, after })).toEqual({ ...after, agentId: id, version: 2 });
  expect((await client.read(urn, id))?.inputs).toEqual(after);
});

test("an update whose answer was lost is seen to have happened", async () => {
  const { id, state } = await client.create(urn, inputs);
  const after = { ...inputs, system: "Be kind." };
  await fault(`^/v1/agents/${id}`, { type: "drop_response" });
  await expect(client.update(urn, { id, state, after })).rejects.toThrow();
  expect(await client.update(urn, { id, state, after })).toMatchObject({ version: 2 });
  expect((await list())[0]?.version).toBe(2);
});

test("a change that somebody else made meanwhile is not overwritten, and the error says how to see it", async () => {
  const { id, state } = await client.create(urn, inputs);
  await agents().update(id, { system: "Somebody else's.", version: 1 });
  await expect(client.update(urn, { id, state, after: { ...inputs, system: "Ours." } })).rejects.toThrow(
    /is at version 2, not 1: somebody changed it elsewhere.*pulumi refresh --preview-only --diff/,
  );
  expect((await list())[0]?.system).toBe("Somebody else's.");
  // As the error says: the refresh shows the drift, and the next update works.
  const read = await client.read(urn, id, state, inputs);
  expect(read?.inputs.system).toBe("Somebody else's.");
  expect(await client.update(urn, { id, state: read?.state ?? {}, after: inputs })).toMatchObject({ version: 3 });
});

test("deleting archives, twice without harm, and an archived agent is gone for the stack", async () => {
  const { id, state } = await client.create(urn, inputs);
  await client.delete(urn, id, state);
  await client.delete(urn, id, state);
  expect(await list()).toMatchObject([{ id, archived_at: expect.any(String) }]);
  expect(await client.read(urn, id, state)).toBeNull();
  expect((await client.create(urn, inputs)).id).not.toBe(id);
});

test("an agent can be imported by its id, with everything that it has", async () => {
  const made = await agents().create({
    name: "theirs",
    model: "claude-opus-5-5",
    system: "Be kind.",
    tools: [tool as never],
    metadata: { a: "1" },
  });
  const read = await client.read(urn, made.id);
  const found = { name: "theirs", model: "claude-opus-5-5", system: "Be kind.", tools: [tool], metadata: { a: "1" } };
  expect(read).toEqual({ inputs: found, state: { ...found, agentId: made.id, version: 1 } });
  expect((await client.check(urn, read?.inputs ?? {})).failures).toEqual([]);
});

test("an import of what does not exist finds nothing", async () => {
  expect(await client.read(urn, "agent_nothing")).toBeNull();
});

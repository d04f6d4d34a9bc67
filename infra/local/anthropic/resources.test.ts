import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestServer, type TestServer, userMessage, type Wire } from "./test-server.ts";

let server: TestServer;
let beta: TestServer["client"]["beta"];
beforeAll(async () => {
  server = await startTestServer();
  beta = server.client.beta;
});
afterAll(() => server.close());

const selfHosted = (name: string) => beta.environments.create({ name, config: { type: "self_hosted" } });
const customTool = (name: string): Wire => ({
  type: "custom",
  name,
  description: name,
  input_schema: { type: "object" },
});
const newAgent = (o: Wire = {}) => beta.agents.create({ name: "support", model: "claude-opus-5-5", ...o });
const collect = async <T>(list: AsyncIterable<T>) => {
  const all: T[] = [];
  for await (const item of list) all.push(item);
  return all;
};

test("an environment's update keeps what it does not name, clears with null and merges metadata", async () => {
  const { id } = await beta.environments.create({
    name: "merge",
    config: { type: "self_hosted" },
    description: "old",
    metadata: { a: "1", b: "2" },
  });
  expect(await beta.environments.update(id, { metadata: { b: "", c: "3" } })).toMatchObject({
    name: "merge",
    description: "old",
    metadata: { a: "1", c: "3" },
    config: { type: "self_hosted" },
  });
  expect((await beta.environments.update(id, { description: null })).description).toBeNull();
});

test.each([
  [
    "another config type",
    "invalid_config_type_change",
    (id: string) => beta.environments.update(id, { config: { type: "cloud" } }),
  ],
  [
    "too many metadata pairs",
    "invalid_metadata",
    (id: string) =>
      beta.environments.update(id, {
        metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, "v"])),
      }),
  ],
  [
    "a metadata value that is too long",
    "invalid_metadata",
    (id: string) => beta.environments.update(id, { metadata: { k: "v".repeat(513) } }),
  ],
])("an environment refuses %s with %s", async (_, errorCode, update) => {
  const { id } = await selfHosted(errorCode + Math.random());
  await expect(update(id)).rejects.toMatchObject({ status: 400, errorCode });
});

test("a second environment of one name is 409 until the first is archived, which ends updates and new sessions", async () => {
  const first = await selfHosted("same");
  await expect(selfHosted("same")).rejects.toMatchObject({ status: 409 });
  expect((await beta.environments.archive(first.id)).archived_at).not.toBeNull();
  await selfHosted("same");
  await expect(beta.environments.update(first.id, { description: "x" })).rejects.toMatchObject({
    errorCode: "environment_archived",
  });
  const agent = await newAgent();
  await expect(beta.sessions.create({ agent: agent.id, environment_id: first.id })).rejects.toMatchObject({
    status: 400,
    errorCode: "environment_archived",
  });
  const names = (await collect(beta.environments.list({ limit: 1 }))).filter(({ name }) => name === "same");
  expect(names).toHaveLength(1);
  const all = await collect(beta.environments.list({ limit: 1, include_archived: true }));
  expect(all.filter(({ name }) => name === "same")).toHaveLength(2);
});

test("an environment with sessions cannot be deleted; without them it is gone", async () => {
  const environment = await selfHosted("busy");
  const session = await beta.sessions.create({ agent: (await newAgent()).id, environment_id: environment.id });
  await expect(beta.environments.delete(environment.id)).rejects.toMatchObject({ status: 409 });
  await beta.sessions.delete(session.id);
  expect(await beta.environments.delete(environment.id)).toEqual({ id: environment.id, type: "environment_deleted" });
  await expect(beta.environments.retrieve(environment.id)).rejects.toMatchObject({
    status: 404,
    errorCode: "environment_not_found",
  });
});

test("an agent's update makes a version only when something changes, and a stale version is 409 even then", async () => {
  const agent = await newAgent({ tools: [customTool("a")], metadata: { k: "v", gone: "x" } });
  expect(agent).toMatchObject({ version: 1, model: { id: "claude-opus-5-5", effort: { type: "high" } } });
  const same = await beta.agents.update(agent.id, { name: "support", tools: [customTool("a")], version: 1 });
  expect(same).toMatchObject({ version: 1, updated_at: agent.updated_at });
  const changed = await beta.agents.update(agent.id, { system: "Be kind.", metadata: { gone: null } });
  expect(changed).toMatchObject({ version: 2, system: "Be kind.", metadata: { k: "v" }, tools: [customTool("a")] });
  await expect(beta.agents.update(agent.id, { system: "Be kind.", version: 1 })).rejects.toMatchObject({ status: 409 });
  expect((await beta.agents.retrieve(agent.id, { version: 1 })).system).toBeNull();
  const versions = await collect(beta.agents.versions.list(agent.id, { limit: 1 }));
  expect(versions.map(({ version }) => version)).toEqual([2, 1]);
  await beta.agents.archive(agent.id);
  await expect(beta.agents.update(agent.id, { system: null })).rejects.toMatchObject({ status: 400 });
});

test.each([
  ["a tool name with a space", { tools: [customTool("a b")] }, /tools\.0\.name: must match/],
  ["two tools of one name", { tools: [customTool("a"), customTool("a")] }, /tools\.1: duplicate tool/],
  ["a field of the Messages API", { tools: [{ ...customTool("a"), strict: true }] }, /tools\.0\.strict: Extra inputs/],
  ["an MCP toolset without its server", { tools: [{ type: "mcp_toolset", mcp_server_name: "x" }] }, /no MCP server/],
  ["a missing model", { model: undefined }, /model/],
  ["a name of no characters", { name: "" }, /name: minimum string length is 1/],
])("an agent with %s is refused", async (_, o, message) => {
  await expect(newAgent(o)).rejects.toMatchObject({ status: 400, message: expect.stringMatching(message) });
});

test("a session keeps the agent as it was, and another version on request", async () => {
  const agent = await newAgent({ tools: [customTool("a")] });
  const environment = await selfHosted("snapshot");
  const create = (version?: number) =>
    beta.sessions.create({
      agent: version ? { type: "agent", id: agent.id, version } : agent.id,
      environment_id: environment.id,
    });
  const early = await create();
  await beta.agents.update(agent.id, { tools: [customTool("b")] });
  expect((await beta.sessions.retrieve(early.id)).agent).toMatchObject({ version: 1, tools: [{ name: "a" }] });
  expect((await create()).agent).toMatchObject({ version: 2, tools: [{ name: "b" }] });
  expect((await create(1)).agent).toMatchObject({ version: 1 });
  await expect(create(3)).rejects.toMatchObject({ status: 404 });
});

test("sessions are listed newest first, filtered, in pages that turn both ways", async () => {
  const agent = await newAgent();
  const environment = await selfHosted("listed");
  const ids: string[] = [];
  for (const title of ["one", "two", "three"]) {
    ids.unshift((await beta.sessions.create({ agent: agent.id, environment_id: environment.id, title })).id);
  }
  const listed = await collect(beta.sessions.list({ agent_id: agent.id, limit: 2 }));
  expect(listed.map(({ id }) => id)).toEqual(ids);
  const first = await beta.sessions.list({ agent_id: agent.id, limit: 2 });
  const second = await beta.sessions.list({ agent_id: agent.id, limit: 2, page: first.next_page as string });
  const back = await beta.sessions.list({ agent_id: agent.id, limit: 2, page: second.prev_page as string });
  expect(back.data.map(({ id }) => id)).toEqual(ids.slice(0, 2));
  await expect(
    beta.sessions.list({ agent_id: agent.id, order: "asc", page: first.next_page as string }),
  ).rejects.toMatchObject({ status: 400 });
  await beta.sessions.archive(ids[0] as string);
  expect(await collect(beta.sessions.list({ agent_id: agent.id, statuses: ["terminated"] }))).toEqual([]);
  const archived = beta.sessions.list({ agent_id: agent.id, statuses: ["terminated"], include_archived: true });
  expect((await collect(archived)).map(({ id }) => id)).toEqual([ids[0]]);
});

test("deleting while paging skips nothing", async () => {
  const agent = await newAgent();
  const environment = await selfHosted("swept");
  for (let i = 0; i < 5; i++) await beta.sessions.create({ agent: agent.id, environment_id: environment.id });
  for await (const { id } of beta.sessions.list({ agent_id: agent.id, limit: 2 })) await beta.sessions.delete(id);
  expect(await collect(beta.sessions.list({ agent_id: agent.id }))).toEqual([]);
});

test("a session's update merges metadata and is told to its stream; running sessions can be neither archived nor deleted", async () => {
  await server.raw("PATCH", "/console/knobs", { body: { thinkMs: 200 } });
  const agent = await newAgent();
  const environment = await selfHosted("updated");
  const session = await beta.sessions.create({
    agent: agent.id,
    environment_id: environment.id,
    metadata: { a: "1" },
    initial_events: [userMessage("go")],
  });
  await expect(beta.sessions.archive(session.id)).rejects.toMatchObject({ status: 400 });
  await expect(beta.sessions.delete(session.id)).rejects.toMatchObject({ status: 400 });
  const updated = await beta.sessions.update(session.id, { title: "T", metadata: { a: null, b: "2" } });
  expect(updated).toMatchObject({ title: "T", metadata: { b: "2" } });
  expect((await server.history(session.id)).some(({ type }) => type === "session.updated")).toBe(true);
  await server.raw("PATCH", "/console/knobs", { body: { thinkMs: 0 } });
});

test("a self-hosted session refuses resources in the API's own words", async () => {
  const environment = await selfHosted("resources");
  const agent = await newAgent();
  await expect(
    beta.sessions.create({
      agent: agent.id,
      environment_id: environment.id,
      resources: [{ type: "file", file_id: "file_1" }],
    }),
  ).rejects.toMatchObject({
    status: 400,
    message: expect.stringContaining(
      `Environment ${environment.id} is a self-hosted environment. \`resources\` are not supported with self-hosted environments.`,
    ),
  });
});

test("errors carry the request id that the response names", async () => {
  const error = await beta.sessions.retrieve("sesn_none").catch((e: Wire) => e);
  expect(error).toMatchObject({ status: 404, type: "not_found_error", requestID: error.error.request_id });
  expect(error.requestID).toMatch(/^req_/);
});

test("an agent's MCP servers and the toolsets that refer to them must match, also after an update", async () => {
  const servers = [{ type: "url", name: "wiki", url: "https://wiki.example/mcp" }] as const;
  const toolset = { type: "mcp_toolset", mcp_server_name: "wiki" } as const;
  const refused = (name: string) => ({ status: 400, message: expect.stringContaining(`"${name}\\"`) });
  await expect(newAgent({ mcp_servers: servers })).rejects.toMatchObject(refused("wiki"));
  await expect(newAgent({ tools: [toolset] })).rejects.toMatchObject(refused("wiki"));
  const other = { ...toolset, mcp_server_name: "other" };
  await expect(newAgent({ mcp_servers: servers, tools: [toolset, other] })).rejects.toMatchObject(refused("other"));
  const { id } = await newAgent({ mcp_servers: servers, tools: [toolset] });
  await expect(beta.agents.update(id, { mcp_servers: [] } as never)).rejects.toMatchObject(refused("wiki"));
  await expect(beta.agents.update(id, { tools: [] } as never)).rejects.toMatchObject(refused("wiki"));
  expect((await beta.agents.update(id, { tools: [], mcp_servers: [] } as never)).version).toBe(2);
});

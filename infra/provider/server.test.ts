import { afterEach, expect, test } from "vitest";
import { z } from "zod";
import { defineResource } from "./definition.ts";
import { Secret, UNKNOWN } from "./property-values.ts";
import { type ProviderClient, startTestProvider, urnOf } from "./testing/client.ts";

const thing = defineResource({
  type: "Thing",
  description: "For tests.",
  inputs: z.strictObject({
    name: z.string().min(1, "is empty"),
    place: z.string().optional(),
    token: z.string().optional(),
    rules: z.record(z.string(), z.record(z.string(), z.string())).optional(),
    list: z.array(z.strictObject({ port: z.int().max(9, "must be at most 9") })).optional(),
  }),
  outputs: z.object({ size: z.number(), nothing: z.string().optional() }),
  secretInputs: ["token"],
  replaceOn: ["place"],
  deleteBeforeReplace: "unchanged",
  deadlines: { create: 5, read: 5, update: 5, delete: 5 },
  preview: ({ name }) => (typeof name === "string" ? { size: name.length } : {}),
  async create({ name }, { signal, config }) {
    if (name === "stuck") await new Promise(() => {});
    if (name === "listening") {
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted fetch"))));
    }
    if (name === "key") return { id: String(config.anthropicApiKey), outputs: { size: 0 } };
    return { id: `thing-${name}`, outputs: { size: name.length, nothing: undefined } };
  },
  read: async (id, state) => (id === "gone" ? null : { inputs: { ...state, name: "drifted" }, outputs: { size: 7 } }),
  update: async (_id, _state, { name }) => ({ size: name.length }),
  delete: async () => {},
});

const open: { close(): void }[] = [];
afterEach(() => {
  for (const item of open.splice(0)) item.close();
});

async function start(): Promise<ProviderClient> {
  const started = await startTestProvider([thing]);
  open.push(started);
  return started.client;
}

const urn = urnOf("Thing");

test.each([
  ["a missing property", {}, ["name: is missing; give it a string"]],
  ["an empty value", { name: "" }, ["name: is empty"]],
  ["a wrong type, without saying the value", { name: 5 }, ["name: Invalid input: expected string, received number"]],
  [
    "an unknown property",
    { name: "a", plaze: "x" },
    ['plaze: there is no property "plaze" here; remove it, or correct its name'],
  ],
  ["a property deep down", { name: "a", list: [{ port: 1 }, { port: 99 }] }, ["list[1].port: must be at most 9"]],
  [
    "a key that needs quoting",
    { name: "a", rules: { t: { "GET api.example/v1": 1 } } },
    ['rules.t["GET api.example/v1"]: Invalid input: expected string, received number'],
  ],
  ["nothing about what is not known yet", { name: UNKNOWN, list: [{ port: UNKNOWN }] }, []],
  ["nothing about a secret that is right", { name: new Secret("a") }, []],
])("check names %s", async (_, inputs, failures) => {
  expect((await (await start()).check(urn, inputs)).failures).toEqual(failures);
});

test("an input that is always secret is one even when the program did not say so", async () => {
  const { inputs } = await (await start()).check(urn, { name: "a", token: "clear" });
  expect(inputs.token).toBeInstanceOf(Secret);
});

test("secrets at any depth come back from check and create as secrets, and the code of a resource sees their values", async () => {
  const client = await start();
  const nested = { name: new Secret("abc"), rules: { a: { b: new Secret("deep") } } };
  const { inputs } = await client.check(urn, nested);
  expect(inputs.rules).toEqual({ a: { b: new Secret("deep") } });
  const { id, state } = await client.create(urn, inputs);
  expect(id).toBe("thing-abc");
  expect(state.name).toBeInstanceOf(Secret);
  expect((state.rules as typeof nested.rules).a.b).toBeInstanceOf(Secret);
});

test("a preview shows outputs that are certain, and the others as unknown", async () => {
  const { state, id } = await (await start()).create(urn, { name: "abc" }, { preview: true });
  expect(id).toBe("");
  expect(state).toEqual({ name: "abc", size: 3, nothing: UNKNOWN });
});

test("a preview with an unknown input claims nothing that follows from it", async () => {
  const { state } = await (await start()).create(urn, { name: UNKNOWN }, { preview: true });
  expect(state).toEqual({ name: UNKNOWN, size: UNKNOWN, nothing: UNKNOWN });
});

test("an output that is undefined is left out instead of failing after the object was made", async () => {
  const { state } = await (await start()).create(urn, { name: "a" });
  expect(state).toEqual({ name: "a", size: 1 });
});

test("a diff names the rule that changed, by principal", async () => {
  const before = {
    name: "a",
    rules: { crm: { "GET a.example/x": "plain", "GET a.example/y": "plain" }, old: { r: "denied" } },
  };
  const after = {
    name: "a",
    rules: { crm: { "GET a.example/x": "plain", "GET a.example/y": "denied" }, new: { r: "plain" } },
  };
  const diff = await (await start()).diff(urn, { id: "1", state: before, before, after });
  expect(diff).toEqual({
    changes: true,
    replaces: [],
    deleteBeforeReplace: true,
    details: { 'rules.crm["GET a.example/y"]': "update", "rules.new": "add", "rules.old": "delete" },
  });
});

test("a change of what the remote object cannot change replaces it, new one first", async () => {
  const before = { name: "a", place: "x" };
  const diff = await (await start()).diff(urn, {
    id: "1",
    state: before,
    before,
    after: { name: "a", place: UNKNOWN },
  });
  expect(diff).toMatchObject({ replaces: ["place"], deleteBeforeReplace: false, details: { place: "update_replace" } });
});

test("the same inputs make no diff", async () => {
  const same = { name: "a", rules: { b: { c: new Secret("d") } } };
  const diff = await (await start()).diff(urn, { id: "1", state: same, before: same, after: same });
  expect(diff).toMatchObject({ changes: false, details: {} });
});

test("reading tells what drifted, keeps secrets secret, and says when the object is gone", async () => {
  const client = await start();
  const state = { name: "a", token: new Secret("t"), size: 1 };
  const found = await client.read(urn, "1", state, { name: "a", token: new Secret("t") });
  expect(found?.inputs.name).toBe("drifted");
  expect(found?.inputs.token).toBeInstanceOf(Secret);
  expect(found?.state.size).toBe(7);
  expect(await client.read(urn, "gone", state)).toBeNull();
});

test("an operation that never ends is given up after its deadline, in words that say what to do", async () => {
  await expect((await start()).create(urn, { name: "stuck" }, { timeout: 0.05 })).rejects.toThrow(
    /create of Thing subject did not finish within 0\.05.* running it again is safe/,
  );
});

test("cancelling ends what is under way", async () => {
  const client = await start();
  const creating = expect(client.create(urn, { name: "listening" })).rejects.toThrow(
    /cancelled; running it again is safe/,
  );
  // The provider has the create before the cancel: both go over one connection, in order.
  await client.cancel();
  await creating;
});

test("the provider's configuration is checked, kept secret and used", async () => {
  const client = await start();
  const { failures, inputs } = await client.checkConfig({
    anthropicApiKey: "k",
    anthropicBaseUrl: "ftp://x",
    version: "1",
  });
  expect(failures).toEqual(["anthropicBaseUrl: must be an http(s) URL such as https://api.anthropic.com"]);
  expect(inputs.anthropicApiKey).toBeInstanceOf(Secret);
  await client.configure({ anthropicApiKey: new Secret("the key") });
  expect((await client.create(urn, { name: "key" })).id).toBe("the key");
});

test("an unknown resource type is refused with the ones that there are", async () => {
  await expect((await start()).check(urnOf("Nothing"), {})).rejects.toThrow(
    /no resource type .*Nothing; it has .*Thing/,
  );
});

test("a resource inside a component is recognised", async () => {
  const nested = "urn:pulumi:test::handrail::handrail:infra:ControlPlane$handrail:index:Thing::x";
  expect((await (await start()).check(nested, { name: "a" })).failures).toEqual([]);
});

test("the schema describes inputs, outputs, secrets and what replaces", async () => {
  const { resources } = await (await start()).schema();
  expect(resources["handrail:index:Thing"]).toMatchObject({
    requiredInputs: ["name"],
    inputProperties: {
      token: { type: "string", secret: true },
      place: { type: "string", willReplaceOnChanges: true },
      rules: { type: "object", additionalProperties: { type: "object", additionalProperties: { type: "string" } } },
      list: { type: "array", items: { $ref: "pulumi.json#/Any" } },
    },
    properties: { size: { type: "number" } },
  });
});

import { afterEach, beforeEach, expect, test } from "vitest";
import { Secret, UNKNOWN } from "./property-values.ts";
import { secretRevision } from "./secret-revision.ts";
import { type ProviderClient, startTestProvider, urnOf } from "./testing/client.ts";

const urn = urnOf("SecretRevision");
let client: ProviderClient;
let stop: () => void;
beforeEach(async () => {
  const started = await startTestProvider([secretRevision]);
  ({ client, close: stop } = started);
});
afterEach(() => stop());

test("every value is secret by itself, however the program gave them, so that a plan names the one that changed", async () => {
  for (const values of [{ B: "1", A: "2" }, new Secret({ B: "1", A: "2" }), { B: new Secret("1"), A: "2" }]) {
    const { inputs } = await client.check(urn, { values });
    expect(inputs).toEqual({ values: { A: new Secret("2"), B: new Secret("1") } });
    const { state } = await client.create(urn, inputs);
    expect(state).toMatchObject({ values: { A: new Secret("2"), B: new Secret("1") }, keys: ["A", "B"] });
  }
  const before = { values: { A: new Secret("1"), B: new Secret("1") } };
  const after = { values: { A: new Secret("2"), C: new Secret("1") } };
  expect(await client.diff(urn, { id: "1", state: before, before, after })).toMatchObject({
    replaces: [],
    details: { "values.A": "update", "values.B": "delete", "values.C": "add" },
  });
});

test("a change gives another revision, which says nothing about the values", async () => {
  const inputs = { values: { A: new Secret("hunter2") } };
  const { id, state } = await client.create(urn, inputs);
  const after = await client.update(urn, { id, state, after: inputs });
  expect(after.revision).not.toBe(state.revision);
  expect([state.revision, after.revision]).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/), expect.anything()]);
});

test("a refresh changes nothing and keeps the secrets", async () => {
  const { inputs } = await client.check(urn, { values: { A: "1" } });
  const { id, state } = await client.create(urn, inputs);
  expect(await client.read(urn, id, state, inputs)).toEqual({ inputs, state });
});

test("a preview knows the names, and that the revision will be another", async () => {
  const inputs = { values: { A: new Secret(UNKNOWN) } };
  expect((await client.create(urn, inputs, { preview: true })).state).toMatchObject({ keys: ["A"], revision: UNKNOWN });
});

test("check refuses a value that is no string, by name and without the value", async () => {
  const { failures } = await client.check(urn, { values: { A: new Secret(12345) } });
  expect(failures).toEqual(["values.A: must be a string; a secret that is not there yet is left out"]);
});

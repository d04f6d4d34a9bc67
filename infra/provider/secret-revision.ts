/**
 * SecretRevision: a random word that changes whenever one of the secrets does.
 *
 * A deployment keeps the environment variables of its first day (Vercel binds them when it is made), so a changed
 * secret must replace it. Its `meta` is stored in clear, at Vercel and in the state, so it cannot carry the secret,
 * nor a digest that a short secret could be guessed from.
 */
import { z } from "zod";
import { defineResource } from "./definition.ts";
import { isObject, Secret, secret } from "./property-values.ts";

const inputs = z.strictObject({
  values: z
    .record(z.string().min(1), z.string("must be a string; a secret that is not there yet is left out"))
    .describe("Secrets by name. The names are stored and shown in clear, the values are not."),
});

const outputs = z.object({
  revision: z.string().describe("Random; another one after every change of a value."),
  keys: z.array(z.string()).describe("Names of the values, sorted."),
});

export const secretRevision = defineResource<z.infer<typeof inputs>, z.infer<typeof outputs>>({
  type: "SecretRevision",
  description: "A random revision that changes whenever one of its secret values does.",
  inputs,
  outputs,
  secretInputs: ["values"],
  replaceOn: [],
  deleteBeforeReplace: "unchanged",
  deadlines: { create: 10, read: 10, update: 10, delete: 10 },
  // One secret a value instead of one around all: the plan then names the key that changed.
  normalize(map) {
    const values = map.values instanceof Secret ? map.values.value : map.values;
    if (!isObject(values)) return map;
    return { ...map, values: Object.fromEntries(Object.entries(values).map(([key, value]) => [key, secret(value)])) };
  },
  preview: ({ values }) => (isObject(values) ? { keys: Object.keys(values).sort() } : {}),
  create: async ({ values }, { randomId }) => ({
    id: randomId(),
    outputs: { revision: randomId(), keys: Object.keys(values).sort() },
  }),
  // Lives in the state alone.
  read: async (_, state) =>
    (state && { inputs: { values: state.values }, outputs: { revision: state.revision, keys: state.keys } }) || null,
  update: async (_id, _state, { values }, { randomId }) => ({ revision: randomId(), keys: Object.keys(values).sort() }),
  delete: async () => {},
});

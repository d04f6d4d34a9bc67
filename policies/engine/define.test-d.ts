/**
 * What the editor refuses. Nothing here runs: `tsc` reports a `@ts-expect-error` that expects in vain, and any error
 * that none expects.
 */
import { definePolicy } from "./define.ts";
import { gitRead } from "./git.ts";
import { perCustomer } from "./per-customer.ts";
import type { Policy } from "./policy.ts";

const base = {
  agent: "desk",
  variables: { customer: { source: "metadata.customer", example: "cus_1" } },
  credentials: {
    crm: { form: { type: "bearer" }, source: { type: "secret", name: "crmToken" } },
    own: { form: { type: "bearer" }, source: perCustomer("crm") },
  },
} as const;

const host = "api.crm.example";

const accepted: Policy = definePolicy({
  ...base,
  tools: {
    lookup: {
      kind: "api",
      network: "own",
      allow: [
        { host, methods: ["GET"], path: "/v1/{customer}/{session}", credential: "own" },
        { host, methods: ["GET"], path: "/v1/{customer}/notes/{note}", modelChooses: ["note"], credential: "crm" },
        { host, methods: ["GET"], path: "/files/{rest...}", modelChooses: ["rest"], query: { of: "{customer}" } },
        { host, methods: ["PUT"], path: "/v1/x", query: ["page"], headers: { "x-customer": "{customer}" } },
        ...gitRead("github.example/acme/app", { credential: "crm" }),
      ],
    },
    list: { kind: "file", network: "none" },
  },
  sandbox: [{ host: "packages.example", methods: ["GET", "HEAD"] }],
  tests: [{ as: "lookup", send: `GET https://${host}/`, expect: "credentialed(own)" }],
  unreachable: [{ as: "sandbox", host, path: "/v1/{anything...}" }],
});
void accepted;

const lookup = { kind: "api", network: "own" } as const;
const list = { kind: "file", network: "none" } as const;

definePolicy({
  ...base,
  tools: {
    lookup: {
      ...lookup,
      // @ts-expect-error: no such variable
      allow: [{ host, methods: ["GET"], path: "/v1/{custmer}" }],
    },
  },
});
definePolicy({
  ...base,
  tools: {
    lookup: {
      ...lookup,
      // @ts-expect-error: the model chooses another parameter
      allow: [{ host, methods: ["GET"], path: "/v1/{customer}/{note}", modelChooses: ["noet"] }],
    },
  },
});
definePolicy({
  ...base,
  tools: {
    lookup: {
      ...lookup,
      // @ts-expect-error: no such variable in a query value
      allow: [{ host, methods: ["GET"], path: "/v1", query: { of: "{custmer}" } }],
    },
  },
});
definePolicy({
  ...base,
  tools: {
    lookup: {
      ...lookup,
      // @ts-expect-error: no such variable in a required query value
      allow: [{ host, methods: ["GET"], path: "/v1", query: { of: { required: ["{customer}", "{custmer}"] } } }],
    },
  },
});
definePolicy({
  ...base,
  tools: {
    lookup: {
      ...lookup,
      // @ts-expect-error: no such variable in a header's value
      allow: [{ host, methods: ["GET"], path: "/v1", headers: { "x-of": "{custmer}" } }],
    },
  },
});
definePolicy({
  ...base,
  tools: { list },
  // @ts-expect-error: no such variable
  sandbox: [{ host, methods: ["GET"], path: "/v1/{custmer}" }],
});
definePolicy({
  ...base,
  tools: {
    lookup: {
      ...lookup,
      // @ts-expect-error: no such credential
      allow: [{ host, methods: ["GET"], path: "/v1", credential: "crmm" }],
    },
  },
});
definePolicy({
  ...base,
  tools: {
    lookup: {
      ...lookup,
      // @ts-expect-error: no such credential, in a helper's options either
      allow: gitRead("github.example/acme/app", { credential: "crmm" }),
    },
  },
});
definePolicy({
  ...base,
  tools: {
    lookup: {
      ...lookup,
      // @ts-expect-error: methods are upper-case
      allow: [{ host, methods: ["get"], path: "/v1" }],
    },
  },
});
definePolicy({
  ...base,
  tools: {
    lookup: {
      ...lookup,
      // @ts-expect-error: what is unsafe has a reason
      allow: [{ host, methods: ["GET"], unsafe: { pathStartsWith: "/v1/" } }],
    },
  },
});
// @ts-expect-error: a command sends nothing as itself
definePolicy({ ...base, tools: { run: { kind: "command", network: "none", allow: [] } } });
// @ts-expect-error: no such tool
definePolicy({ ...base, tools: { list }, tests: [{ as: "lst", send: "GET https://a.example/", expect: "denied" }] });
// @ts-expect-error: no such tool
definePolicy({ ...base, tools: { list }, unreachable: [{ as: "lst", host }] });
// @ts-expect-error: variables come from metadata
definePolicy({ ...base, tools: {}, variables: { customer: { source: "env.A", example: "a" } } });
definePolicy({
  ...base,
  tools: {},
  // @ts-expect-error: no such source
  credentials: { crm: { form: { type: "bearer" }, source: { type: "env", name: "A" } } },
});

/**
 * The example agent: fixes a small repository for one customer, whose record it may read and annotate.
 *
 * The customer is bound when the session's sandbox is spawned. No tool takes it from the model.
 */
import { definePolicy } from "./engine/define.ts";
import { READ_ONLY } from "./engine/methods.ts";
import type { AllowRule } from "./engine/policy.ts";

const packageRegistry: AllowRule<never> = { methods: READ_ONLY, host: "packages.example" };

export default definePolicy({
  agent: "support",

  variables: {
    customer: { source: "metadata.customer", example: "cus_42" },
  },

  credentials: {
    crm: { form: { type: "bearer" }, source: { type: "secret", name: "crmToken" } },
    "crm-write": { form: { type: "bearer" }, source: { type: "secret", name: "crmWriteToken" } },
  },

  tools: {
    read_file: { kind: "file", network: "none" },
    write_file: { kind: "file", network: "none" },
    list_files: { kind: "file", network: "none" },
    run_tests: { kind: "command", network: "none" },
    execute_command: { kind: "command", network: "sandbox" },
    get_customer: {
      kind: "api",
      network: "own",
      allow: [{ methods: ["GET"], host: "api.crm.example", path: "/v1/customers/{customer}", credential: "crm" }],
    },
    add_note: {
      kind: "api",
      network: "own",
      allow: [
        { methods: ["POST"], host: "api.crm.example", path: "/v1/customers/{customer}/notes", credential: "crm-write" },
      ],
    },
  },

  sandbox: [packageRegistry],
  setup: [packageRegistry],

  unreachable: [
    { as: "get_customer", methods: ["POST", "PUT", "PATCH", "DELETE"], host: "api.crm.example" },
    { as: "add_note", host: "api.crm.example", path: "/v1/customers/{customer}" },
    { as: "sandbox", host: "api.crm.example" },
    { as: "anyone", host: "api.crm.example", path: "/v1/customers" },
    { as: "anyone", host: "packages.example", methods: ["POST", "PUT", "PATCH", "DELETE"] },
    { as: "anyone", host: "*.anthropic.com", methods: ["DELETE"] },
    { as: "sandbox", phase: "setup", host: "api.crm.example" },
  ],

  tests: [
    { as: "get_customer", send: "GET https://api.crm.example/v1/customers/cus_42", expect: "credentialed(crm)" },
    { as: "get_customer", send: "GET https://api.crm.example/v1/customers/cus_43", expect: "refused" },
    { as: "get_customer", send: "GET https://api.crm.example/v1/customers/cus_42?expand=orders", expect: "refused" },
    { as: "get_customer", send: "GET https://api.crm.example/v1/customers/x/%2e%2e/cus_42", expect: "refused" },
    { as: "get_customer", send: "GET https://api.crm.example/v1/customers//cus_42", expect: "refused" },
    { as: "get_customer", send: "POST https://api.crm.example/v1/customers/cus_42/notes", expect: "refused" },
    { as: "get_customer", send: "GET https://crm.example/v1/customers/cus_42", expect: "denied" },
    {
      as: "get_customer",
      send: "GET https://api.crm.example/v1/customers/cus_42",
      headers: { cookie: "session=mine" },
      expect: "refused",
    },

    {
      as: "add_note",
      send: "POST https://api.crm.example/v1/customers/cus_42/notes",
      expect: "credentialed(crm-write)",
    },
    { as: "add_note", send: "GET https://api.crm.example/v1/customers/cus_42", expect: "refused" },
    { as: "add_note", send: "POST https://api.crm.example/v1/customers/cus_42/notes/1", expect: "refused" },

    { as: "sandbox", send: "GET https://packages.example/left-pad", expect: "plain" },
    { as: "sandbox", send: "GET https://packages.example/@scope%2fleft-pad", expect: "plain" },
    { as: "sandbox", send: "PUT https://packages.example/left-pad", expect: "refused" },
    { as: "sandbox", send: "GET https://packages.example/left-pad?stolen=data", expect: "refused" },
    {
      as: "sandbox",
      send: "GET https://packages.example/left-pad",
      headers: { authorization: "Bearer stolen" },
      expect: "refused",
    },
    { as: "sandbox", send: "GET https://api.crm.example/v1/customers/cus_42", expect: "refused" },
    { as: "sandbox", send: "POST https://api.anthropic.com/v1/sessions/sesn_example/events", expect: "refused" },
    { as: "sandbox", send: "GET https://elsewhere.example/", expect: "denied" },
    { as: "sandbox", phase: "setup", send: "GET https://packages.example/left-pad", expect: "plain" },
    { as: "sandbox", phase: "setup", send: "POST https://packages.example/left-pad", expect: "refused" },
    { as: "sandbox", phase: "setup", send: "GET https://api.crm.example/v1/customers/cus_42", expect: "denied" },

    {
      as: "supervisor",
      send: "GET https://api.anthropic.com/v1/sessions/sesn_example/events?limit=1000",
      headers: { authorization: "Bearer placeholder" },
      expect: "credentialed(session-token)",
    },
    { as: "supervisor", send: "GET https://api.anthropic.com/v1/sessions/sesn_other/events", expect: "refused" },
    { as: "supervisor", send: "GET https://api.anthropic.com/v1/models", expect: "refused" },
    {
      as: "supervisor",
      send: "GET https://api.anthropic.com/v1/environments/env_example/work/poll",
      expect: "refused",
    },
    { as: "supervisor", send: "GET https://api.crm.example/v1/customers/cus_42", expect: "refused" },
  ],
});

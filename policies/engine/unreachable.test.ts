import { describe, expect, test } from "vitest";
import { compile } from "./compile.ts";
import { definePolicy } from "./define.ts";
import type { PolicyInput, UnreachableClaim } from "./policy.ts";
import { checkUnreachable } from "./unreachable.ts";

const host = "api.crm.example";

function prove(claim: Partial<UnreachableClaim>, more: object = {}) {
  const policy = definePolicy({
    agent: "desk",
    variables: { customer: { source: "metadata.customer", example: "cus_1" } },
    credentials: { crm: { form: { type: "bearer" }, source: { type: "secret", name: "crmToken" } } },
    tools: {
      reader: {
        kind: "api",
        network: "own",
        allow: [
          { host, methods: ["GET"], path: "/v1/customers/{customer}", credential: "crm" },
          { host, methods: ["GET"], path: "/v1/files/{rest...}", modelChooses: ["rest"], credential: "crm" },
          { host, methods: ["POST"], path: "/v1/files/{name}", modelChooses: ["name"], response: { statusCode: 204 } },
        ],
      },
      writer: {
        kind: "api",
        network: "own",
        allow: [
          {
            host,
            methods: ["POST"],
            path: "/v1/jobs",
            credential: "crm",
            query: { kind: { required: "a" } },
            headers: { "x-a": "b" },
          },
        ],
      },
    },
    sandbox: [{ host: "*.cdn.example.com", methods: ["GET"], reason: "mirrors of packages" }],
    unreachable: [{ as: "anyone", host, ...claim }],
    ...more,
  } as PolicyInput);
  const [result] = checkUnreachable({ policy, lock: compile(policy) });
  return result?.witness ? `${result.witness.method} ${result.witness.url}` : (result?.failure ?? "proved");
}

describe("a claim is proved, or a request goes against it", () => {
  test.each<[Partial<UnreachableClaim>, string]>([
    [{ as: "writer", methods: ["GET"] }, "proved"],
    [{ as: "reader", methods: ["GET"] }, `GET https://${host}/v1/customers/cus_1`],
    [{ as: "sandbox" }, "proved"],
    [{ path: "/v1/customers" }, "proved"],
    [{ path: "/v1/customers/{other}/notes" }, "proved"],
    [{ path: "/v1/{what}/{which}" }, `GET https://${host}/v1/customers/cus_1`],
    [{ path: "/v1/files/{a}/{b}" }, `GET https://${host}/v1/files/a/a`],
    [
      { path: "/v1/customers/admin" },
      "tools.reader.allow[0] may let it through: no request with the example values shows it, and other values may",
    ],
    [{ methods: ["POST"], path: "/v1/files/{name}" }, "proved"],
    [{ methods: ["POST"] }, `POST https://${host}/v1/jobs?kind=a`],
    [{ host: "cdn.example.com" }, "proved"],
    [{ host: "eu.cdn.example.com" }, "GET https://eu.cdn.example.com/"],
    [{ as: "reader", host: "*.example.com" }, "GET https://any.cdn.example.com/"],
    [{ host: "*.example.com", phase: "setup" }, "proved"],
  ])("%j: %s", (claim, expected) => expect(prove(claim)).toBe(expected));
});

test("where a more specific rule takes every request, the one behind it reaches nothing", () => {
  const sandbox = [
    { host: "a.example.com", methods: ["GET"], path: "/x", response: { statusCode: 204 } },
    { host: "a.example.com", methods: ["GET"], path: "/{any}", modelChooses: ["any"] },
  ];
  expect(prove({ host: "a.example.com", path: "/y" }, { sandbox })).toBe("GET https://a.example.com/y");
  expect(prove({ host: "a.example.com", path: "/x" }, { sandbox })).toBe("proved");
});

test("a rule whose variable might take every request does not shield the one behind it", () => {
  const sandbox = [
    { host: "a.example.com", methods: ["GET"], path: "/v1/{customer}", response: { statusCode: 204 } },
    { host: "a.example.com", methods: ["GET"], unsafe: { pathRegex: "^/v1/[a-z]+$", reason: "their paths are odd" } },
  ];
  expect(prove({ host: "a.example.com", path: "/v1/{id}" }, { sandbox })).toBe("GET https://a.example.com/v1/a");
});

test("raw paths are read as RE2 reads them", () => {
  const raw = (pathRegex: string) => [
    { host: "a.example.com", methods: ["GET"], unsafe: { pathRegex, reason: "their paths are odd" } },
  ];
  const claim = { host: "a.example.com", path: "/v1/{id}" };
  expect(prove(claim, { sandbox: raw("^/v1/[0-9]+$") })).toBe("GET https://a.example.com/v1/0");
  expect(prove(claim, { sandbox: raw("^/v2/") })).toBe("proved");
  expect(prove(claim, { sandbox: raw("v2") })).toBe("GET https://a.example.com/v1/v2");
});

test("open addresses leave nothing to be proved", () => {
  const unsafe = { subnets: { allow: ["10.0.0.0/8"] }, reason: "the database has no name" };
  expect(prove({ as: "sandbox" }, { unsafe })).toBe("addresses in 10.0.0.0/8 are open past every rule (`unsafe`)");
});

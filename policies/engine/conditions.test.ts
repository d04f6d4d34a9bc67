/** Rules that ask for headers and parameters, answer, or send elsewhere; and git, which is made of them. */
import { describe, expect, test } from "vitest";
import { compile } from "./compile.ts";
import { definePolicy } from "./define.ts";
import { PolicyError } from "./errors.ts";
import { evaluate } from "./evaluate.ts";
import { gitCredential, gitRead, gitWrite } from "./git.ts";
import { bindExample, describeOutcome } from "./inline-tests.ts";
import type { AllowRule, Policy, PolicyInput } from "./policy.ts";
import { egressTable } from "./table.ts";
import { TICKET_HEADER } from "./ticket.ts";

function policyOf(reader: readonly AllowRule[], sandbox: readonly AllowRule[] = [], more: object = {}): Policy {
  return definePolicy({
    agent: "desk",
    variables: { customer: { source: "metadata.customer", example: "cus_1" } },
    credentials: {
      crm: { form: { type: "bearer" }, source: { type: "secret", name: "crmToken" } },
      git: gitCredential({ type: "secret", name: "gitToken" }),
    },
    tools: { reader: { kind: "api", network: "own", allow: reader } },
    sandbox,
    ...more,
  } as PolicyInput);
}

/** Asks the policy as it is bound with examples; both readings of the query must agree. */
function asker(policy: Policy) {
  const bound = bindExample(policy, compile(policy), "run");
  const ticket = Object.entries(bound.principals).find(([, principal]) => principal === "reader")?.[0] ?? "";
  return (send: string, headers: Record<string, string | string[]> = {}, as = "reader") => {
    const [, method = "", host = "", target = ""] = /^(\S+) https:\/\/([^/]+)(\S*)$/.exec(send) ?? [];
    const sent = Object.entries(headers).flatMap(([name, values]) =>
      [values].flat().map((value): [string, string] => [name, value]),
    );
    if (as === "reader") sent.push([TICKET_HEADER, ticket]);
    const [one, other] = (["decoded", "raw"] as const).map((query) =>
      describeOutcome(evaluate(bound, { method, host, target, headers: sent }, { query }).outcome),
    );
    expect(one).toBe(other);
    return one;
  };
}

const host = "api.crm.example";
const url = `POST https://${host}`;

test("a header that a rule asks for must be there, with its value and no other beside it", () => {
  const headers = { "X-Action": ["Notes.Get", "Notes.List"], "x-of": "id {customer}", "x-any": true } as const;
  const ask = asker(policyOf([{ host, methods: ["POST"], path: "/", headers, credential: "crm" }]));
  const right = { "x-action": "Notes.Get", "X-Of": "id cus_1", "x-any": "" };
  expect(ask(`${url}/`, right)).toBe("credentialed(crm)");
  expect(ask(`${url}/`, { ...right, "x-action": "Notes.List" })).toBe("credentialed(crm)");
  expect(ask(`${url}/`, { ...right, "x-action": "Notes.Delete" })).toBe("answered(403)");
  expect(ask(`${url}/`, { ...right, "x-action": "Notes.Get, Notes.Delete" })).toBe("answered(403)");
  expect(ask(`${url}/`, { ...right, "x-action": ["Notes.Get", "Notes.Delete"] })).toBe("answered(403)");
  expect(ask(`${url}/`, { ...right, "x-action": ["Notes.Delete", "Notes.Get"] })).toBe("answered(403)");
  expect(ask(`${url}/`, { ...right, "x-of": "id cus_2" })).toBe("answered(403)");
  const { "x-any": _, ...without } = right;
  expect(ask(`${url}/`, without)).toBe("answered(403)");
  expect(ask(`${url}/`, right, "sandbox")).toBe("answered(403)");
});

test("a parameter that is required must be there, and one of several values may", () => {
  const query = { kind: { required: ["open", "closed"] }, order: ["asc", "desc"] } as const;
  const ask = asker(policyOf([{ host, methods: ["POST"], path: "/v1", query, credential: "crm" }]));
  expect(ask(`${url}/v1?kind=open`)).toBe("credentialed(crm)");
  expect(ask(`${url}/v1?order=desc&kind=closed`)).toBe("credentialed(crm)");
  expect(ask(`${url}/v1`)).toBe("answered(403)");
  expect(ask(`${url}/v1?order=asc`)).toBe("answered(403)");
  expect(ask(`${url}/v1?kind=all`)).toBe("answered(403)");
  expect(ask(`${url}/v1?kind=open&kind=all`)).toBe("answered(403)");
  expect(ask(`${url}/v1?kind=open&order=up`)).toBe("answered(403)");
});

test("the firewall answers what a policy tells it to, and nobody else hears of it", () => {
  const response = { statusCode: 200, body: "{}", contentType: "application/json", headers: { "x-a": "b" } };
  const policy = policyOf([], [{ host: "telemetry.example", methods: ["POST"], path: "/v1/events", response }]);
  const ask = asker(policy);
  expect(ask("POST https://telemetry.example/v1/events", { cookie: "a" }, "sandbox")).toBe("answered(200)");
  expect(ask("GET https://telemetry.example/v1/events", {}, "sandbox")).toBe("answered(403)");
  const { networkPolicy } = bindExample(policy, compile(policy), "run");
  expect(networkPolicy).toMatchObject({
    allow: { "telemetry.example": expect.arrayContaining([{ match: expect.anything(), response }]) },
  });
});

test("a forwarded request goes to the proxy, without an identity of the guest's own", () => {
  const forwardURL = "https://proxy.example/in";
  const policy = policyOf([], [{ host: "models.example", methods: ["POST"], path: "/v1/messages", forwardURL }]);
  const ask = asker(policy);
  expect(ask("POST https://models.example/v1/messages", {}, "sandbox")).toBe(`forwarded(${forwardURL})`);
  expect(ask("POST https://models.example/v1/messages", { authorization: "x" }, "sandbox")).toBe("answered(403)");
  expect(egressTable(compile(policy)).sandbox).toEqual({
    "POST models.example/v1/messages": `forwarded(${forwardURL})`,
  });
});

describe("git", () => {
  const repository = "github.example/acme/app";
  const read = asker(policyOf(gitRead(repository, { credential: "git" })));
  const write = asker(policyOf(gitWrite(`${repository}.git`, { credential: "git" })));
  const both = "service=git-upload-pack&service=git-receive-pack";
  test.each([
    ["GET", "/acme/app/info/refs?service=git-upload-pack", true, true],
    ["GET", "/acme/app.git/info/refs?service=git-upload-pack", true, true],
    ["POST", "/acme/app.git/git-upload-pack", true, true],
    ["GET", "/acme/app.git/info/refs?service=git-receive-pack", false, true],
    ["POST", "/acme/app/git-receive-pack", false, true],
    ["GET", "/acme/app.git/info/refs", false, false],
    ["GET", `/acme/app.git/info/refs?${both}`, false, true],
    ["GET", "/acme/app.git/info/refs?service=git-upload-pack&service=git-upload-archive", false, false],
    ["GET", "/acme/app.git/info/refs?service=git-upload-pack&x=1", false, false],
    ["POST", "/acme/app.git/git-upload-archive", false, false],
    ["GET", "/acme/other.git/info/refs?service=git-upload-pack", false, false],
    ["GET", "/acme/app.git/HEAD", false, false],
    ["GET", "/acme/app.git/%69nfo/refs?service=git-upload-pack", false, false],
  ])("%s %s: fetch %s, push %s", (method, target, fetches, pushes) => {
    const send = `${method} https://github.example${target}`;
    expect(read(send)).toBe(fetches ? "credentialed(git)" : "answered(403)");
    expect(write(send)).toBe(pushes ? "credentialed(git)" : "answered(403)");
  });

  test("takes its token as GitHub does", () => {
    const policy = policyOf(gitRead(repository, { credential: "git" }));
    const { networkPolicy } = bindExample(policy, compile(policy), "run");
    expect(JSON.stringify(networkPolicy)).toContain(`Basic ${btoa("x-access-token:example-of-git")}`);
  });

  test.each(["github.example", "github.example/", "/acme/app"])("refuses %s as a repository", (repository) => {
    expect(() => gitRead(repository)).toThrow(PolicyError);
  });
});

describe("what is unsafe is let through with a reason, which shows", () => {
  const reason = "their API escapes slashes";
  test("a raw prefix", () => {
    const policy = policyOf([
      { host, methods: ["POST"], unsafe: { pathStartsWith: "/v1/", reason }, credential: "crm" },
    ]);
    const ask = asker(policy);
    expect(ask(`${url}/v1/a%2Fb`)).toBe("credentialed(crm)");
    expect(ask(`${url}/v1`)).toBe("answered(403)");
    expect(egressTable(compile(policy)).reader).toEqual({
      [`POST ${host}/v1/…`]: `credentialed(crm) UNSAFE pathStartsWith: ${reason}`,
    });
  });

  test("a raw expression, beside a rule with a safe path", () => {
    const raw = { host, methods: ["POST"], unsafe: { pathRegex: "^/v1/\\d+$", reason }, credential: "crm" } as const;
    const ask = asker(policyOf([raw, { host, methods: ["POST"], path: "/v1/{customer}", credential: "git" }]));
    expect(ask(`${url}/v1/12`)).toBe("credentialed(crm)");
    expect(ask(`${url}/v1/cus_1`)).toBe("credentialed(git)");
    expect(ask(`${url}/v1/x`)).toBe("answered(403)");
    expect(() => policyOf([raw, { ...raw, unsafe: { pathStartsWith: "/v1", reason } }])).toThrow(
      /neither is more specific/,
    );
  });

  test("a credential below a wildcard, for which Host stays free", () => {
    const unsafe = { wildcardCredential: true, reason: "one shard a region" } as const;
    const policy = policyOf([{ host: "*.crm.example", methods: ["POST"], path: "/v1", credential: "crm", unsafe }]);
    expect(asker(policy)("POST https://eu.crm.example/v1")).toBe("credentialed(crm)");
    expect(egressTable(compile(policy)).reader).toEqual({
      "POST *.crm.example/v1": "credentialed(crm) UNSAFE wildcardCredential: one shard a region",
    });
  });

  test("any host, which is not the Anthropic API and no host with rules of its own", () => {
    const unsafe = { anyHost: true, reason: "a crawler goes anywhere" } as const;
    const ask = asker(
      policyOf(
        [{ host, methods: ["POST"], path: "/v1", credential: "crm" }],
        [{ host: "*", methods: ["GET"], unsafe }],
      ),
    );
    expect(ask("GET https://anywhere.example/", {}, "sandbox")).toBe("plain");
    expect(ask("GET https://api.anthropic.com/v1/models", {}, "sandbox")).toBe("answered(403)");
    expect(ask(`GET https://${host}/v1`, {}, "sandbox")).toBe("answered(403)");
  });

  test("addresses, in the run phase alone", () => {
    const unsafe = { subnets: { allow: ["10.0.0.0/8"], deny: ["10.1.0.0/16"] }, reason: "the database has no name" };
    const policy = policyOf([], [], { unsafe });
    const lock = compile(policy);
    expect(bindExample(policy, lock, "run").networkPolicy).toMatchObject({ subnets: unsafe.subnets });
    expect(bindExample(policy, lock, "setup").networkPolicy).toBe("deny-all");
    expect(egressTable(lock).sandbox).toEqual({
      "any traffic to 10.0.0.0/8": "past every rule UNSAFE subnets: the database has no name",
      "any traffic to 10.1.0.0/16": "denied",
    });
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BoundPolicy, bind } from "./bind.ts";
import { compile } from "./compile.ts";
import { definePolicy } from "./define.ts";
import { PolicyError } from "./errors.ts";
import { evaluate } from "./evaluate.ts";
import { describeOutcome } from "./inline-tests.ts";
import type { AllowRule, Policy, PolicyInput } from "./policy.ts";
import { newTicket, TICKET_HEADER } from "./ticket.ts";

const variables = { session: "sesn_1", work: "work_1", environment: "env_1", customer: "cus_1" };
const tickets = { supervisor: newTicket(), reader: newTicket(), writer: newTicket() };

const base = {
  agent: "desk",
  variables: { customer: { source: "metadata.customer", example: "cus_1" } },
  credentials: {
    crm: { form: { type: "bearer" }, source: { type: "secret", name: "crmToken" } },
    key: { form: { type: "header", name: "X-Api-Key" }, source: { type: "secret", name: "apiKey" } },
  },
} as const;

function policyOf(reader: AllowRule[], writer: AllowRule[] = [], sandbox: AllowRule[] = []): Policy {
  const tools = {
    reader: { kind: "api", network: "own", allow: reader },
    writer: { kind: "api", network: "own", allow: writer },
  } as const;
  return definePolicy({ ...base, tools, sandbox } as PolicyInput);
}

function bound(policy: Policy): BoundPolicy {
  const credentials = { crm: "one", key: "two", "session-token": "three" };
  return bind(compile(policy), { phase: "run", variables, credentials, tickets });
}

interface Sent {
  method: string;
  host: string;
  target: string;
  as: "reader" | "writer" | "sandbox" | "supervisor";
  headers: string[];
}

function outcome(policy: BoundPolicy, { as, headers, ...request }: Sent, query: "raw" | "decoded" = "decoded"): string {
  const sent = headers.map((name) => [name, "mine"] as [string, string]);
  if (as !== "sandbox") sent.push([TICKET_HEADER, tickets[as]]);
  return describeOutcome(evaluate(policy, { ...request, headers: sent }, { query }).outcome);
}

describe("a policy of one rule", () => {
  const rule: AllowRule = {
    host: "api.crm.example",
    methods: ["GET"],
    path: "/v1/{customer}/notes/{note}",
    modelChooses: ["note"],
    query: { "page[size]": true, kind: "open" },
    credential: "key",
  };
  const policy = bound(policyOf([rule]));
  const right: Sent = { method: "GET", host: rule.host, target: "/v1/cus_1/notes/7", as: "reader", headers: [] };

  test.each<[string, Partial<Sent>, string]>([
    ["the request itself", {}, "credentialed(key)"],
    ["with a header that the credential overwrites", { headers: ["x-api-key"] }, "credentialed(key)"],
    ["with a guest's authorization", { headers: ["Authorization"] }, "answered(403)"],
    ["with a guest's cookie", { headers: ["cookie"] }, "answered(403)"],
    ["with a named parameter", { target: "/v1/cus_1/notes/7?page[size]=9" }, "credentialed(key)"],
    ["with a named parameter, encoded", { target: "/v1/cus_1/notes/7?page%5Bsize%5D=9" }, "credentialed(key)"],
    ["with the one value", { target: "/v1/cus_1/notes/7?kind=open" }, "credentialed(key)"],
    ["with another value", { target: "/v1/cus_1/notes/7?kind=all" }, "answered(403)"],
    ["with the value once, and another", { target: "/v1/cus_1/notes/7?kind=open&kind=all" }, "answered(403)"],
    ["with a parameter that is not named", { target: "/v1/cus_1/notes/7?admin=1" }, "answered(403)"],
    ["with a name that is only alike", { target: "/v1/cus_1/notes/7?kin=open" }, "answered(403)"],
    ["with an empty name", { target: "/v1/cus_1/notes/7?=1" }, "answered(403)"],
    ["with an encoded name that is not named", { target: "/v1/cus_1/notes/7?%61dmin=1" }, "answered(403)"],
    ["of another tool", { as: "writer" }, "answered(403)"],
    ["of the sandbox", { as: "sandbox" }, "answered(403)"],
    ["of the supervisor", { as: "supervisor" }, "answered(403)"],
    ["by another method", { method: "POST" }, "answered(403)"],
    ["by the method in lower case", { method: "get" }, "answered(403)"],
    ["for another customer", { target: "/v1/cus_2/notes/7" }, "answered(403)"],
    ["with an escaped dot segment", { target: "/v1/cus_1/notes/%2e%2e" }, "answered(400)"],
    ["with an escaped separator", { target: "/v1/cus_1/notes/7%2F..%2F8" }, "answered(400)"],
    ["with a double slash", { target: "/v1/cus_1//notes/7" }, "answered(400)"],
    ["with a whole URL as its target", { target: "https://api.crm.example/v1/cus_1/notes/7" }, "answered(400)"],
    ["to another host", { host: "crm.example" }, "denied"],
  ])("%s → %s", (_, change, expected) => {
    expect(outcome(policy, { ...right, ...change })).toBe(expected);
    expect(outcome(policy, { ...right, ...change }, "raw")).toBe(expected);
  });
});

test("one tool's refusals do not hold for another's requests, nor for the sandbox's", () => {
  const rule = { host: "api.crm.example", path: "/v1/x", reason: "shared by all three" };
  const policy = bound(
    policyOf(
      [{ ...rule, methods: ["GET"], credential: "crm" }],
      [{ ...rule, methods: ["GET"], credential: "key", query: ["page"] }],
      [{ ...rule, methods: ["GET", "POST"] }],
    ),
  );
  const send = (as: Sent["as"], query: string, ...headers: string[]) =>
    outcome(policy, { method: "GET", host: rule.host, target: `/v1/x${query}`, as, headers });
  expect(send("reader", "", "authorization")).toBe("credentialed(crm)");
  expect(send("reader", "", "x-api-key")).toBe("answered(403)");
  expect(send("writer", "?page=1", "x-api-key")).toBe("credentialed(key)");
  expect(send("writer", "", "authorization")).toBe("answered(403)");
  expect(send("sandbox", "")).toBe("plain");
  expect(send("sandbox", "", "authorization")).toBe("answered(403)");
});

test("a parameter that is bound to the session must be there, with its value: left out, it would mean everyone's", () => {
  const orders = { host: "api.a.example", path: "/v1/orders", methods: ["GET" as const], credential: "key" as const };
  const policy = bound(policyOf([{ ...orders, query: { account: "{customer}", page: true } }]));
  const send = (query: string) =>
    ["decoded" as const, "raw" as const].map((reading) =>
      outcome(
        policy,
        { method: "GET", host: orders.host, target: `/v1/orders${query}`, as: "reader", headers: [] },
        reading,
      ),
    );
  expect(send("?account=cus_1")).toEqual(["credentialed(key)", "credentialed(key)"]);
  expect(send("?account=cus_1&page=2")).toEqual(["credentialed(key)", "credentialed(key)"]);
  for (const query of ["", "?page=2", "?account=cus_2", "?account=cus_1&account=cus_2", "?account"]) {
    expect(send(query), query).toEqual(["answered(403)", "answered(403)"]);
  }
});

test("every rule that lets a request through names the principal upstream instead of its ticket", () => {
  const policy = bound(policyOf([], [], [{ host: "a.example", methods: ["GET"] }]));
  const headers: [string, string][] = [[TICKET_HEADER, tickets.reader]];
  const { rule } = evaluate(policy, { method: "GET", host: "a.example", target: "/", headers });
  expect(rule?.transform).toEqual([{ headers: { [TICKET_HEADER]: "sandbox", Host: "a.example" } }]);
});

test("below a wildcard Host is free, which its outcome says", () => {
  const policy = bound(policyOf([], [], [{ host: "*.cdn.example", methods: ["GET"], reason: "mirrors" }]));
  const request = { method: "GET", target: "/", headers: [] };
  expect(evaluate(policy, { ...request, host: "a.b.cdn.example" }).outcome).toEqual({ kind: "plain", hostFree: true });
  expect(evaluate(policy, { ...request, host: "cdn.example" }).outcome).toEqual({ kind: "denied" });
});

test("every host ends with a refusal that tells the model what is allowed there", () => {
  const rule: AllowRule = { host: "api.crm.example", methods: ["GET"], path: "/v1/{customer}", credential: "crm" };
  const { run } = compile(policyOf([rule])).phases;
  for (const rules of Object.values(run)) expect(rules.at(-1)).toMatchObject({ match: {}, principal: null });
  expect(run["api.crm.example"]?.at(-1)?.action).toMatchObject({
    answer: { body: expect.stringContaining("- the tool reader alone: GET api.crm.example/v1/{customer}") },
  });
});

test("the same policy in another order has the same lock", () => {
  const a: AllowRule = { host: "api.crm.example", methods: ["GET", "HEAD"], path: "/v1/a", credential: "crm" };
  const b: AllowRule = {
    host: "api.crm.example",
    methods: ["GET"],
    path: "/v1/{x}",
    modelChooses: ["x"],
    credential: "key",
  };
  const places = (text: string) => text.replaceAll(/allow\[\d\]/g, "");
  const digestless = (rules: AllowRule[]) => places(JSON.stringify({ ...compile(policyOf(rules)), digest: "" }));
  expect(digestless([a, b])).toBe(digestless([b, { ...a, methods: ["HEAD", "GET"] }]));
});

// What the language means, said again without matchers: the reference that compile, bind and evaluate are held to.
const RANK = { text: 0, variable: 1, param: 2, tail: 3 };

function kindOf(segment: string): keyof typeof RANK {
  if (segment.endsWith("...}")) return "tail";
  return segment === "{customer}" ? "variable" : segment.startsWith("{") ? "param" : "text";
}

function pathMatches(template: string | undefined, path: string): boolean {
  if (template === undefined) return path.startsWith("/");
  const segments = template.slice(1).split("/");
  const given = path.split("/").slice(1);
  if (!path.startsWith("/")) return false;
  const free = (text: string) => /^[a-z0-9_.]+$/.test(text) && !/^\.+$/.test(text);
  for (const [i, segment] of segments.entries()) {
    const text = given[i];
    const kind = kindOf(segment);
    if (kind === "tail") {
      const rest = given.slice(i);
      return rest.length > 0 && (rest.at(-1) === "" && rest.length > 1 ? rest.slice(0, -1) : rest).every(free);
    }
    if (text === undefined || (kind === "param" && !free(text))) return false;
    if (kind === "text" && text !== segment) return false;
    if (kind === "variable" && text !== variables.customer) return false;
  }
  return given.length === segments.length;
}

function specificity({ path }: AllowRule): string {
  if (path === undefined) return "9";
  return path
    .slice(1)
    .split("/")
    .map((segment) => RANK[kindOf(segment)])
    .join("");
}

function meaning(lists: Record<string, readonly AllowRule[]>, request: Sent): string {
  const all = Object.values(lists)
    .flat()
    .filter(({ host }) => host === request.host);
  if (all.length === 0) return "denied";
  const [path = "", query] = request.target.split("?");
  for (const principal of request.as === "sandbox" ? ["sandbox"] : [request.as, "sandbox"]) {
    const [rule] = (lists[principal] ?? [])
      .filter(({ host, methods }) => host === request.host && (methods as readonly string[]).includes(request.method))
      .filter((rule) => pathMatches(rule.path, path))
      .toSorted((a, b) => (specificity(a) < specificity(b) ? -1 : 1));
    if (rule === undefined) continue;
    const named = (rule.query ?? []) as readonly string[];
    const names = (query ?? "")
      .split("&")
      .filter((pair) => pair !== "")
      .map((pair) => decodeURIComponent(pair.split("=")[0] ?? ""));
    if (!names.every((name) => named.includes(name))) return "answered";
    const overwritten = rule.credential === "key" ? "x-api-key" : rule.credential === "crm" ? "authorization" : "";
    if (request.headers.some((name) => name !== "accept" && name !== overwritten)) return "answered";
    return rule.credential === undefined ? "plain" : `credentialed(${rule.credential})`;
  }
  return "answered";
}

const segment = fc.constantFrom("a", "b", "cus_1", "{customer}", "{x}");
const path = fc
  .tuple(fc.uniqueArray(segment, { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([segments, tail]) => `/${[...segments, ...(tail ? ["{rest...}"] : [])].join("/")}`);
const rule = fc
  .record({
    host: fc.constantFrom("one.example.com", "two.example.com"),
    methods: fc.constantFrom(["GET"], ["POST"], ["GET", "POST"]),
    path: fc.option(path, { nil: undefined, freq: 6 }),
    query: fc.subarray(["p", "q[]"]),
    credential: fc.constantFrom("crm", "key", undefined),
  })
  .map(({ credential, ...rule }) => ({
    ...rule,
    modelChooses: ["x", "rest"].filter((name) => rule.path?.includes(`{${name}`)),
    ...(rule.path !== undefined && credential !== undefined && { credential }),
    reason: "generated",
  })) as fc.Arbitrary<AllowRule>;
// Mostly what rules are about, so that many requests are granted.
const mostly = <T>(often: readonly T[], rarely: readonly T[]) =>
  fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...often) }, { weight: 1, arbitrary: fc.constantFrom(...rarely) });
const piece = mostly(["a", "b", "cus_1"], ["cus_2", "..", ".", "", "%2e", "a%2Fb", "a;b", "...", "a.b"]);
const pair = fc.constantFrom("p=1", "p", "q[]=2", "q%5B%5D=2", "q%5b%5d=2", "z=1", "=1", "");
const request: fc.Arbitrary<Sent> = fc
  .record({
    method: mostly(["GET", "POST"], ["get"]),
    host: mostly(["one.example.com", "two.example.com"], ["three.example.com"]),
    path: fc.array(piece, { minLength: 1, maxLength: 3 }).map((pieces) => `/${pieces.join("/")}`),
    query: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, fc.array(pair, { maxLength: 2 })),
    as: fc.constantFrom("reader" as const, "writer" as const, "sandbox" as const, "supervisor" as const),
    headers: mostly([[], ["accept"]], [["authorization"], ["x-api-key"], ["cookie", "accept"]]),
  })
  .map(({ path, query, ...rest }) => ({ ...rest, target: query.length > 0 ? `${path}?${query.join("&")}` : path }));

test("compiled and bound, a policy lets through exactly what its rules mean", () => {
  let granted = 0;
  const lists = fc.record({
    reader: fc.array(rule, { maxLength: 4 }),
    writer: fc.array(rule, { maxLength: 2 }),
    sandbox: fc.array(rule, { maxLength: 2 }),
  });
  fc.assert(
    fc.property(lists, fc.array(request, { minLength: 20, maxLength: 20 }), (lists, requests) => {
      let policy: Policy;
      try {
        policy = policyOf(lists.reader, lists.writer, lists.sandbox);
      } catch (error) {
        if (!(error instanceof PolicyError)) throw error;
        return fc.pre(false);
      }
      const firewall = bound(policy);
      for (const sent of requests) {
        const expected = meaning(lists, sent);
        if (expected === "plain" || expected.startsWith("credentialed")) granted++;
        for (const reading of ["decoded", "raw"] as const) {
          const actual = outcome(firewall, sent, reading).replace(/^answered\(\d+\)$/, "answered");
          expect(actual, `${JSON.stringify(sent)}, query ${reading}`).toBe(expected);
        }
      }
    }),
    { numRuns: 400 },
  );
  expect(granted).toBeGreaterThan(500);
});

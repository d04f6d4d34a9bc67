import { describe, expect, test } from "vitest";
import { PolicyError } from "./errors.ts";
import { evaluate, type Outcome, type WireRequest } from "./evaluate.ts";
import type { NetworkPolicy, NetworkPolicyMatch } from "./network-policy.ts";

const HOST = "api.a.example";
const inject = (value = "Bearer x") => ({
  transform: [{ headers: { Authorization: value, Host: HOST } }],
});
const refuse = { response: { statusCode: 403, body: "no", contentType: "text/plain" } };

function send(target: string, more: Partial<WireRequest> = {}): WireRequest {
  return { method: "GET", host: HOST, target, headers: [], ...more };
}

/** Whether a request meets a condition, told by the credential that it then gets. */
function meets(match: NetworkPolicyMatch, request: WireRequest, query: "decoded" | "raw" = "decoded"): boolean {
  return (
    evaluate({ allow: { [HOST]: [{ match, ...inject() }, refuse] } }, request, { query }).outcome.kind ===
    "credentialed"
  );
}

const header = (...pairs: [string, string][]) => send("/", { headers: pairs });

describe("a condition holds", () => {
  test.each<[string, NetworkPolicyMatch, WireRequest]>([
    ["none: everything", {}, send("/x", { method: "BREW" })],
    ["exact path", { path: { exact: "/v1" } }, send("/v1")],
    ["the query is no part of the path", { path: { exact: "/v1" } }, send("/v1?x=/v1")],
    ["a prefix is satisfied by an escaped dot segment", { path: { startsWith: "/v1/x/" } }, send("/v1/x/%2e%2e/y")],
    ["and by doubled slashes", { path: { startsWith: "/v1/" } }, send("/v1//y")],
    ["and by a path parameter", { path: { startsWith: "/v1/" } }, send("/v1/;x=1/y")],
    ["a regex is not anchored", { path: { regex: "b" } }, send("/abc")],
    ["(?i)", { path: { regex: "(?i)^/ABC$" } }, send("/aBc")],
    ["\\z", { path: { regex: "^/abc\\z" } }, send("/abc")],
    ["(?P<name>)", { path: { regex: "^/(?P<id>[0-9]+)$" } }, send("/42")],
    ["classes", { path: { regex: "^/[[:alpha:]]+\\d$" } }, send("/ab1")],
    ["one of the methods", { method: ["GET", "HEAD"] }, send("/", { method: "HEAD" })],
    [
      "header names in any case",
      { headers: [{ key: { exact: "X-Team" }, value: { exact: "a" } }] },
      header(["x-tEAM", "a"]),
    ],
    ["header names by prefix in any case", { headers: [{ key: { startsWith: "X-T" } }] }, header(["x-team", ""])],
    ["header names by regex", { headers: [{ key: { regex: "(?i)^X-TEAM$" } }] }, header(["X-Team", ""])],
    [
      "any of repeated headers",
      { headers: [{ key: { exact: "a" }, value: { exact: "2" } }] },
      header(["a", "1"], ["A", "2"]),
    ],
    ["a header by its value alone", { headers: [{ value: { startsWith: "Bearer " } }] }, header(["x", "Bearer y"])],
    [
      "several header entries, by different headers",
      { headers: [{ key: { exact: "a" } }, { key: { exact: "b" } }] },
      header(["b", ""], ["a", ""]),
    ],
    [
      "any of repeated query keys",
      { queryString: [{ key: { exact: "a" }, value: { exact: "2" } }] },
      send("/?a=1&a=2"),
    ],
    ["a query key without value", { queryString: [{ key: { exact: "a" }, value: { exact: "" } }] }, send("/?a")],
    ["an encoded query key, decoded", { queryString: [{ key: { exact: "a[]" } }] }, send("/?a%5B%5D=1")],
    ["a matcher without a kind", { path: {}, queryString: [] }, send("/")],
  ])("%s", (_, match, request) => expect(meets(match, request)).toBe(true));

  test("of an encoded query key, raw", () => {
    expect(meets({ queryString: [{ key: { exact: "a%5B%5D" } }] }, send("/?a%5B%5D=1"), "raw")).toBe(true);
  });
});

describe("a condition does not hold", () => {
  test.each<[string, NetworkPolicyMatch, WireRequest]>([
    ["paths are case-sensitive", { path: { exact: "/v1" } }, send("/V1")],
    ["paths are not decoded", { path: { exact: "/a b" } }, send("/a%20b")],
    ["paths are not resolved", { path: { exact: "/v1" } }, send("/x/../v1")],
    ["a line break is no end of text", { path: { regex: "^/v1$" } }, send("/v1\n")],
    ["methods are case-sensitive", { method: ["get"] }, send("/")],
    ["no method", { method: [] }, send("/")],
    [
      "header values are case-sensitive",
      { headers: [{ key: { exact: "a" }, value: { exact: "x" } }] },
      header(["a", "X"]),
    ],
    [
      "key and value of different headers",
      { headers: [{ key: { exact: "a" }, value: { exact: "2" } }] },
      header(["a", "1"], ["b", "2"]),
    ],
    ["one of two header entries", { headers: [{ key: { exact: "a" } }, { key: { exact: "b" } }] }, header(["a", ""])],
    ["query keys are case-sensitive", { queryString: [{ key: { exact: "a" } }] }, send("/?A=1")],
    ["query values are case-sensitive", { queryString: [{ value: { exact: "x" } }] }, send("/?a=X")],
    ["no query at all", { queryString: [{}] }, send("/?")],
    ["method and path, of which one holds", { method: ["POST"], path: { exact: "/" } }, send("/")],
  ])("%s", (_, match, request) => expect(meets(match, request)).toBe(false));

  test("of an encoded query key, raw", () => {
    expect(meets({ queryString: [{ key: { exact: "a[]" } }] }, send("/?a%5B%5D=1"), "raw")).toBe(false);
  });
});

test.each(["(?=a)", "(?!a)", "(?<=a)b", "(a)\\1", "a++", "("])("RE2 refuses %s, and the place is told", (regex) => {
  const policy = { allow: { [HOST]: [refuse, { match: { path: { regex } }, ...inject() }].toReversed() } };
  expect(() => evaluate(policy, send("/"))).toThrow(PolicyError);
  expect(() => evaluate(policy, send("/"))).toThrow(/allow\["api\.a\.example"\]\[0\]: RE2 refuses/);
});

describe("the key that holds for a host", () => {
  const rules = (name: string) => [{ response: { statusCode: 200, body: name, contentType: "text/plain" } }];
  const keys = [
    "*",
    "*.b.example",
    "a.b.example",
    "*.x.b.example",
    "www.*.example",
    "API.Up.example",
    "*.mid.*.example",
  ];
  const policy: NetworkPolicy = { allow: Object.fromEntries(keys.map((key) => [key, rules(key)])) };
  test.each([
    ["a.b.example", "a.b.example"],
    ["A.B.EXAMPLE", "a.b.example"],
    ["c.b.example", "*.b.example"],
    ["d.c.b.example", "*.b.example"],
    ["c.x.b.example", "*.x.b.example"],
    ["x.b.example", "*.b.example"],
    ["b.example", "*"],
    ["www.shop.example", "www.*.example"],
    ["www.api.shop.example", "*"],
    ["www.example", "*"],
    ["api.up.example", "API.Up.example"],
    ["a.b.mid.c.example", "*.mid.*.example"],
    ["mid.c.example", "*"],
    ["xb.example", "*"],
  ])("%s: %s", (host, key) => expect(evaluate(policy, send("/", { host })).domain).toBe(key));
});

describe("what becomes of a request", () => {
  const guest: [string, string][] = [
    ["Authorization", "mine"],
    ["cookie", "mine"],
    ["accept", "*/*"],
  ];
  const open: Outcome = { kind: "plain", hostFree: true };
  const passed: Outcome = { kind: "plain", hostFree: true, opaque: true };
  test.each<[string, NetworkPolicy, WireRequest, Outcome]>([
    ["deny-all", "deny-all", send("/"), { kind: "denied" }],
    ["an empty policy", {}, send("/"), { kind: "denied" }],
    ["no keys", { allow: {} }, send("/"), { kind: "denied" }],
    ["an empty list", { allow: [] }, send("/"), { kind: "denied" }],
    ["only addresses denied", { subnets: { deny: ["10.0.0.0/8"] } }, send("/"), { kind: "denied" }],
    ["another host", { allow: { "b.example": [] } }, send("/"), { kind: "denied" }],
    ["allow-all", "allow-all", send("/"), passed],
    ["a list of hosts", { allow: [HOST] }, send("/"), passed],
    ["a key without rules", { allow: { [HOST]: [] } }, send("/"), passed],
    ["no rule matches", { allow: { [HOST]: [{ match: { method: ["PUT"] }, ...refuse }] } }, send("/"), open],
    ["a response", { allow: { [HOST]: [refuse, inject()] } }, send("/"), { kind: "answered", status: 403 }],
    [
      "the first of two rules",
      { allow: { [HOST]: [inject("a"), inject("b")] } },
      send("/"),
      { kind: "credentialed", credentials: ["authorization#1"] },
    ],
    [
      "guest headers that nothing overwrites",
      { allow: { [HOST]: [{ transform: [{ headers: { "X-Api-Key": "k" } }] }] } },
      send("/", { headers: [...guest, ["x-api-key", "mine"]] }),
      { kind: "credentialed", credentials: ["x-api-key#1"], guestHeaders: ["authorization", "cookie"], hostFree: true },
    ],
    [
      "guest headers that a rule overwrites in another case",
      { allow: { [HOST]: [{ transform: [{ headers: { COOKIE: "k" } }, { headers: { host: HOST.toUpperCase() } }] }] } },
      send("/", { headers: guest }),
      { kind: "credentialed", credentials: ["cookie#1"], guestHeaders: ["authorization"] },
    ],
    [
      "Host pinned to another site",
      { allow: { [HOST]: [{ transform: [{ headers: { Host: "b.example" } }] }] } },
      send("/"),
      { kind: "plain", to: "https://b.example" },
    ],
    ["a transform of nothing", { allow: { [HOST]: [{ transform: [] }] } }, send("/"), open],
    [
      "a proxy",
      { allow: { [HOST]: [{ forwardURL: "https://proxy.example/in" }] } },
      send("/", { headers: guest }),
      { kind: "forwarded", to: "https://proxy.example/in", hostFree: true, guestHeaders: ["authorization", "cookie"] },
    ],
  ])("%s", (_, policy, request, outcome) => expect(evaluate(policy, request).outcome).toEqual(outcome));

  test("a credential keeps its label wherever it is used, and tells nothing of its value", () => {
    const rules = ["one", "two", "one"].map((value, i) => ({ match: { path: { exact: `/${i}` } }, ...inject(value) }));
    const labels = ["/0", "/1", "/2"].map(
      (target) => evaluate({ allow: { [HOST]: rules } }, send(target)).outcome.credentials,
    );
    expect(labels).toEqual([["authorization#1"], ["authorization#2"], ["authorization#1"]]);
  });
});

test("a decision names the key, the rule, its principal and the reason", () => {
  const rule = { transform: [{ headers: { "X-Handrail-Principal": "lookup" } }] };
  const decision = evaluate({ allow: { [HOST]: [{ match: { method: ["PUT"] }, ...refuse }, rule] } }, send("/"));
  expect(decision).toMatchObject({
    domain: HOST,
    index: 1,
    rule,
    principal: "lookup",
    why: expect.stringContaining("rule 1"),
  });
});

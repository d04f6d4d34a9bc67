/** Pairs of policies, one for each thing that `compare` must get right. What it answers lies in `policies/goldens`. */
import { compile } from "../compile.ts";
import { definePolicy } from "../define.ts";
import type { NetworkPolicy, NetworkPolicyMatch, NetworkPolicyRule } from "../network-policy.ts";
import type { PolicyInput } from "../policy.ts";
import type { Verdict } from "./comparison.ts";
import type { Side } from "./sides.ts";

/** A golden case. The verdict is written by hand; the rest of the answer is in the file of that name. */
export interface GoldenCase {
  readonly name: string;
  readonly verdict: Verdict;
  readonly before: NetworkPolicy | PolicyInput;
  readonly after: NetworkPolicy | PolicyInput;
}

const HOST = "api.a.example";
const pass: NetworkPolicyRule = { transform: [{ headers: { Host: HOST } }] };
const inject = (value = "Bearer one", header = "Authorization"): NetworkPolicyRule => ({
  transform: [{ headers: { [header]: value, Host: HOST } }],
});
const refuse: NetworkPolicyRule = { response: { statusCode: 403, body: "no", contentType: "text/plain" } };
/** One host that lets through what matches, and refuses the rest. */
const only = (...matches: NetworkPolicyMatch[]): NetworkPolicy => ({
  allow: { [HOST]: [...matches.map((match) => ({ match, ...pass })), refuse] },
});
const path = (regex: string): NetworkPolicy => only({ path: { regex } });
/** Passes with whatever Host the guest sends. */
const open: NetworkPolicyRule = { transform: [] };
const forHost = (host: string): NetworkPolicyMatch => ({
  headers: [{ key: { exact: "host" }, value: { exact: host } }],
});
const at = (rules: NetworkPolicyRule[], key = HOST): NetworkPolicy => ({ allow: { [key]: rules } });

const agent = (
  lookup: readonly object[],
  more: { sandbox?: readonly object[]; setup?: readonly object[]; form?: object } = {},
): PolicyInput =>
  ({
    agent: "desk",
    variables: { customer: { source: "metadata.customer", example: "cus_42" } },
    credentials: {
      crm: { form: more.form ?? { type: "bearer" }, source: { type: "secret", name: "crmToken" } },
      "crm-write": { form: { type: "bearer" }, source: { type: "secret", name: "crmWriteToken" } },
    },
    tools: {
      lookup: { kind: "api", network: "own", allow: lookup },
      note: { kind: "api", network: "own", allow: [] },
    },
    ...(more.sandbox && { sandbox: more.sandbox }),
    ...(more.setup && { setup: more.setup }),
  }) as unknown as PolicyInput;
const customer = { methods: ["GET"], host: "api.crm.example", path: "/v1/customers/{customer}", credential: "crm" };
const orders = { ...customer, path: "/v1/customers/{customer}/orders" };
const anyCustomer = { ...customer, path: "/v1/customers/{id}", modelChooses: ["id"] };
const registry = { methods: ["GET"], host: "packages.example" };

const a = { path: { startsWith: "/a" } };
const ab = { path: { startsWith: "/ab" } };

/** Every case, by what it is about. */
export const GOLDEN_CASES: readonly GoldenCase[] = [
  // Rules of one host.
  { name: "the same policy", verdict: "equivalent", before: only(a), after: only(a) },
  {
    name: "rules that only change order",
    verdict: "equivalent",
    before: only({ path: { exact: "/a" } }, { path: { exact: "/b" } }),
    after: only({ path: { exact: "/b" } }, { path: { exact: "/a" } }),
  },
  {
    name: "rule order decides where two rules meet",
    verdict: "narrower",
    before: at([{ match: ab, ...inject("secret", "X-Service-Key") }, { match: a, ...pass }, refuse]),
    after: at([{ match: a, ...pass }, { match: ab, ...inject("secret", "X-Service-Key") }, refuse]),
  },
  {
    name: "a shadowed rule is none",
    verdict: "equivalent",
    before: at([{ match: a, ...refuse }, pass]),
    after: at([{ match: a, ...refuse }, { match: ab, ...inject() }, pass]),
  },
  {
    name: "a rule without match decides everything after it",
    verdict: "narrower",
    before: at([{ match: a, ...pass }, refuse]),
    after: at([refuse, { match: a, ...pass }]),
  },
  {
    name: "what matches no rule goes out plain",
    verdict: "wider",
    before: at([{ match: a, ...inject() }, refuse]),
    after: at([{ match: a, ...inject() }]),
  },
  { name: "an empty match is none", verdict: "equivalent", before: at([pass]), after: at([{ match: {}, ...pass }]) },
  {
    name: "an empty matcher holds for everything",
    verdict: "equivalent",
    before: at([pass]),
    after: at([{ match: { path: {} }, ...pass }]),
  },
  {
    name: "an empty list of methods holds for none",
    verdict: "narrower",
    before: only({}),
    after: only({ method: [] }),
  },
  { name: "an answer is no authority", verdict: "equivalent", before: at([refuse]), after: { allow: {} } },
  {
    name: "what an answer says does not matter",
    verdict: "equivalent",
    before: at([refuse]),
    after: at([{ response: { statusCode: 418 } }]),
  },
  { name: "empty objects deny everything", verdict: "equivalent", before: {}, after: "deny-all" },
  { name: "an empty list denies everything", verdict: "equivalent", before: { allow: [] }, after: { subnets: {} } },
  { name: "a list of hosts is keys without rules", verdict: "equivalent", before: { allow: [HOST] }, after: at([]) },

  // Hosts.
  {
    name: "a host more",
    verdict: "wider",
    before: at([pass]),
    after: { allow: { [HOST]: [pass], "b.example": [refuse, pass], "c.example": [pass] } },
  },
  {
    name: "an exact key beats a wildcard",
    verdict: "narrower",
    before: { allow: { "*.a.example": [inject()] } },
    after: { allow: { "*.a.example": [inject()], [HOST]: [refuse] } },
  },
  {
    name: "the apex is not below a leading wildcard",
    verdict: "incomparable",
    before: { allow: { "a.example": [] } },
    after: { allow: { "*.a.example": [] } },
  },
  {
    name: "a leading wildcard has any depth",
    verdict: "wider",
    before: { allow: { "www.*.a.example": [] } },
    after: { allow: { "*.a.example": [] } },
  },
  {
    name: "a wildcard in the middle is one label",
    verdict: "equivalent",
    before: { allow: { "www.*.example": [refuse] } },
    after: { allow: { "www.*.example": [refuse], "www.b.c.example": [refuse] } },
  },
  {
    name: "a host that a wildcard in the middle does not reach",
    verdict: "wider",
    before: { allow: { "www.*.example": [] } },
    after: { allow: { "www.*.example": [], "www.b.c.example": [] } },
  },
  {
    name: "names resolve below a wildcard even if every request is refused",
    verdict: "wider",
    before: { allow: { [HOST]: [refuse] } },
    after: { allow: { "*.a.example": [refuse] } },
  },
  { name: "keys in another case", verdict: "equivalent", before: at([pass]), after: at([pass], "API.A.example") },
  {
    name: "a key that no host has",
    verdict: "equivalent",
    before: at([pass]),
    after: { allow: { [HOST]: [pass], "https://b.example": [] } },
  },
  {
    name: "a wildcard within a label",
    verdict: "incomparable",
    before: at([pass]),
    after: { allow: { [HOST]: [pass], "api*.b.example": [] } },
  },
  { name: "allow-all lies above every host", verdict: "wider", before: { allow: { "*": [] } }, after: "allow-all" },
  { name: "from nothing to everything", verdict: "wider", before: "deny-all", after: "allow-all" },

  // Methods and paths.
  {
    name: "a method more",
    verdict: "wider",
    before: only({ method: ["GET"] }),
    after: only({ method: ["GET", "DELETE"] }),
  },
  {
    name: "methods are case-sensitive",
    verdict: "incomparable",
    before: only({ method: ["GET"] }),
    after: only({ method: ["get"] }),
  },
  {
    name: "every method but the known ones",
    verdict: "narrower",
    before: at([pass]),
    after: at([{ match: { method: ["GET"] }, ...pass }, { match: { method: ["PURGE"] }, ...pass }, refuse]),
  },
  {
    name: "paths are case-sensitive",
    verdict: "incomparable",
    before: only({ path: { exact: "/V1" } }),
    after: only({ path: { exact: "/v1" } }),
  },
  {
    name: "paths are raw: an escaped dot segment",
    verdict: "narrower",
    before: only({ path: { startsWith: "/v1/" } }),
    after: at([
      { match: { path: { regex: "(?i)%2e" } }, ...refuse },
      { match: { path: { startsWith: "/v1/" } }, ...pass },
      refuse,
    ]),
  },
  {
    name: "paths are raw: empty segments",
    verdict: "wider",
    before: path("^/v1/[a-z]+$"),
    after: path("^/v1/+[a-z]+$"),
  },
  {
    name: "paths are raw: parameters of old",
    verdict: "wider",
    before: path("^/v1/[a-z]+$"),
    after: path("^/v1/[a-z;]+$"),
  },
  { name: "a regular expression is not anchored", verdict: "wider", before: path("^/v1$"), after: path("/v1") },
  { name: "(?i)", verdict: "wider", before: path("^/v1/abc$"), after: path("(?i)^/v1/abc$") },
  { name: "classes", verdict: "equivalent", before: path("^/[[:digit:]]{2}$"), after: path("^/\\d[0-9]$") },
  { name: "the end of the text", verdict: "equivalent", before: path("^/v1$"), after: path("\\A/v1\\z") },
  {
    name: "the end of a line is the end of the path, which has no line breaks",
    verdict: "equivalent",
    before: path("^/v1$"),
    after: path("(?m)^/v1$"),
  },
  { name: "named groups", verdict: "equivalent", before: path("^/([0-9]+)$"), after: path("^/(?P<id>[0-9]+)$") },
  { name: "word boundaries", verdict: "narrower", before: path("v1"), after: path("\\bv1\\b") },
  {
    name: "the same language, written otherwise",
    verdict: "equivalent",
    before: path("^/(a|b)*$"),
    after: path("^/(?:a*b*)*$"),
  },
  {
    name: "a character that cannot be sent in a path",
    verdict: "equivalent",
    before: only(a),
    after: only(a, { path: { regex: "[\\n\\x00 é]" } }),
  },
  {
    name: "a path that does not begin with a slash",
    verdict: "equivalent",
    before: only(a),
    after: only(a, { path: { regex: "^[^/]" } }),
  },

  // Headers and queries.
  {
    name: "header names are case-insensitive",
    verdict: "equivalent",
    before: only({ headers: [{ key: { exact: "X-Team" } }] }),
    after: only({ headers: [{ key: { exact: "x-team" } }] }),
  },
  {
    name: "header values are case-sensitive",
    verdict: "incomparable",
    before: only({ headers: [{ key: { exact: "x-team" }, value: { exact: "A" } }] }),
    after: only({ headers: [{ key: { exact: "x-team" }, value: { exact: "a" } }] }),
  },
  {
    name: "every header entry must hold",
    verdict: "narrower",
    before: only({ headers: [{ key: { exact: "x-a" } }] }),
    after: only({ headers: [{ key: { exact: "x-a" } }, { key: { exact: "x-b" } }] }),
  },
  {
    name: "any of repeated headers is enough",
    verdict: "wider",
    before: at([
      { match: { headers: [{ key: { exact: "x-a" }, value: { regex: "^[^1]*$" } }] }, ...refuse },
      { match: { headers: [{ key: { exact: "x-a" }, value: { exact: "1" } }] }, ...pass },
      refuse,
    ]),
    after: only({ headers: [{ key: { exact: "x-a" }, value: { exact: "1" } }] }),
  },
  {
    name: "two entries may be met by two headers",
    verdict: "wider",
    before: only({ headers: [{ key: { exact: "x-a" }, value: { regex: "^1.*2$" } }] }),
    after: only({
      headers: [
        { key: { exact: "x-a" }, value: { startsWith: "1" } },
        { key: { exact: "x-a" }, value: { regex: "2$" } },
      ],
    }),
  },
  {
    name: "a header that every request has",
    verdict: "equivalent",
    before: only({}),
    after: only({ headers: [{ key: { exact: "Host" } }] }),
  },
  {
    name: "any of repeated query keys is enough",
    verdict: "wider",
    before: at([
      { match: { queryString: [{ key: { exact: "service" }, value: { exact: "push" } }] }, ...refuse },
      { match: { queryString: [{ key: { exact: "service" }, value: { exact: "fetch" } }] }, ...pass },
      refuse,
    ]),
    after: only({ queryString: [{ key: { exact: "service" }, value: { exact: "fetch" } }] }),
  },
  {
    name: "every query entry must hold",
    verdict: "narrower",
    before: only({ queryString: [{ key: { exact: "a" } }] }),
    after: only({ queryString: [{ key: { exact: "a" } }, { key: { exact: "b" } }] }),
  },
  {
    name: "whether a query is decoded is not documented",
    verdict: "incomparable",
    before: only({ queryString: [{ key: { exact: "a[]" } }] }),
    after: only({ queryString: [{ key: { exact: "a%5B%5D" } }] }),
  },
  {
    name: "the query is no part of the path",
    verdict: "equivalent",
    before: only(a),
    after: only(a, { path: { regex: "[?]" } }),
  },

  // What becomes of a request.
  {
    name: "a credential more, and the guest's own header is lost",
    verdict: "incomparable",
    before: at([pass]),
    after: at([inject()]),
  },
  {
    name: "a credential in a header that guests bring no identity by",
    verdict: "wider",
    before: at([pass]),
    after: at([inject("secret", "X-Service-Key")]),
  },
  {
    name: "another credential in the same header",
    verdict: "incomparable",
    before: at([inject("Bearer one")]),
    after: at([inject("Bearer two")]),
  },
  { name: "Host is no longer pinned", verdict: "wider", before: at([pass]), after: at([{ transform: [] }]) },
  {
    name: "Host names another site",
    verdict: "incomparable",
    before: at([pass]),
    after: at([{ transform: [{ headers: { Host: "b.example" } }] }]),
  },
  { name: "a connection that is terminated now", verdict: "narrower", before: at([]), after: at([pass]) },
  {
    name: "without rules TLS is not terminated, so no path rule can hold",
    verdict: "incomparable",
    before: at([]),
    after: at([inject()]),
  },
  {
    name: "a proxy instead of the host",
    verdict: "incomparable",
    before: at([pass]),
    after: at([{ forwardURL: "https://proxy.example/in" }]),
  },
  {
    name: "another proxy",
    verdict: "incomparable",
    before: at([{ forwardURL: "https://proxy.example/in" }]),
    after: at([{ forwardURL: "https://proxy.example/out" }]),
  },
  {
    name: "a guest header that is refused now",
    verdict: "narrower",
    before: at([pass]),
    after: at([{ match: { headers: [{ key: { exact: "Cookie" } }] }, ...refuse }, pass]),
  },

  // Addresses.
  {
    name: "subnets beside domains",
    verdict: "wider",
    before: at([pass]),
    after: { allow: { [HOST]: [pass] }, subnets: { allow: ["10.0.0.0/8"] } },
  },
  {
    name: "a smaller range of addresses",
    verdict: "narrower",
    before: { subnets: { allow: ["10.0.0.0/8"] } },
    after: { subnets: { allow: ["10.1.0.0/16"] } },
  },
  {
    name: "the same addresses, written otherwise",
    verdict: "equivalent",
    before: { subnets: { allow: ["10.0.0.0/8"] } },
    after: { subnets: { allow: ["10.0.0.0/9", "10.128.0.0/9"] } },
  },
  {
    name: "addresses that are denied",
    verdict: "narrower",
    before: at([pass]),
    after: { allow: { [HOST]: [pass] }, subnets: { deny: ["10.0.0.0/8"] } },
  },
  {
    name: "addresses denied without anything allowed",
    verdict: "equivalent",
    before: "deny-all",
    after: { subnets: { deny: ["10.0.0.0/8"] } },
  },

  // What several hosts or conditions have in common.
  {
    name: "a host more by the header Host below a wildcard",
    verdict: "wider",
    before: at([{ match: forHost("x.a.example"), ...open }, refuse], "*.a.example"),
    after: at(
      [{ match: forHost("x.a.example"), ...open }, { match: forHost("y.a.example"), ...open }, refuse],
      "*.a.example",
    ),
  },
  {
    name: "conditions on Host below a wildcard in another order",
    verdict: "equivalent",
    before: at(
      [{ match: forHost("x.a.example"), ...open }, { match: forHost("y.a.example"), ...open }, refuse],
      "*.a.example",
    ),
    after: at(
      [{ match: forHost("y.a.example"), ...open }, { match: forHost("x.a.example"), ...open }, refuse],
      "*.a.example",
    ),
  },
  {
    name: "names of a kind are refused below everything",
    verdict: "narrower",
    before: at([open], "*"),
    after: at(
      [{ match: { headers: [{ key: { exact: "host" }, value: { regex: "\\.internal$" } }] }, ...refuse }, open],
      "*",
    ),
  },
  {
    name: "a header name by a regular expression in any case",
    verdict: "wider",
    before: at([refuse]),
    after: only({ headers: [{ key: { regex: "^X-Team$" } }] }),
  },
  {
    name: "two credentials in one request",
    verdict: "wider",
    before: "deny-all",
    after: at([{ transform: [{ headers: { "X-A": "1", "X-B": "2", Host: HOST } }] }]),
  },
  {
    name: "one header meets two conditions",
    verdict: "wider",
    before: at([refuse]),
    after: only({ headers: [{ key: { exact: "x-a" } }, { key: { exact: "x-a" }, value: { startsWith: "2" } }] }),
  },
  {
    name: "one parameter meets two conditions",
    verdict: "wider",
    before: at([refuse]),
    after: only({ queryString: [{}, { key: { exact: "q" }, value: { exact: "A" } }] }),
  },
  {
    name: "a key with a port",
    verdict: "incomparable",
    before: at([pass]),
    after: { allow: { [HOST]: [pass], "b.example:443": [] } },
  },
  {
    name: "a key with a final dot",
    verdict: "incomparable",
    before: at([pass]),
    after: { allow: { [HOST]: [pass], "b.example.": [] } },
  },
  {
    name: "a key goes where two wildcards overlap",
    verdict: "equivalent",
    before: { allow: { "x.*.example": [pass], "*.a.example": [refuse], "x.a.example": [refuse] } },
    after: { allow: { "x.*.example": [pass], "*.a.example": [refuse] } },
  },

  // Policies of agents.
  { name: "a route more for a tool", verdict: "wider", before: agent([customer]), after: agent([customer, orders]) },
  {
    name: "a bound variable becomes the model's choice",
    verdict: "wider",
    before: agent([customer]),
    after: agent([anyCustomer]),
  },
  {
    name: "a query parameter more",
    verdict: "wider",
    before: agent([customer]),
    after: agent([{ ...customer, query: ["expand"] }]),
  },
  {
    name: "another credential on the same route",
    verdict: "incomparable",
    before: agent([customer]),
    after: agent([{ ...customer, credential: "crm-write" }]),
  },
  {
    name: "a credential of the same name in another form",
    verdict: "incomparable",
    before: agent([customer]),
    after: agent([customer], { form: { type: "basic", username: "desk" } }),
  },
  {
    name: "a credential is added on a guarded route",
    verdict: "wider",
    before: agent([{ ...customer, credential: undefined }]),
    after: agent([customer]),
  },
  {
    name: "what the sandbox gains is told once",
    verdict: "wider",
    before: agent([customer]),
    after: agent([customer], { sandbox: [registry] }),
  },
  {
    name: "set-up is a phase of its own",
    verdict: "incomparable",
    before: agent([customer], { sandbox: [registry] }),
    after: agent([customer], { setup: [registry] }),
  },
  { name: "a path of a tool moves", verdict: "incomparable", before: agent([customer]), after: agent([orders]) },
];

/** A policy of a case, as a side to compare. */
export function sideOf(policy: GoldenCase["before"]): Side {
  if (typeof policy === "string" || !("agent" in policy)) return { kind: "raw", policy };
  const defined = definePolicy(policy);
  return { kind: "locks", locks: [{ lock: compile(defined), examples: { customer: "cus_42" } }], whole: false };
}

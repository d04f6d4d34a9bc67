import fc from "fast-check";
import { expect, test } from "vitest";
import { compile } from "../compile.ts";
import { definePolicy } from "../define.ts";
import { PolicyError } from "../errors.ts";
import { evaluate, transformHeaders, type WireRequest } from "../evaluate.ts";
import type { NetworkPolicy, NetworkPolicyMatcher, NetworkPolicyRule } from "../network-policy.ts";
import type { PolicyInput } from "../policy.ts";
import { TICKET_HEADER } from "../ticket.ts";
import { compare } from "./compare.ts";
import type { Comparison, Verdict } from "./comparison.ts";
import type { Ground } from "./ground.ts";
import { matchesOf, type Side } from "./sides.ts";

// A few seconds by default; as many pairs as wanted where this is set.
const RUNS = Number(process.env.HANDRAIL_DIFFERENTIAL_RUNS ?? 500);
const TIMEOUT_MS = 60_000 + RUNS * 100;

const HOSTS = ["a.example", "b.a.example", "x.b.a.example", "www.shop.example", "www.a.example", "elsewhere.example"];
const SEGMENTS = ["", "a", "b", "A", "ab", "42", ".", "..", "%2e", "a;b", "a.b"];

const pick = <T>(...values: T[]) => fc.constantFrom(...values);
const optional = <T>(value: fc.Arbitrary<T>, freq: number) => fc.option(value, { nil: undefined, freq });

const path: fc.Arbitrary<NetworkPolicyMatcher> = fc.oneof(
  fc.record({ exact: pick("/", "/a", "/a/b", "/b", "/A", "a", "/a\n") }),
  fc.record({ startsWith: pick("/", "/a", "/a/", "/b", "") }),
  fc.record({
    regex: pick(
      ..."^/a$ ^/a/[a-z]+$ (?i)^/A b$ ^/(?:a|b)*$ [.] %2e // \\A/a\\z (?P<x>b) ^/[^/]+$ ^/[[:alpha:]]+$ \\bb ^/a|b$ . x? (?m)^/b$ ^[^/] a{2,3} [^\\x00-\\x7f] ; (?s:.)$ ^/\\w+/\\d+$ \\Ba".split(
        " ",
      ),
      "[^/]*\n",
      "",
    ),
  }),
  fc.constant({}),
);
const text: fc.Arbitrary<NetworkPolicyMatcher> = fc.oneof(
  fc.record({ exact: pick("a", "b", "1", "", "A", "a[]") }),
  fc.record({ startsWith: pick("a", "1", "") }),
  fc.record({ regex: pick("^a", "(?i)^a$", "^[^a]*$", "b|1", "^.*$", "", "^\\d+$", "^x-") }),
  fc.constant({}),
);
const headerName: fc.Arbitrary<NetworkPolicyMatcher> = fc.oneof(
  fc.record({ exact: pick("X-A", "x-b", "Cookie", "authorization", "x-api-key", "Host") }),
  fc.record({ startsWith: pick("X-", "c") }),
  fc.record({ regex: pick("^x-", "(?i)^X-A$", "^[^x]", "^(?:authorization|cookie)$", "^X-A$") }),
);
const entry = (name: fc.Arbitrary<NetworkPolicyMatcher>) =>
  fc.record({ key: optional(name, 6), value: optional(text, 2) }, { requiredKeys: [] });

const match = fc.record(
  {
    path: path,
    method: fc.subarray(["GET", "POST", "get", "PUT"]),
    queryString: fc.array(entry(text), { maxLength: 2 }),
    headers: fc.array(entry(headerName), { maxLength: 2 }),
  },
  { requiredKeys: [] },
);
const handler: fc.Arbitrary<NetworkPolicyRule> = fc.oneof(
  pick({ response: { statusCode: 403 } }, { response: { statusCode: 400 } }),
  fc
    .record(
      {
        Host: pick("a.example", "b.a.example", "evil.example"),
        Authorization: pick("one", "two"),
        cookie: pick("one"),
        "X-Service-Key": pick("one", "two"),
        "x-handrail-principal": pick("sandbox", "tool"),
      },
      { requiredKeys: [] },
    )
    .map((headers) => ({ transform: [{ headers }] })),
  pick<NetworkPolicyRule>(
    { forwardURL: "https://one.example" },
    { forwardURL: "https://two.example" },
    { transform: [] },
  ),
);
const rule = fc
  .tuple(optional(match, 5), handler)
  .map(([match, handler]): NetworkPolicyRule => ({ ...(match && { match }), ...handler }));
const key = pick(
  "a.example",
  "b.a.example",
  "A.example",
  "*.a.example",
  "www.*.example",
  "*",
  "*.b.a.example",
  "*.example",
);
const rules = fc.array(rule, { maxLength: 4 });
const policy: fc.Arbitrary<NetworkPolicy> = fc.oneof(
  { weight: 20, arbitrary: fc.dictionary(key, rules, { maxKeys: 3 }).map((allow) => ({ allow })) },
  { weight: 1, arbitrary: pick<NetworkPolicy>("allow-all", "deny-all", { allow: ["a.example", "*.a.example"] }) },
);

/** Small changes of rules, as a pull request makes them. */
const edit = fc.record({
  kind: pick("drop", "swap", "repeat", "handler", "match", "insert"),
  key: fc.nat(),
  at: fc.nat(),
  rule,
});
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

function edited(policy: NetworkPolicy, { kind, key, at, rule }: Edit): NetworkPolicy {
  if (typeof policy === "string" || Array.isArray(policy.allow) || policy.allow === undefined) return policy;
  const keys = Object.keys(policy.allow);
  const name = keys[key % Math.max(1, keys.length)];
  if (name === undefined) return { allow: { "a.example": [rule] } };
  const rules = [...(policy.allow[name] ?? [])];
  const i = at % Math.max(1, rules.length);
  const here = rules[i];
  if (here === undefined || kind === "insert") rules.splice(i, 0, rule);
  else if (kind === "drop") rules.splice(i, 1);
  else if (kind === "swap") rules.push(...rules.splice(i, 1));
  else if (kind === "repeat") rules.push(here);
  else if (kind === "handler") rules[i] = { ...rule, match: here.match } as NetworkPolicyRule;
  else rules[i] = { ...here, match: rule.match } as NetworkPolicyRule;
  return { allow: { ...policy.allow, [name]: rules } };
}

const pair = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .tuple(policy, fc.array(edit, { minLength: 1, maxLength: 2 }))
      .map(([before, edits]) => [before, edits.reduce(edited, before)] as const),
  },
  { weight: 1, arbitrary: fc.tuple(policy, policy) },
);

const parameter = pick("a=1", "a", "b=a", "=1", "A=b", "a=a&a=1", "a%5B%5D=1", "1=42", "a=%0A", "");
const header = pick<readonly [string, string]>(
  ["X-A", "a"],
  ["x-a", "1"],
  ["x-b", "b"],
  ["cookie", "a"],
  ["Authorization", "b"],
  ["x-api-key", "1"],
  ["accept", "a"],
  ["proxy-authorization", ""],
);
const request = fc
  .record({
    method: pick("GET", "POST", "get", "PUT", "BREW"),
    host: pick(...HOSTS),
    path: fc.array(pick(...SEGMENTS), { minLength: 1, maxLength: 3 }).map((segments) => `/${segments.join("/")}`),
    query: optional(fc.array(parameter, { maxLength: 2 }), 2),
    headers: fc.array(header, { maxLength: 2 }),
  })
  .map(
    ({ path, query, headers, ...rest }): WireRequest => ({
      ...rest,
      target: query === undefined ? path : `${path}?${query.join("&")}`,
      headers: [["host", rest.host], ...headers],
    }),
  );

/** What the firewall does, and what that is worth: said again without languages, from one decision. */
function worth(policy: NetworkPolicy, request: WireRequest) {
  const { outcome, rule } = evaluate(policy, request);
  const { host, "x-handrail-principal": _, ...set } = rule ? transformHeaders(rule) : {};
  return { ...outcome, injected: Object.entries(set).map(([name, value]) => `${name}:${value}`), host };
}

function most(a: ReturnType<typeof worth>, b: ReturnType<typeof worth>, wildcard: boolean): boolean {
  const rank = { denied: 0, answered: wildcard ? 1 : 0, plain: 2, credentialed: 2, forwarded: 2 };
  if (rank[a.kind] !== rank[b.kind] || rank[a.kind] < 2) return rank[a.kind] <= rank[b.kind];
  const within = (x: readonly string[] = [], y: readonly string[] = []) => x.every((one) => y.includes(one));
  return (
    (a.kind === "forwarded") === (b.kind === "forwarded") &&
    a.to === b.to &&
    within(a.injected, b.injected) &&
    within(a.guestHeaders, b.guestHeaders) &&
    (!a.hostFree || b.hostFree === true) &&
    (!a.opaque || b.opaque === true)
  );
}

function isNamed(policies: readonly NetworkPolicy[], host: string): boolean {
  return policies.some((policy) => {
    if (typeof policy === "string" || policy.allow === undefined) return false;
    const keys = Array.isArray(policy.allow) ? policy.allow : Object.keys(policy.allow);
    return keys.some((key) => key.toLowerCase() === host);
  });
}

const side = (policy: NetworkPolicy) => ({ kind: "raw" as const, policy });
const SWAPPED: Record<Verdict, Verdict> = {
  equivalent: "equivalent",
  narrower: "wider",
  wider: "narrower",
  incomparable: "incomparable",
};

test("what compare says of two policies is what evaluate does with requests", { timeout: TIMEOUT_MS }, () => {
  const counts = {
    pairs: 0,
    requests: 0,
    witnesses: 0,
    differing: 0,
    equivalent: 0,
    narrower: 0,
    wider: 0,
    incomparable: 0,
    undecided: 0,
  };
  fc.assert(
    fc.property(pair, fc.array(request, { minLength: 30, maxLength: 30 }), ([before, after], requests) => {
      const comparison = compare(side(before), side(after));
      const { verdict, changes } = comparison;
      counts.pairs++;
      counts[verdict]++;
      counts.undecided += changes.filter(({ undecided }) => undecided !== undefined).length;
      expect(changes.filter(({ undecided }) => undecided?.startsWith("evaluate"))).toEqual([]);

      // Sound: no request differs in a direction that the verdict does not tell.
      for (const sent of requests) {
        counts.requests++;
        const [old, now] = [worth(before, sent), worth(after, sent)];
        const wildcard = !isNamed([before, after], sent.host);
        const [gains, loses] = [!most(now, old, wildcard), !most(old, now, wildcard)];
        if (!gains && !loses) continue;
        counts.differing++;
        const shown = `${JSON.stringify(sent)}: ${JSON.stringify(old)} -> ${JSON.stringify(now)}`;
        if (gains) expect(["wider", "incomparable"], shown).toContain(verdict);
        if (loses) expect(["narrower", "incomparable"], shown).toContain(verdict);
      }

      // Exact: every change has a request that differs so.
      for (const { witness, verdict, ...change } of changes) {
        if (witness === null) continue;
        counts.witnesses++;
        const [, host = "", target = ""] = /^https:\/\/([^/]+)(.*)$/.exec(witness.url) ?? [];
        const headers = Object.entries(witness.headers).flatMap(([name, value]) =>
          [value].flat().map((one): [string, string] => [name, one]),
        );
        const sent = { method: witness.method, host, target, headers };
        const [old, now] = [worth(before, sent), worth(after, sent)];
        expect([old.kind, now.kind]).toEqual([change.before.kind, change.after.kind]);
        const wildcard = !isNamed([before, after], host);
        const gains = !most(now, old, wildcard);
        const loses = !most(old, now, wildcard);
        expect(gains ? (loses ? "incomparable" : "wider") : loses ? "narrower" : "equivalent").toBe(verdict);
      }
      expect(compare(side(after), side(before)).verdict).toBe(SWAPPED[verdict]);

      // The same where requests are not divided into all their parts: other witnesses, but of the same changes.
      const searched = compare(side(before), side(after), { divided: 0 });
      const kinds = ({ verdict, changes }: Comparison) => [
        verdict,
        changes.map(({ witness, before, after, assumes, ...kind }) => kind),
      ];
      expect(kinds(searched)).toEqual(kinds(comparison));
    }),
    { numRuns: RUNS },
  );
  console.log(
    `differential: ${Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(", ")}`,
  );
  expect(counts.differing).toBeGreaterThan(RUNS / 10);
});

test("compare is reflexive, whatever the policy", { timeout: TIMEOUT_MS }, () => {
  fc.assert(
    fc.property(policy, (policy) => {
      expect(compare(side(policy), side(structuredClone(policy)))).toEqual({ verdict: "equivalent", changes: [] });
    }),
    { numRuns: Math.ceil(RUNS / 5) },
  );
});

test("compare is transitive: two steps down are a step down", { timeout: TIMEOUT_MS }, () => {
  const below = (verdict: Verdict) => verdict === "equivalent" || verdict === "narrower";
  let chains = 0;
  fc.assert(
    fc.property(policy, edit, edit, (first, one, other) => {
      const second = edited(first, one);
      const third = edited(second, other);
      const steps = [compare(side(first), side(second)).verdict, compare(side(second), side(third)).verdict];
      const whole = compare(side(first), side(third)).verdict;
      if (steps.every(below)) {
        chains++;
        expect(below(whole)).toBe(true);
      }
      if (steps.every((verdict) => verdict === "equivalent")) expect(whole).toBe("equivalent");
    }),
    { numRuns: Math.ceil(RUNS / 5) },
  );
  expect(chains).toBeGreaterThan(RUNS / 100);
});

// Policies of agents: what each principal may do, with its ticket or without it.
const allow = fc
  .record({
    host: pick("one.example.com", "two.example.com", "*.cdn.example.com"),
    methods: pick(["GET"], ["POST"], ["GET", "POST"]),
    path: optional(pick("/a", "/a/{x}", "/a/{customer}", "/{x}/b", "/{rest...}", "/a/b/"), 6),
    query: fc.subarray(["p", "q[]"]),
    credential: pick("crm", "key", undefined),
  })
  .map(({ credential, path, host, ...rest }) => ({
    ...rest,
    host,
    ...(path !== undefined && { path }),
    modelChooses: ["x", "rest"].filter((name) => path?.includes(`{${name}`)),
    ...(path !== undefined && credential !== undefined && !host.startsWith("*") && { credential }),
    reason: "generated",
  }));
const allows = fc.array(allow, { maxLength: 3 });
const agent = fc.record({ reader: allows, writer: allows, sandbox: fc.array(allow, { maxLength: 2 }) });
type Agent = typeof agent extends fc.Arbitrary<infer T> ? T : never;

function locked({ reader, writer, sandbox }: Agent): Side | null {
  try {
    const policy = definePolicy({
      agent: "desk",
      variables: { customer: { source: "metadata.customer", example: "cus_1" } },
      credentials: {
        crm: { form: { type: "bearer" }, source: { type: "secret", name: "crmToken" } },
        key: { form: { type: "header", name: "X-Api-Key" }, source: { type: "secret", name: "apiKey" } },
      },
      tools: {
        reader: { kind: "api", network: "own", allow: reader },
        writer: { kind: "api", network: "own", allow: writer },
      },
      sandbox,
    } as unknown as PolicyInput);
    return { kind: "locks", locks: [{ lock: compile(policy), examples: { customer: "cus_1" } }], whole: false };
  } catch (error) {
    if (error instanceof PolicyError) return null;
    throw error;
  }
}

const who = pick("reader" as const, "writer" as const, "sandbox" as const);
const agentPair: fc.Arbitrary<readonly [Agent, Agent]> = fc.oneof(
  fc.tuple(agent, agent),
  fc.tuple(agent, allow, who, fc.boolean()).map(([before, rule, name, drop]): [Agent, Agent] => {
    const rules = drop ? before[name].slice(1) : [...before[name], rule];
    return [before, { ...before, [name]: rules }];
  }),
);
const agentRequest = fc
  .record({
    as: pick("reader", "writer", "supervisor", "sandbox"),
    method: pick("GET", "POST", "get"),
    host: pick("one.example.com", "two.example.com", "x.cdn.example.com", "api.anthropic.com"),
    path: pick("/a", "/a/x", "/a/cus_1", "/x/b", "/a/b", "/a/b/", "/a//b", "/a/%2e%2e", "/", "/a/b/c"),
    query: pick("", "?p=1", "?q[]=1", "?q%5B%5D=2", "?z", "?p&p=2"),
    headers: fc.subarray(["authorization", "cookie", "x-api-key", "accept"], { maxLength: 2 }),
  })
  .map(({ path, query, headers, ...rest }) => ({
    ...rest,
    target: path + query,
    headers: [["host", rest.host], ...headers.map((name) => [name, "mine"])] as [string, string][],
  }));

test("what compare says of two agents is what their principals may do", { timeout: TIMEOUT_MS }, () => {
  const counts = {
    pairs: 0,
    requests: 0,
    differing: 0,
    witnesses: 0,
    equivalent: 0,
    narrower: 0,
    wider: 0,
    incomparable: 0,
  };
  fc.assert(
    fc.property(agentPair, fc.array(agentRequest, { minLength: 40, maxLength: 40 }), ([one, other], requests) => {
      const [before, after] = [locked(one), locked(other)];
      if (before === null || after === null) return fc.pre(false);
      const { verdict, changes } = compare(before, after);
      counts.pairs++;
      counts[verdict]++;
      expect(changes.filter(({ undecided }) => undecided !== undefined)).toEqual([]);
      const [match] = matchesOf(before, after);
      if (match === undefined) throw new Error("the two are not of one agent");
      const ask = (ground: Ground, as: string, sent: WireRequest) => {
        const ticket = ground.ticketOf(as);
        const headers = ticket === null ? sent.headers : [...sent.headers, [TICKET_HEADER, ticket] as const];
        const { outcome } = evaluate(ground.policy, { ...sent, headers });
        return { ...outcome, injected: outcome.credentials ?? [], host: undefined };
      };
      for (const { as, ...sent } of requests) {
        counts.requests++;
        const [old, now] = [ask(match.before, as, sent), ask(match.after, as, sent)];
        const [oldBare, nowBare] = [ask(match.before, "sandbox", sent), ask(match.after, "sandbox", sent)];
        const wildcard = sent.host.includes("cdn");
        const gains = !most(now, old, wildcard) && !most(now, oldBare, wildcard);
        const loses = !most(old, now, wildcard) && !most(old, nowBare, wildcard);
        if (!gains && !loses) continue;
        counts.differing++;
        const shown = `${as} ${JSON.stringify(sent)}: ${JSON.stringify(old)} -> ${JSON.stringify(now)}`;
        if (gains) expect(["wider", "incomparable"], shown).toContain(verdict);
        if (loses) expect(["narrower", "incomparable"], shown).toContain(verdict);
      }
      counts.witnesses += changes.filter(({ witness }) => witness !== null).length;
      expect(compare(after, before).verdict).toBe(SWAPPED[verdict]);
    }),
    { numRuns: Math.ceil(RUNS / 10) },
  );
  console.log(
    `agents: ${Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(", ")}`,
  );
  expect(counts.differing).toBeGreaterThan(RUNS / 50);
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { evaluate, transformHeaders, type WireRequest } from "../evaluate.ts";
import type { NetworkPolicy, NetworkPolicyMatcher, NetworkPolicyRule } from "../network-policy.ts";
import { compare } from "./compare.ts";
import type { Verdict } from "./comparison.ts";

// A few seconds by default; as many pairs as wanted where this is set.
const RUNS = Number(process.env.HANDRAIL_DIFFERENTIAL_RUNS ?? 1_500);

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

test("what compare says of two policies is what evaluate does with requests", () => {
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

test("compare is reflexive, whatever the policy", () => {
  fc.assert(
    fc.property(policy, (policy) => {
      expect(compare(side(policy), side(structuredClone(policy)))).toEqual({ verdict: "equivalent", changes: [] });
    }),
    { numRuns: Math.ceil(RUNS / 5) },
  );
});

test("compare is transitive: two steps down are a step down", () => {
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
  expect(chains).toBeGreaterThan(RUNS / 50);
});

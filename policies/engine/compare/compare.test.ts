import { describe, expect, test } from "vitest";
import { compile } from "../compile.ts";
import { definePolicy } from "../define.ts";
import { explain } from "../explain.ts";
import type { NetworkPolicy } from "../network-policy.ts";
import type { PolicyInput } from "../policy.ts";
import { compare, compareLocks } from "./compare.ts";
import { sideOf } from "./golden-cases.ts";
import type { Side } from "./sides.ts";

const raw = (policy: NetworkPolicy): Side => ({ kind: "raw", policy });
const HOST = "api.a.example";
const pass = { transform: [{ headers: { Host: HOST } }] };
const refuse = { response: { statusCode: 403 } };
const paths = (...regexes: string[]): Side =>
  raw({ allow: { [HOST]: [...regexes.map((regex) => ({ match: { path: { regex } }, ...pass })), refuse] } });

describe("what cannot be decided in bounds is told as that", () => {
  const undecided = { verdict: "incomparable", witness: null, undecided: expect.any(String) };

  test("a regular expression that needs too many states", () => {
    const { verdict, changes } = compare(
      paths("^/(?:a|b)*a(?:a|b){24}c$"),
      paths("^/(?:a|b)*a(?:a|b){24}c$", "^/(?:a|b)*b(?:a|b){24}c$"),
      { states: 2_000 },
    );
    expect(verdict).toBe("incomparable");
    expect(changes).toEqual([
      expect.objectContaining({ ...undecided, undecided: expect.stringContaining("2000 states") }),
    ]);
  });

  test("many conditions of which any may hold", () => {
    const query = (i: number) => ({ key: { regex: `[${String.fromCharCode(97 + i)}-z]${i}` } });
    const rules = (last: number) =>
      raw({
        allow: {
          [HOST]: [
            ...Array.from({ length: 14 }, (_, i) => ({
              match: { queryString: [query(i), query(i + 1), query(i + 2)] },
              ...(i % 2 ? pass : refuse),
            })),
            { match: { queryString: [query(last)] }, ...pass },
            refuse,
          ],
        },
      });
    const { changes } = compare(rules(1), rules(2), { parts: 100 });
    expect(changes).toContainEqual(expect.objectContaining(undecided));
  });

  test("everything, when the comparison as a whole takes too long", () => {
    const { changes } = compare(paths("^/a+$"), paths("^/[a-f]+$"), { steps: 10 });
    expect(changes).toEqual([
      expect.objectContaining({ ...undecided, undecided: expect.stringContaining("as a whole") }),
    ]);
  });

  test("the same every time", () => {
    const ask = () => compare(paths("^/(?:a|b)*a(?:a|b){14}c$"), paths("^/(?:a|b)*b(?:a|b){14}c$"), { states: 3_000 });
    expect(ask()).toEqual(ask());
  });
});

test("a credential is never told by its value", () => {
  const inject = (Authorization: string) =>
    raw({ allow: { [HOST]: [{ transform: [{ headers: { Authorization } }] }] } });
  const comparison = compare(inject("Bearer first-secret"), inject("Bearer other-secret"));
  expect(comparison.changes.map(({ credential }) => credential)).toEqual(["authorization#2"]);
  expect(JSON.stringify(comparison)).not.toMatch(/secret|Bearer/);
});

test("ten thousand rules with one change are compared by what changed", () => {
  const rules = (end: string) =>
    paths(...Array.from({ length: 10_000 }, (_, i) => `^/v1/r${i}/[a-z]+${i === 5_000 ? end : ""}$`));
  expect(compare(rules(""), rules("x?")).verdict).toBe("equivalent");
  expect(compare(rules(""), rules("[0-9]?")).changes).toMatchObject([
    { verdict: "wider", witness: { url: `https://${HOST}/v1/r5000/a0` } },
  ]);
});

describe("policies of agents", () => {
  const lookup = { methods: ["GET"], host: "api.crm.example", path: "/v1/{customer}", credential: "crm" };
  const input = (agent: string, allow: object[], source = "metadata.customer", variable = "customer") =>
    ({
      agent,
      variables: { [variable]: { source, example: "cus_42" } },
      credentials: { crm: { form: { type: "bearer" }, source: { type: "secret", name: "crmToken" } } },
      tools: { lookup: { kind: "api", network: "own", allow } },
    }) as unknown as PolicyInput;
  const all = (...policies: PolicyInput[]): Side => ({
    kind: "locks",
    locks: policies.map((policy) => ({ lock: compile(definePolicy(policy)), examples: {} })),
    whole: true,
  });

  test("are matched by agent, and a new one starts from nothing", () => {
    const { changes } = compare(all(input("desk", [lookup])), all(input("desk", [lookup]), input("night", [lookup])));
    expect(changes.map(({ agent, principal, verdict }) => [agent, principal, verdict])).toEqual([
      ["night", "lookup", "wider"],
      ["night", "supervisor", "wider"],
    ]);
  });

  test("are matched with the one that was named, of all that a commit has", () => {
    const before = all(input("desk", [lookup]), input("night", [lookup]));
    expect(compare(before, sideOf(input("desk", [lookup])))).toEqual({ verdict: "equivalent", changes: [] });
  });

  test("are the same when a variable is renamed", () => {
    const renamed = input("desk", [{ ...lookup, path: "/v1/{account}" }], "metadata.customer", "account");
    expect(compare(sideOf(input("desk", [lookup])), sideOf(renamed)).verdict).toBe("equivalent");
  });

  test("are not the same when a variable is taken from elsewhere", () => {
    const elsewhere = input("desk", [lookup], "metadata.chosen_by_user");
    expect(compare(sideOf(input("desk", [lookup])), sideOf(elsewhere)).verdict).toBe("incomparable");
  });
});

test("a key that is no host name does not stand in the way of conditions on Host", () => {
  const internal = { headers: [{ key: { exact: "host" }, value: { regex: "[.]internal$" } }] };
  const policy = (...rules: object[]) =>
    raw({ allow: { "*": rules, "a(b.example": [], "c[.internal": [refuse] } } as NetworkPolicy);
  const open = { transform: [] };
  expect(compare(policy(open), policy({ match: internal, ...refuse }, open)).verdict).toBe("narrower");
});

describe("many rules of two conditions each", () => {
  const rule = (i: number, more: object = {}) => ({
    match: {
      headers: ["x-tenant", "x-role"].map((name) => ({ key: { exact: name }, value: { exact: `${name[2]}${i}` } })),
      ...more,
    },
    ...pass,
  });
  const rules = Array.from({ length: 40 }, (_, i) => rule(i));
  const policy = (all: readonly object[]) => raw({ allow: { [HOST]: [...all, refuse] } } as NetworkPolicy);

  test("in another order are the same", () => {
    expect(compare(policy(rules), policy(rules.toReversed())).verdict).toBe("equivalent");
  });

  test("one more is wider, and shown", () => {
    const { verdict, changes } = compare(policy(rules), policy([...rules, rule(40)]));
    expect(verdict).toBe("wider");
    expect(changes).toMatchObject([
      { witness: { url: `https://${HOST}/`, headers: { "x-tenant": "t40", "x-role": "r40" } } },
    ]);
  });

  test("one that gets a path is narrower", () => {
    const narrowed = rules.with(5, rule(5, { path: { startsWith: "/v1" } }));
    expect(compare(policy(rules), policy(narrowed)).verdict).toBe("narrower");
  });
});

describe("a command tool that gets the network of the sandbox", () => {
  const policy = (network: "none" | "sandbox") =>
    compile(
      definePolicy({
        agent: "desk",
        credentials: {},
        tools: {
          run_tests: { kind: "command", network },
          execute_command: { kind: "command", network: "sandbox" },
        },
        sandbox: [{ methods: ["GET"], host: "packages.example" }],
      }),
    );
  const [none, sandbox] = [policy("none"), policy("sandbox")];

  test("gains what the sandbox may do, and loses it when it is taken off", () => {
    const { verdict, changes } = compareLocks(none, sandbox);
    expect(verdict).toBe("wider");
    expect(changes).toMatchObject([
      { verdict: "wider", principal: "run_tests", phase: "run", host: "packages.example", credential: null },
    ]);
    expect(compareLocks(sandbox, none).verdict).toBe("narrower");
    expect(compareLocks(sandbox, sandbox).verdict).toBe("equivalent");
  });

  test("as explain says on both sides", () => {
    const [change] = compareLocks(none, sandbox).changes;
    const { method = "", url = "" } = change?.witness ?? {};
    const request = { method, url, headers: [], as: "run_tests", phase: "run" } as const;
    expect([none, sandbox].map((lock) => explain({ lock }, request).outcome)).toEqual([change?.before, change?.after]);
  });
});

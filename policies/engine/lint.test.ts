import { describe, expect, test } from "vitest";
import { compile } from "./compile.ts";
import { definePolicy } from "./define.ts";
import { lint, type ServedAgent } from "./lint.ts";
import { lintRaw } from "./lint-raw.ts";
import type { NetworkPolicy } from "./network-policy.ts";
import type { AllowRule, PolicyInput } from "./policy.ts";

const host = "api.crm.example.com";
const crm: AllowRule = { host, methods: ["GET"], path: "/v1/{customer}", credential: "crm" };

function found(reader: AllowRule[], more: object = {}, agents?: ServedAgent[]): string[] {
  const policy = definePolicy({
    agent: "desk",
    variables: { customer: { source: "metadata.customer", example: "cus_1" } },
    credentials: { crm: { form: { type: "bearer" }, source: { type: "secret", name: "crmToken" } } },
    tools: { reader: { kind: "api", network: "own", allow: reader } },
    ...more,
  } as PolicyInput);
  const findings = lint({ policy, lock: compile(policy) }, agents);
  return findings.map(({ code, level, place, words }) => `${level} ${code} ${place}: ${words}`);
}

const plain = (path: string, more: Partial<AllowRule> = {}): AllowRule => ({
  host: "a.example.com",
  methods: ["GET"],
  path,
  ...more,
});
const open = (path: string, ...modelChooses: string[]) => plain(path, { modelChooses });

test("nothing is said of a policy in which everything is needed", () => expect(found([crm])).toEqual([]));

describe("found in a policy", () => {
  test("a rule that never decides", () => {
    const rules = [open("/a/{x}", "x"), plain("/a/b", { methods: ["GET"], response: { statusCode: 204 } })];
    expect(found([crm, ...rules])).toEqual([]);
    const raw = (pathRegex: string) => plain("", { unsafe: { pathRegex, reason: "their paths are odd" } });
    const { path: _, ...inside } = raw("^/a/[a-z]$");
    expect(found([crm, open("/a/{x}", "x"), inside])).toContainEqual(
      "warning shadowed tools.reader.allow[2]: never decides: the rules before it take every request that it matches",
    );
  });

  test("a rule that changes nothing", () => {
    const twice = [open("/a/{x}", "x"), open("/{rest...}", "rest")];
    const said =
      "warning redundant tools.reader.allow[1]: changes nothing: tools.reader.allow[2] lets the same requests through in the same way";
    expect(found([crm, ...twice])).toEqual([said]);
    expect(found([crm, open("/a/{x}", "x"), plain("/{rest...}", { modelChooses: ["rest"], query: ["page"] })])).toEqual(
      [],
    );
    expect(found([crm, plain("/a/b", { methods: ["GET", "PUT"] }), open("/{rest...}", "rest")])).toEqual([]);
    const between = plain("/a/{x}", { modelChooses: ["x"], response: { statusCode: 204 } });
    expect(found([crm, plain("/a/b"), between, open("/{rest...}", "rest")])).toEqual([]);
    expect(found([crm, plain("/a/b")], { sandbox: [open("/{rest...}", "rest")] })).toHaveLength(1);
  });

  test("a credential and a variable that nothing uses", () => {
    expect(found([])).toEqual([
      "warning unused-credential credentials.crm: is a credential that no rule uses, and the control plane holds it for nothing",
      "note unused-variable variables.customer: is a variable that no rule uses: it holds no request to this session",
    ]);
  });

  test("a parameter that the model chooses, where a credential goes", () => {
    expect(found([{ ...crm, path: "/v1/{customer}/{note}", modelChooses: ["note"] }])).toEqual([
      "note model-parameter tools.reader.allow[0]: lets the model choose {note} in what crm is sent for",
    ]);
  });

  test("a host that another principal reaches without the credential", () => {
    const sandbox = [{ host, methods: ["GET"], path: "/status", reason: "health checks" }];
    expect(found([crm], { sandbox })).toEqual([
      `note shared-host sandbox[0]: reaches ${host} without a credential, where reader has crm: health checks`,
    ]);
  });

  test("a credential for a name that a platform gives away", () => {
    expect(found([crm, { ...crm, host: "acme.vercel.app" }])).toEqual([
      "warning hosting-platform tools.reader.allow[1]: sends crm to acme.vercel.app, a name that a hosting platform gives to whoever asks for it first",
    ]);
  });

  test("what is unsafe, with its reason", () => {
    const { path: _, ...raw } = crm;
    const unsafe = { subnets: { allow: ["10.0.0.0/8"] }, reason: "the database has no name" };
    expect(
      found([crm, { ...raw, unsafe: { pathStartsWith: "/raw/", reason: "they escape slashes" } }], { unsafe }),
    ).toEqual([
      "note unsafe tools.reader.allow[1]: is unsafe (pathStartsWith): they escape slashes",
      "note unsafe unsafe: opens 10.0.0.0/8 past every rule: the database has no name",
    ]);
  });

  test("tools that the policy and the runner do not agree on", () => {
    const tool = (name: string, kind = "api", network = "own") => ({ name, kind, network });
    const served = (...tools: ServedAgent["tools"]) => found([crm], {}, [{ name: "desk", tools }]);
    expect(served(tool("reader"))).toEqual([]);
    expect(served(tool("reader"), tool("writer"))).toEqual([
      "error missing-tool tools.writer: is missing, and the agent has this tool",
    ]);
    expect(served()).toEqual(["error unlisted-tool tools.reader: is no tool of the agent"]);
    expect(served(tool("reader", "command", "sandbox"))).toEqual([
      "error other-tool tools.reader: is api with network own, and the agent's tool is command with sandbox",
    ]);
    expect(found([crm], {}, [])).toEqual([
      "error unlisted-tool agent: is the policy of desk, which the runner does not serve",
    ]);
  });
});

test("found in a raw policy: keys that are one host, that strangers share, and that the firewall cannot read", () => {
  const allow = {
    "a.example.com": [{ transform: [] }],
    "A.example.com.": [{ transform: [] }],
    "*.github.io": [{ transform: [] }],
    "*.co.uk": [{ transform: [] }],
    "b.example.com:443": [{ transform: [] }],
  };
  expect(lintRaw({ allow }).map(({ code, place }) => `${code} ${place}`)).toEqual([
    'same-host allow["A.example.com."]',
    'unreadable-host allow["*.github.io"]',
    'unreadable-host allow["*.co.uk"]',
    'unreadable-host allow["b.example.com:443"]',
  ]);
  const twin = lintRaw({ allow: ["a.example.com", "A.example.com"] }).find(({ code }) => code === "same-host");
  expect(twin?.place).toBe("allow[1]");
  expect(lintRaw("deny-all")).toEqual([]);
});

describe("found in a raw policy", () => {
  const credential = { transform: [{ headers: { Authorization: "Bearer x", Host: "a.example.com" } }] };
  const refuse = { response: { statusCode: 403 } };
  const at = (key: string, ...rules: object[]) => ({ allow: { [key]: rules } }) as NetworkPolicy;
  const path = (match: object) => ({ match: { path: match }, ...credential });
  test.each<[string, NetworkPolicy, string[]]>([
    ["everything allowed", "allow-all", ["everything-allowed networkPolicy"]],
    ["every host", at("*", refuse), ['every-host allow["*"]']],
    ["a host without rules", at("a.example.com"), ['opaque-host allow["a.example.com"]']],
    [
      "a credential below a wildcard",
      at("*.example.com", credential, refuse),
      ['wildcard-credential allow["*.example.com"][0]'],
    ],
    [
      "a credential wherever a path matches",
      at("a.example.com", path({ regex: "/v1/customers/[^/]+" }), refuse),
      ['unanchored-path allow["a.example.com"][0]'],
    ],
    [
      "a credential below a prefix of the path",
      at("a.example.com", path({ startsWith: "/v1/" }), refuse),
      ['path-prefix allow["a.example.com"][0]'],
    ],
    [
      "no rule for the rest",
      at("a.example.com", path({ regex: "^/v1$" })),
      ['unmatched-passes allow["a.example.com"]'],
    ],
    ["addresses", { subnets: { allow: ["10.0.0.0/8"] } }, ["past-rules subnets.allow"]],
    ["nothing that is odd", at("a.example.com", path({ regex: "^/v1$" }), refuse), []],
  ])("%s", (_, policy, expected) =>
    expect(lintRaw(policy).map(({ code, place }) => `${code} ${place}`)).toEqual(expected),
  );
});

import { describe, expect, test } from "vitest";
import { definePolicy } from "./define.ts";
import { PolicyError } from "./errors.ts";
import type { PolicyInput } from "./policy.ts";

const base = {
  agent: "desk",
  variables: { customer: { source: "metadata.customer", example: "cus_1" } },
  credentials: {
    crm: { form: { type: "bearer" }, source: { type: "secret", name: "crmToken" } },
    key: { form: { type: "header", name: "X-Api-Key" }, source: { type: "secret", name: "apiKey" } },
  },
  tools: { read_file: { kind: "file", network: "none" } },
} as const satisfies PolicyInput;

/** What is said of a policy with one more thing in it. */
function refusal(more: Record<string, unknown>): string {
  try {
    definePolicy({ ...base, ...more } as unknown as PolicyInput);
  } catch (error) {
    if (error instanceof PolicyError) return error.message;
    throw error;
  }
  return "accepted";
}

function toolRefusal(...rules: unknown[]): string {
  return refusal({ tools: { lookup: { kind: "api", network: "own", allow: rules } } });
}

const rule = { host: "api.crm.example", methods: ["GET"], path: "/v1/customers/{customer}", credential: "crm" };

test("a right policy is accepted", () => expect(toolRefusal(rule)).toBe("accepted"));

describe("a rule is refused, with its place and the fix", () => {
  test.each([
    [{ host: "10.0.0.1" }, 'tools.lookup.allow[0].host: "10.0.0.1" is an IP address', "Write a host name"],
    [{ host: "0x7f.1" }, "is an IP address", "Write a host name"],
    [{ host: "a.0x7f" }, "is an IP address", "Write a host name"],
    [{ host: "[::1]" }, "is an IP address", "Write a host name"],
    [{ host: "api.crm.example:8443" }, "has a port", "Leave the port out"],
    [{ host: "https://api.crm.example" }, "has a scheme", "Write the host name alone"],
    [{ host: "api.crm.example/v1" }, "has a path", "into `path`"],
    [{ host: "API.crm.example" }, "has upper-case letters", 'Write "api.crm.example"'],
    [{ host: "api.crm.example." }, "ends with a dot", 'Write "api.crm.example"'],
    [{ host: "localhost" }, "is not a fully qualified host name", "api.example.com"],
    [{ host: "*" }, "lets everything through", "Name the hosts"],
    [{ host: "api.*.example" }, "is not the whole first label", "leading `*.`"],
    [{ host: "api*.crm.example" }, "is not the whole first label", "leading `*.`"],
    [{ host: "*.crm.example" }, "every host below a wildcard", "Name the hosts that need it"],
    [{ host: "*.example", credential: undefined }, "is not a fully qualified host name", ""],
    [{ host: "*.github.io", credential: undefined }, "strangers register", "Name the hosts"],
    [{ host: "*.vercel.app", credential: undefined }, "strangers register", "Name the hosts"],
    [{ host: "*.co.uk", credential: undefined }, "strangers register", "Name the hosts"],
    [{ host: "*.crm.example", credential: undefined }, "Host cannot be pinned", "give a `reason`"],
    [{ host: "api.anthropic.com" }, "the supervisor alone works for", "Remove the rule"],
    [{ host: "*.anthropic.com", credential: undefined }, "the supervisor alone works for", "Remove the rule"],
    [{ methods: ["get"] }, 'tools.lookup.allow[0].methods[0]: "get" is not a method', 'Write "GET"'],
    [{ methods: ["FETCH"] }, '"FETCH" is not a method', "Use one of GET"],
    [{ methods: [] }, "tools.lookup.allow[0].methods", ""],
    [{ methods: ["GET", "GET"] }, "lists a method twice", "Remove one"],
    [{ credential: "crmm" }, 'allow[0].credential: there is no credential "crmm"', "Use one of crm, key"],
    [{ credential: "toString" }, "there is no credential", "Use one of crm, key"],
    [{ path: "/v1/customers/{custmer}" }, "{custmer} is no variable (known: session, work", "`modelChooses`"],
    [{ path: "/v1/x", modelChooses: ["id"] }, "allow[0].modelChooses: the path has no {id}", "Remove it"],
    [{ modelChooses: ["customer"] }, "{customer} is a bound variable", "Remove it"],
    [{ path: "^/v1/customers/[a-z]+$" }, "does not start with /", "Write the path from the root"],
    [{ path: "/v1/customers/.*" }, "looks like a regular expression", "{param} is one segment"],
    [{ path: { regex: "/v1/" } }, "allow[0].path", "string"],
    [{ path: undefined }, "the credential would go to the whole host", "Write the paths that need it"],
    [{ query: ["a b"] }, '"a b" is no query name', "letters, digits"],
    [{ query: { a: "{custmer}" } }, 'a has the value "{custmer}"', "bound {variables}"],
    [{ query: ["a", "a"] }, "names a twice", "Remove one"],
    [{ query: { a: ["x", "{y}"] } }, 'a has the value "{y}"', "bound {variables}"],
    [{ query: { a: { required: "a b" } } }, 'a has the value "a b"', ""],
    [{ headers: { Cookie: "a" } }, "Cookie is an identity of the guest's own", "Use a `credential`"],
    [{ headers: { "X-Handrail-Principal": true } }, "handrail itself", ""],
    [{ headers: { "x y": true } }, "is not a header name", ""],
    [{ headers: { "x-a": "{custmer}" } }, 'x-a has the value "{custmer}"', "bound {variables}"],
    [{ headers: { "x-a": "1", "X-A": "2" } }, "names x-a twice", ""],
    [{ response: { statusCode: 200 } }, "allow[0].credential: is added to a request that `response` answers", ""],
    [{ response: { statusCode: 200, body: "x" } }, "has a body and no contentType", ""],
    [{ response: { statusCode: 204, body: "x", contentType: "text/plain" } }, "this status cannot have", ""],
    [{ response: { statusCode: 99 } }, "allow[0].response.statusCode", ""],
    [{ forwardURL: "https://proxy.example/" }, "allow[0].credential: cannot be added to a forwarded", "Let the proxy"],
    [{ forwardURL: "http://proxy.example/", credential: undefined }, "allow[0].forwardURL: is not https", "HTTPS URL"],
    [{ forwardURL: "https://u:p@proxy.example/", credential: undefined }, "is not https://host/path", ""],
    [{ forwardURL: "https://proxy.example/?a", credential: undefined }, "is not https://host/path", ""],
    [{ unsafe: { reason: "it is what it is" } }, "allow[0].unsafe: asks for nothing", "Remove it"],
    [{ unsafe: { pathStartsWith: "/" } }, "allow[0].unsafe.reason", ""],
    [{ unsafe: { pathStartsWith: "/", reason: "-" } }, "must say in words", ""],
    [{ unsafe: { pathStartsWith: "/", reason: "odd paths only" } }, "gives the rule a second path", "Leave one"],
    [{ path: undefined, unsafe: { pathRegex: "(?=x)", reason: "odd paths only" } }, "RE2 refuses", "without"],
    [{ unsafe: { wildcardCredential: true, reason: "no need for it" } }, "is not needed", "Remove it"],
    [{ host: "*", credential: undefined }, "lets everything through", "`unsafe: { anyHost: true, reason }`"],
    [{ host: "*", unsafe: { anyHost: true, reason: "any host there is" } }, "is given to every host there is", ""],
    [{ unsafe: { anyHost: true, reason: "any host there is" } }, "is not `*`", "Remove"],
    [{ pathh: "/" }, "tools.lookup.allow[0].pathh: is not a key that is known here", "correct its spelling"],
  ])("%j", (change, problem, fix) => {
    const said = toolRefusal({ ...rule, ...change });
    expect(said).toContain(problem);
    expect(said).toContain(fix);
  });
});

describe("rules that cannot stand beside each other are refused", () => {
  const plain = { host: "api.crm.example", methods: ["GET"], path: "/v1/ping" };
  const wild = { host: "*.crm.example", methods: ["GET"], reason: "shards" };
  test.each([
    ["the same rule twice", [rule, rule], "tools.lookup.allow[1]: matches GET requests that tools.lookup.allow[0]"],
    ["the same path with another credential", [rule, { ...rule, credential: "key" }], "neither is more specific"],
    [
      "two parameters at one place",
      [
        { ...plain, path: "/v1/{a}/x", modelChooses: ["a"] },
        { ...plain, path: "/v1/{b}/x", modelChooses: ["b"] },
      ],
      "neither is more specific",
    ],
    ["a wildcard and a host below it", [plain, wild], "overlaps api.crm.example (tools.lookup.allow[0])"],
    ["a wildcard below a wildcard", [wild, { ...wild, host: "*.eu.crm.example" }], "overlaps *.crm.example"],
  ])("%s", (_, rules, problem) => expect(toolRefusal(...rules)).toContain(problem));

  test("another principal's plain rule on a host with a credential", () => {
    const said = refusal({ tools: { lookup: { kind: "api", network: "own", allow: [rule] } }, sandbox: [plain] });
    expect(said).toContain("sandbox[0]: reaches api.crm.example without a credential, where lookup has one");
    const reasoned = [{ ...plain, reason: "health check" }];
    expect(refusal({ tools: { lookup: { kind: "api", network: "own", allow: [rule] } }, sandbox: reasoned })).toBe(
      "accepted",
    );
  });

  test("but more and less specific paths may be", () => {
    const search = { ...rule, path: "/v1/customers/search", credential: "key" };
    const any = { ...rule, path: "/v1/{thing}/{rest...}", modelChooses: ["thing", "rest"] };
    expect(toolRefusal(rule, search, any, { ...rule, methods: ["POST"] })).toBe("accepted");
  });
});

describe("a policy is refused, with its place and the fix", () => {
  const header = (name: string) => ({ form: { type: "header", name }, source: { type: "secret", name: "x" } });
  const sent = { as: "sandbox", send: "GET https://a.example/", expect: "denied" };
  test.each([
    [{ tools: { supervisor: base.tools.read_file } }, "tools.supervisor: is the name of a built-in principal"],
    [{ tools: { "read file": base.tools.read_file } }, "is not a tool name"],
    [
      { tools: { a: { kind: "file", network: "none", allow: [rule] } } },
      "tools.a.allow: only a tool of kind api sends",
    ],
    [{ tools: { a: { kind: "command", network: "sandbox", allow: [rule] } } }, "Make it an api tool"],
    [{ tools: { a: { kind: "file", network: "sandbox" } } }, "tools.a.network"],
    [{ tools: { a: { kind: "shell", network: "none" } } }, "tools.a.kind"],
    [{ variables: { session: base.variables.customer } }, "variables.session: is built in"],
    [{ variables: { a: { source: "env.HOME", example: "x" } } }, "must be metadata.<key>"],
    [{ variables: { a: { source: "metadata.a", example: "a/b" } } }, "letters, digits, _ and - only"],
    [{ credentials: { "session-token": base.credentials.crm } }, "is built in"],
    [{ credentials: { crm_write: base.credentials.crm } }, "is not a credential name"],
    [{ credentials: { a: header("Host") } }, "credentials.a.form.name: Host belongs to the connection"],
    [{ credentials: { a: header("Transfer-Encoding") } }, "belongs to the connection"],
    [{ credentials: { a: header("X-HTTP-Method-Override") } }, "says what a request is, not who sends it"],
    [{ credentials: { a: header("X-Forwarded-Host") } }, "says what a request is, not who sends it"],
    [{ credentials: { a: header("X-Handrail-Principal") } }, "handrail itself"],
    [{ credentials: { a: header("x y") } }, "is not a header name"],
    [{ setup: [{ ...rule, credential: undefined }] }, "setup[0].path: {customer} is bound to a session"],
    [{ sandbox: [{ ...rule, path: "/v1" }] }, "sandbox[0].credential: is given to anything in the sandbox"],
    [{ tests: [{ ...sent, as: "reed_file" }] }, 'tests[0].as: "reed_file" is no tool of this policy'],
    [{ tests: [{ ...sent, as: "read_file" }] }, "read_file has no principal of its own"],
    [{ tests: [{ ...sent, expect: "credentialed(crmm)" }] }, "there is no credential crmm"],
    [{ tests: [{ ...sent, expect: "ok" }] }, "is no outcome"],
    [{ tests: [{ ...sent, send: "http://a.example/" }] }, "is not METHOD https://host/path"],
    [{ unsafe: { subnets: { allow: ["10.0.0.0/8"] } } }, "unsafe.reason"],
    [{ unsafe: { subnets: { allow: ["10.0.0.0/33"] }, reason: "the old database" } }, "no address range"],
    [{ unsafe: { subnets: { allow: ["db.example"] }, reason: "the old database" } }, "no address range"],
    [{ unreachable: [{ as: "reed_file", host: "a.example.com" }] }, '"reed_file" is no principal of this policy'],
    [{ unreachable: [{ as: "read_file", host: "a.example.com" }] }, "is no principal of this policy"],
    [{ unreachable: [{ as: "sandbox", host: "localhost" }] }, "unreachable[0].host"],
    [{ unreachable: [{ as: "sandbox", host: "a.example.com", path: "v1" }] }, "unreachable[0].path"],
    [{ sandbocks: [] }, "sandbocks: is not a key that is known here"],
    [{ agent: "Desk" }, "is not an agent name"],
  ])("%j", (more, problem) => expect(refusal(more)).toContain(problem));
});

test("every problem is told at once, and the file when it is known", () => {
  const error = new PolicyError([
    { place: "a", problem: "is wrong", fix: "Mend it" },
    { place: "b", problem: "is too", fix: "Mend it also" },
  ]);
  expect(error.in("policies/desk.policy.ts").message).toBe(
    "policies/desk.policy.ts: a: is wrong. Mend it.\npolicies/desk.policy.ts: b: is too. Mend it also.",
  );
});

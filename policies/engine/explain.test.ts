import { expect, test } from "vitest";
import supportPolicy from "../support.policy.ts";
import { compile } from "./compile.ts";
import { describeExplanation, explain } from "./explain.ts";
import type { NetworkPolicy } from "./network-policy.ts";

const lock = compile(supportPolicy);
const source = { policy: supportPolicy, lock };
const request = {
  method: "GET",
  url: "https://api.crm.example/v1/customers/cus_42",
  headers: [],
  as: "get_customer",
  phase: "run",
} as const;

test("an explanation names the rule's place and line in the policy, and why earlier rules did not decide", () => {
  const locate = (place: string) =>
    place.startsWith("tools.") ? { file: "support.policy.ts", line: place.length } : null;
  const explanation = explain({ ...source, locate }, request);
  expect(explanation).toMatchObject({
    outcome: { kind: "credentialed", credentials: ["crm"] },
    domain: "api.crm.example",
    rule: { at: "tools.get_customer.allow[0]", source: { file: "support.policy.ts", line: 27 } },
    principal: "get_customer",
  });
  const { index } = explanation.rule ?? { index: -1 };
  expect(describeExplanation(explanation)[0]).toBe(
    `rule ${index} (tools.get_customer.allow[0], support.policy.ts:27) of api.crm.example is the first that matches`,
  );
  expect(describeExplanation(explanation)).toContain(
    "rule 1 (tools.add_note.allow[0], support.policy.ts:23): it is for add_note alone",
  );
  expect(describeExplanation(explanation)).toContain("rule 0 (api.crm.example): the path does not match");
});

test("a host that no key names is denied by no rule", () => {
  const explanation = explain(source, { ...request, url: "https://elsewhere.example/" });
  expect(explanation).toMatchObject({ outcome: { kind: "denied" }, domain: null, rule: null, passedOver: [] });
});

test("a lock is explained without its policy", () => {
  const { outcome } = explain({ lock }, { ...request, url: "https://api.crm.example/v1/customers/example" });
  expect(outcome).toEqual({ kind: "credentialed", credentials: ["crm"] });
});

test("a raw policy is explained by key and index", () => {
  const raw = { allow: { "api.crm.example": [{ match: { method: ["PUT"] }, transform: [] }] } };
  const passed = { domain: "api.crm.example", index: 0, at: null, source: null, why: "method GET is not PUT" };
  expect(explain({ raw }, request)).toMatchObject({
    outcome: { kind: "plain", hostFree: true },
    domain: "api.crm.example",
    rule: null,
    passedOver: [passed],
  });
  expect(explain({ raw }, { ...request, method: "PUT" })).toMatchObject({ rule: { index: 0 }, passedOver: [] });
});

test("whoever the policy does not know has what the sandbox has, and that is said", () => {
  const explanation = explain(source, { ...request, as: "get_customers" });
  expect(explanation.outcome.kind).toBe("answered");
  expect(describeExplanation(explanation)).toContain(
    "note: nobody is called get_customers here (there are sandbox, supervisor, add_note, get_customer): whoever it is has what the sandbox has",
  );
});

test("a tool without a network reaches nothing, a tool with the sandbox's what the sandbox reaches", () => {
  const asked = { ...request, url: "https://packages.example/x" };
  expect(explain(source, { ...asked, as: "run_tests" })).toMatchObject({
    outcome: { kind: "denied" },
    why: "run_tests has no network",
  });
  expect(explain(source, { ...asked, as: "execute_command" })).toEqual(explain(source, { ...asked, as: "sandbox" }));
});

test("every request has the Host of its URL, so a condition on it holds", () => {
  const match = { headers: [{ key: { exact: "Host" }, value: { exact: "api.crm.example" } }] };
  const raw = { allow: { "api.crm.example": [{ match, transform: [] }, { response: { statusCode: 403 } }] } };
  expect(explain({ raw }, request).outcome.kind).toBe("plain");
  expect(explain({ raw }, { ...request, headers: ["host: other.example"] }).outcome.kind).toBe("answered");
});

test.each<[string, NetworkPolicy, string, string]>([
  ["in subnets.allow", { subnets: { allow: ["10.0.0.0/8"] } }, "10.1.2.3", "plain"],
  ["in subnets.deny too", { subnets: { allow: ["10.0.0.0/8"], deny: ["10.1.0.0/16"] } }, "10.1.2.3", "denied"],
  ["of IPv6", { subnets: { allow: ["fd00::/8"] } }, "[fd00::1]", "plain"],
  ["in none", { allow: { "*": [] } }, "10.1.2.3", "denied"],
  ["where everything is allowed", "allow-all", "10.1.2.3", "plain"],
])("an address %s is decided by ranges, not by names", (_, raw, address, kind) => {
  expect(explain({ raw }, { ...request, url: `https://${address}/` }).outcome.kind).toBe(kind);
});

test("the default port is no other host", () => {
  const at = (authority: string) => explain(source, { ...request, url: `https://${authority}/v1/customers/cus_42` });
  expect(at("api.crm.example:443").outcome).toEqual(at("api.crm.example").outcome);
});

test.each([
  [{ method: "GE T" }, "method: is no HTTP method"],
  [{ url: "http://a.example/" }, "url: is plain HTTP, which rules do not hold for. Write https://host/path"],
  [{ url: "ftp://a.example/" }, "url: is not https://host/path"],
  [{ url: "https://a.example:8443/" }, "url: names a user or a port"],
  [{ url: "https://ada@a.example/" }, "url: names a user or a port"],
  [{ headers: ["nonsense"] }, "header: is not name: value"],
])("%j is refused", (change, message) => expect(() => explain(source, { ...request, ...change })).toThrow(message));

import { expect, test } from "vitest";
import supportPolicy from "../support.policy.ts";
import { compile } from "./compile.ts";
import { describeExplanation, explain } from "./explain.ts";

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

test.each([
  [{ as: "get_customers" }, 'no principal "get_customers". Use one of sandbox, supervisor'],
  [{ url: "http://a.example/" }, "url: is not https://host/path"],
  [{ headers: ["nonsense"] }, "header: is not name: value"],
])("%j is refused", (change, message) => expect(() => explain(source, { ...request, ...change })).toThrow(message));

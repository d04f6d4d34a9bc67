import { expect, test } from "vitest";
import supportPolicy from "../support.policy.ts";
import { compile } from "./compile.ts";
import { explain } from "./explain.ts";

const source = { policy: supportPolicy, lock: compile(supportPolicy) };
const request = {
  method: "GET",
  url: "https://api.crm.example/v1/customers/cus_42",
  headers: [],
  as: "get_customer",
  phase: "run",
} as const;

test("an explanation names the rule's place in the policy, and why earlier rules did not decide", () => {
  const explanation = explain(source, request);
  expect(explanation).toMatchObject({
    outcome: { kind: "credentialed", credentials: ["crm"] },
    at: "tools.get_customer.allow[0]",
    principal: "get_customer",
  });
  expect(explanation.passedOver).toContain("rule 1 (tools.add_note.allow[0]): method GET is not POST");
});

test("a raw policy is explained by key and index", () => {
  const raw = { allow: { "api.crm.example": [{ match: { method: ["PUT"] }, transform: [] }] } };
  expect(explain({ raw }, request)).toMatchObject({
    outcome: { kind: "plain", hostFree: true },
    domain: "api.crm.example",
    index: null,
    at: null,
    passedOver: ["rule 0: method GET is not PUT"],
  });
});

test.each([
  [{ as: "get_customers" }, 'no principal "get_customers". Use one of sandbox, supervisor'],
  [{ url: "http://a.example/" }, "url: is not https://host/path"],
  [{ headers: ["nonsense"] }, "header: is not name: value"],
])("%j is refused", (change, message) => expect(() => explain(source, { ...request, ...change })).toThrow(message));

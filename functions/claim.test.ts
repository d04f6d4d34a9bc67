/** What a claim binds where a policy has credentials of the customer's own. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { compile } from "../policies/engine/compile.ts";
import { definePolicy } from "../policies/engine/define.ts";
import { evaluate } from "../policies/engine/evaluate.ts";
import type { NetworkPolicy } from "../policies/engine/network-policy.ts";
import { perCustomer } from "../policies/engine/per-customer.ts";
import { TICKET_HEADER } from "../policies/engine/ticket.ts";
import type { ResolveCredential } from "./customer-credentials.ts";
import { delivery, deploy, type TestDeployment } from "./testing/control-plane.ts";

const host = "api.crm.example";
const lock = compile(
  definePolicy({
    agent: "desk",
    credentials: { own: { form: { type: "bearer" }, source: perCustomer("crm") } },
    tools: {
      lookup: { kind: "api", network: "own", allow: [{ host, methods: ["GET"], path: "/v1/me", credential: "own" }] },
    },
  }),
);

let d: TestDeployment;
beforeEach(async () => {
  d = await deploy();
});
afterEach(() => d.close());

const known: ResolveCredential = async (name, customer) =>
  ["cus_1", "cus_2"].includes(customer) ? `${name}-token-of-${customer}` : undefined;

function serve(resolveCredential: ResolveCredential) {
  const plane = d.redeploy({ HANDRAIL_POLICY_DIGEST: lock.digest }, { lock, resolveCredential });
  return plane.webhook(delivery("session.status_run_started"));
}

/** What the session's own firewall makes of the tool's request: its status, or the credential that it adds. */
function lookupIn(sandbox: string): number | string | undefined {
  const { tickets } = JSON.parse(d.api.handoverOf(sandbox)) as { tickets: Record<string, string> };
  const policy = d.api.sandboxes.get(sandbox)?.networkPolicy as NetworkPolicy;
  const headers = [[TICKET_HEADER, tickets.lookup ?? ""]] as const;
  const { outcome, rule } = evaluate(policy, { method: "GET", host, target: "/v1/me", headers });
  return outcome.status ?? rule?.transform?.[0]?.headers?.authorization;
}

test("each session gets its own customer's credential", async () => {
  d.anthropic.addSession("sesn_1", { metadata: { customer: "cus_1" } });
  d.anthropic.addSession("sesn_2", { metadata: { customer: "cus_2" } });
  expect(await (await serve(known)).json()).toMatchObject({ started: 2 });
  expect(lookupIn("handrail-sesn_1")).toBe("Bearer crm-token-of-cus_1");
  expect(lookupIn("handrail-sesn_2")).toBe("Bearer crm-token-of-cus_2");
  expect(d.lines.join("\n")).not.toContain("crm-token");
});

test.each([
  ["names no customer", {}],
  ["names one that is unknown", { customer: "cus_9" }],
  ["names one that leads elsewhere", { customer: "../cus_1" }],
])("a session that %s is served, and the requests that need the credential are denied", async (_, metadata) => {
  d.anthropic.addSession("sesn_1", { metadata: { customer: "cus_1" } });
  d.anthropic.addSession("sesn_2", { metadata });
  expect(await (await serve(known)).json()).toMatchObject({ started: 2 });
  expect(lookupIn("handrail-sesn_2")).toBe(403);
  expect(JSON.stringify(d.api.sandboxes.get("handrail-sesn_2")?.networkPolicy)).not.toContain("crm-token");
  expect(d.lines.join("\n")).toContain("credentials.none_for_customer");
});

test("when the resolver fails the session waits for the next try, and nothing is acknowledged", async () => {
  d.anthropic.addSession("sesn_1", { metadata: { customer: "cus_1" } });
  const response = await serve(async () => {
    throw new Error("secret-of-the-vault");
  });
  expect(response.status).toBe(503);
  expect([d.anthropic.acked, d.anthropic.stopped, d.api.sandboxes.size]).toEqual([[], [], 0]);
  expect(d.lines.join("\n")).toMatch(/the resolver of credential own failed/);
  expect(d.lines.join("\n")).not.toContain("secret-of-the-vault");
});

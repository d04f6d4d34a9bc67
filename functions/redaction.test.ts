/** What leaves the control plane when an API quotes back what it was given. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { compile } from "../policies/engine/compile.ts";
import { definePolicy } from "../policies/engine/define.ts";
import { perCustomer } from "../policies/engine/per-customer.ts";
import { cronCall, delivery, deploy, type TestDeployment } from "./testing/control-plane.ts";
import type { Call, Reply } from "./testing/http.ts";

const host = "api.crm.example";
const allow = <C extends string>(path: string, credential: C) => [
  { host, methods: ["GET" as const], path, credential },
];
const lock = compile(
  definePolicy({
    agent: "desk",
    credentials: {
      own: { form: { type: "basic", username: "desk" }, source: perCustomer("crm") },
      crm: { form: { type: "header", name: "x-crm-key" }, source: { type: "secret", name: "crm" } },
    },
    tools: {
      lookup: { kind: "api", network: "own", allow: allow("/v1/me", "own") },
      search: { kind: "api", network: "own", allow: allow("/v1/all", "crm") },
    },
  }),
);
const OWN = "own-password-of-cus_1";
// With what JSON and URLs escape.
const CRM = 'crm "key" \\ with/odd+signs';

let d: TestDeployment;
beforeEach(async () => {
  d = await deploy();
});
afterEach(() => d.close());

const quoting = (status: number, text: string): Reply => ({
  status,
  body: { error: { code: "bad_request", message: `Invalid request: ${text}` } },
});

/** Every way in which an error may quote a request, once a claim. */
const quotes: [string, (body: string) => string][] = [
  ["as it is", (body) => body],
  ["behind a long text, so that a log line ends inside it", (body) => `${"x".repeat(400)}${body}`],
  ["inside a string of JSON", (body) => JSON.stringify({ got: body })],
  ["in percent escapes", (body) => encodeURIComponent(body)],
  ["value by value", (body) => (body.match(/"(?:[^"\\]|\\.)*"/g) ?? []).map((text) => JSON.parse(text)).join("\n")],
];

/** The values of the sandbox's policy that no log line may hold, in the forms in which they could. */
function secretsIn(body: string): string[] {
  const tickets = body.match(/[0-9a-f]{32}/g) ?? [];
  const values = ["sk-ant-req-token-of-sesn_1", OWN, CRM, Buffer.from(`desk:${OWN}`).toString("base64"), ...tickets];
  return values.flatMap((value) => [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value)]);
}

test.each(quotes)(
  "when the sandbox API quotes a policy %s, no secret reaches the answer or the log",
  async (_, quote) => {
    d.anthropic.addSession("sesn_1");
    let sent = "";
    d.api.fault = ({ method, path, body }: Call) => {
      if (method !== "POST" || path !== "/v3/sandboxes") return undefined;
      sent = JSON.stringify((body as { networkPolicy: unknown }).networkPolicy);
      return quoting(400, quote(sent));
    };
    const plane = d.redeploy(
      { HANDRAIL_POLICY_DIGEST: lock.digest, HANDRAIL_CREDENTIAL_CRM: CRM },
      { lock, resolveCredential: async () => OWN },
    );
    const response = await plane.webhook(delivery("session.status_run_started"));
    expect(response.status).toBe(503);
    const body = await response.text();
    expect(JSON.parse(body)).toEqual({
      status: "unavailable",
      message: "work was left in the queue and comes again: the log says which and why",
      ...{ started: 0, refused: 0, left: 1, skipped: 0 },
    });
    const log = d.lines.join("\n");
    expect(log).toContain("session.left");
    expect(log).toContain("Invalid request");
    expect(sent).toContain(Buffer.from(`desk:${OWN}`).toString("base64"));
    const secrets = secretsIn(sent);
    expect(secrets.length).toBeGreaterThan(15);
    // Also not the half that fits in front of a cut.
    for (const secret of secrets) expect(log).not.toContain(secret.slice(0, Math.ceil(secret.length / 2)));
  },
);

test("when the API quotes the handover, no ticket reaches the log, whichever call it was about", async () => {
  d.anthropic.addSession("sesn_1");
  d.api.fault = ({ method, path }) => {
    if (method === "PATCH") return quoting(400, d.api.handoverOf("handrail-sesn_1"));
    return method === "GET" && path.includes("/cmd/") ? quoting(400, d.api.handoverOf("handrail-sesn_1")) : undefined;
  };
  await d.plane.cron(cronCall());
  const tickets = Object.values<string>(JSON.parse(d.api.handoverOf("handrail-sesn_1")).tickets);
  await Promise.all(d.background);
  const log = d.lines.join("\n");
  expect(log).toContain("sandbox.untagged");
  expect(log).toContain("sandbox.follow_failed");
  for (const ticket of tickets) expect(log).not.toContain(ticket.slice(0, 16));
});

import { afterEach, beforeEach, expect, test } from "vitest";
import { delivery, deploy, ENVIRONMENT_KEY, type TestDeployment } from "./testing/control-plane.ts";

let d: TestDeployment;
beforeEach(async () => {
  d = await deploy();
});
afterEach(() => d.close());

test("a started session gets a sandbox with its bound policy, and its item is acknowledged only after that", async () => {
  d.anthropic.addSession("sesn_1");
  const response = await d.plane.webhook(delivery("session.status_run_started"));
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ status: "drained", started: 1, left: 0 });
  expect(d.anthropic.acked).toEqual(["sesn_1"]);
  expect(d.anthropic.stopped).toEqual([]);
  expect(d.anthropic.trace().filter((call) => call.includes("heartbeat"))).toEqual([]);

  const box = d.api.sandboxes.get("handrail-sesn_1");
  expect(box?.created).toMatchObject({
    source: { type: "snapshot", snapshotId: "snap_1" },
    persistent: false,
    ports: [],
    timeout: 1_800_000,
  });
  const policy = JSON.stringify(box?.networkPolicy);
  expect(policy).toContain("Bearer crm-token-value");
  expect(policy).toContain("Bearer sk-ant-req-token-of-sesn_1");
  expect(policy).not.toContain(ENVIRONMENT_KEY);
  const command = [...(box?.commands.values() ?? [])].map(({ body }) => body);
  expect(command).toMatchObject([{ command: "/opt/handrail/boot.sh", args: [], sudo: true }]);
  expect(command[0]).not.toHaveProperty("wait");
});

test("the handover names this claim and holds tickets, but no credential", async () => {
  d.anthropic.addSession("sesn_1");
  await d.plane.webhook(delivery("session.status_run_started"));
  const box = d.api.sandboxes.get("handrail-sesn_1");
  const line = d.api.handoverOf("handrail-sesn_1");
  const handover = JSON.parse(line);
  expect(handover).toMatchObject({
    workId: "sesn_1",
    sessionId: "sesn_1",
    environmentId: "env_1",
    anthropicBaseUrl: "https://api.anthropic.com",
    variables: { session: "sesn_1", work: "sesn_1", environment: "env_1", customer: "cus_1" },
  });
  expect(Object.keys(handover.tickets).sort()).toEqual(["add_note", "get_customer", "supervisor"]);
  expect(handover.deadlineMs).toBeLessThan((box?.createdAt ?? 0) + 1_800_000);
  for (const ticket of Object.values<string>(handover.tickets)) {
    expect(JSON.stringify(box?.networkPolicy)).toContain(ticket);
    expect(d.lines.join("\n")).not.toContain(ticket);
  }
  expect(line).not.toMatch(/crm-token-value|crm-write-token-value|sk-ant/);
  expect(d.lines.join("\n")).not.toMatch(/token-value|sk-ant|people\.example/);
});

test.each([
  ["no signature headers", () => new Request("https://handrail.example/api/webhook", { method: "POST", body: "{}" })],
  ["another key's signature", () => delivery("session.status_run_started", { key: `whsec_${"a".repeat(32)}` })],
  ["an old timestamp", () => delivery("session.status_run_started", { sentAt: new Date(Date.now() - 600_000) })],
  ["a future timestamp", () => delivery("session.status_run_started", { sentAt: new Date(Date.now() + 600_000) })],
  ["a timestamp that is no number", () => tampered({ "webhook-timestamp": "yesterday" })],
  ["a signature without its version", () => tampered({ "webhook-signature": "nonsense" })],
  ["an empty signature of the right version", () => tampered({ "webhook-signature": "v1," })],
  ["a changed body", () => new Request(delivery("session.status_run_started"), { body: "{}", method: "POST" })],
  ["an empty body", () => new Request(delivery("session.status_run_started"), { body: "", method: "POST" })],
])("a delivery with %s is 401 and claims nothing", async (_, request) => {
  d.anthropic.addSession("sesn_1");
  const response = await d.plane.webhook(request());
  expect(response.status).toBe(401);
  expect(d.anthropic.calls).toEqual([]);
  expect(d.api.calls).toEqual([]);
});

test("a body that no event can have is refused without being read", async () => {
  const response = await d.plane.webhook(
    new Request("https://handrail.example/api/webhook", { method: "POST", body: "x".repeat(70_000) }),
  );
  expect(response.status).toBe(413);
});

test("an event of another kind is answered and costs no call", async () => {
  const response = await d.plane.webhook(delivery("session.status_rescheduled"));
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ status: "ignored" });
  expect(d.anthropic.calls).toEqual([]);
});

test("a delivery that finds an empty queue costs one poll, and at most once a minute a look at the snapshot", async () => {
  const response = await d.plane.webhook(delivery("session.status_run_started"));
  expect(response.status).toBe(200);
  expect(d.anthropic.trace()).toEqual(["GET /v1/environments/env_1/work/poll"]);
  expect(d.anthropic.calls[0]?.query.get("reclaim_older_than_ms")).toBe("60000");
  expect(d.api.trace()).toEqual(["GET /v2/sandboxes/snapshots/snap_1"]);
});

test("the same delivery twice starts one sandbox", async () => {
  d.anthropic.addSession("sesn_1");
  const both = await Promise.all([
    d.plane.webhook(delivery("session.status_run_started")),
    d.plane.webhook(delivery("session.status_run_started")),
  ]);
  expect(both.map(({ status }) => status)).toEqual([200, 200]);
  expect(d.api.sandboxes.size).toBe(1);
  expect(d.anthropic.acked).toEqual(["sesn_1"]);
});

test("a session's terminated event removes its sandbox once the runner has exited, and not before", async () => {
  d.anthropic.addSession("sesn_1");
  await d.plane.webhook(delivery("session.status_run_started"));
  const early = await d.plane.webhook(delivery("session.status_idled"));
  expect(await early.json()).toEqual({ status: "seen", removed: false });
  d.api.exit("handrail-sesn_1", 10);
  const late = await d.plane.webhook(delivery("session.status_terminated"));
  expect(await late.json()).toEqual({ status: "seen", removed: true });
  expect(d.api.sandboxes.size).toBe(0);
  const removed = d.lines.map((line) => JSON.parse(line)).find(({ event }) => event === "sandbox.removed");
  expect(removed).toMatchObject({ level: "warn", exitCode: 10, outcome: "lease_lost" });
});

test("after the answer, the invocation goes on until the runner exited and its sandbox is gone", async () => {
  d.anthropic.addSession("sesn_1");
  await d.plane.webhook(delivery("session.status_run_started"));
  d.api.exit("handrail-sesn_1", 0);
  expect(d.background).toHaveLength(1);
  await Promise.all(d.background);
  expect(d.api.sandboxes.size).toBe(0);
});

test.each([
  ["the environment key", { ANTHROPIC_ENVIRONMENT_KEY: undefined }, /environment key.*Console/],
  ["the signing key", { ANTHROPIC_WEBHOOK_SIGNING_KEY: undefined }, /webhook signing key.*Console/],
  ["the reviewed policy", { HANDRAIL_POLICY_DIGEST: `sha256:${"0".repeat(64)}` }, /not reviewed.*pulumi up/],
  ["a credential", { HANDRAIL_CREDENTIAL_CRM_WRITE: undefined }, /HANDRAIL_CREDENTIAL_CRM_WRITE/],
  ["its configuration", { HANDRAIL_SNAPSHOT_ID: undefined }, /HANDRAIL_SNAPSHOT_ID is not set/],
])("a deployment without %s claims nothing, and says what to do", async (_, env, words) => {
  d.anthropic.addSession("sesn_1");
  const response = await d.redeploy(env).webhook(delivery("session.status_run_started"));
  expect(response.status).toBe(503);
  expect(((await response.json()) as { message: string }).message).toMatch(words);
  expect(d.anthropic.calls).toEqual([]);
});

test("a preflight of a kind that is ignored passes while the environment key is missing", async () => {
  const plane = d.redeploy({ ANTHROPIC_ENVIRONMENT_KEY: undefined });
  expect((await plane.webhook(delivery("handrail.preflight"))).status).toBe(200);
});

function tampered(headers: Record<string, string>): Request {
  const request = delivery("session.status_run_started");
  for (const [name, value] of Object.entries(headers)) request.headers.set(name, value);
  return request;
}

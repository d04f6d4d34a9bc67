import { afterEach, beforeEach, expect, test } from "vitest";
import { cronCall, delivery, deploy, type TestDeployment } from "./testing/control-plane.ts";
import type { FakeItem } from "./testing/fake-anthropic.ts";

const secretOf = (token: string) => Buffer.from(JSON.stringify({ sessions_token: token })).toString("base64url");

let d: TestDeployment;
beforeEach(async () => {
  d = await deploy();
});
afterEach(() => d.close());

const started = () => d.plane.webhook(delivery("session.status_run_started"));
/** What was asked of the sandbox API, but for the look at the snapshot. */
const sandboxCalls = () => d.api.trace().filter((call) => !call.includes("/snapshots/"));
const isAck = ({ path }: { path: string }) => path.endsWith("/ack");

test("one delivery serves every session in the queue", async () => {
  for (const id of ["sesn_1", "sesn_2", "sesn_3"]) d.anthropic.addSession(id);
  expect(await (await started()).json()).toMatchObject({ status: "drained", started: 3 });
  expect([...d.api.sandboxes.keys()]).toEqual(["handrail-sesn_1", "handrail-sesn_2", "handrail-sesn_3"]);
});

test("an item whose session is gone does not keep the ones behind it", async () => {
  d.anthropic.queue.push("instance-not-found");
  d.anthropic.addSession("sesn_1");
  expect(await (await started()).json()).toMatchObject({ status: "drained", started: 1 });
});

test("a healthcheck item is stopped, and no sandbox is made for it", async () => {
  d.anthropic.queue.push({ id: "work_h", data: { type: "healthcheck", id: "hc_1" }, secret: null });
  d.anthropic.addSession("sesn_1");
  expect(await (await started()).json()).toMatchObject({ started: 1, skipped: 1 });
  expect(d.anthropic.stopped).toEqual(["work_h"]);
});

test("work of a terminated session is stopped", async () => {
  d.anthropic.addSession("sesn_1", { status: "terminated" });
  expect(await (await started()).json()).toMatchObject({ status: "drained", skipped: 1 });
  expect(d.anthropic.stopped).toEqual(["sesn_1"]);
  expect(sandboxCalls()).toEqual([]);
});

test("work of an archived session is stopped", async () => {
  d.anthropic.addSession("sesn_1", { status: "idle", archivedAt: "2026-11-21T00:00:00Z" });
  expect(await (await started()).json()).toMatchObject({ status: "drained", skipped: 1 });
  expect(d.anthropic.stopped).toEqual(["sesn_1"]);
  expect(sandboxCalls()).toEqual([]);
});

test("an item that cannot be read is stopped by its id, and does not turn every delivery into a failure", async () => {
  d.anthropic.queue.push({ id: "work_1", data: { type: "session", id: 7 } } as unknown as FakeItem);
  d.anthropic.queue.push({ id: "work_2" } as unknown as FakeItem);
  d.anthropic.addSession("sesn_1");
  expect(await (await started()).json()).toMatchObject({ status: "drained", started: 1, skipped: 2 });
  expect(d.anthropic.stopped).toEqual(["work_1", "work_2"]);
  expect(d.lines.join("\n")).toMatch(/work.malformed.*data.id/);
});

test("an item whose id cannot be one is left, and nothing is asked for by it", async () => {
  d.anthropic.queue.push({ id: "../stop?", data: { type: "session", id: "sesn_1" }, secret: null });
  expect((await started()).status).toBe(503);
  expect(d.anthropic.calls).toHaveLength(2);
});

test.each([
  ["has metadata that makes the handover too long", { metadata: { customer: "c".repeat(4000) } }, "bytes, more than"],
  ["has a sessions token that is no header value", { secret: secretOf("sk-ant-\u0007-token") }, "cannot be bound"],
])("work of a session that %s is stopped: it would fail for ever", async (_, session, words) => {
  d.anthropic.addSession("sesn_1", session);
  d.anthropic.addSession("sesn_2");
  expect(await (await started()).json()).toMatchObject({ status: "drained", started: 1, refused: 1 });
  expect(d.anthropic.stopped).toEqual(["sesn_1"]);
  const refused = d.lines.map((line) => JSON.parse(line)).find(({ event }) => event === "session.refused");
  expect(refused).toMatchObject({ session: "sesn_1", reason: expect.stringContaining(words) });
});

test("a stack secret that no header can carry makes the deployment refuse, and stops nobody's work", async () => {
  d.anthropic.addSession("sesn_1");
  const response = await d
    .redeploy({ HANDRAIL_CREDENTIAL_CRM: "crm-token\n" })
    .webhook(delivery("session.status_run_started"));
  expect(response.status).toBe(503);
  expect(await response.text()).toMatch(/HANDRAIL_CREDENTIAL_CRM\b.*one line of printable ASCII/);
  expect(d.anthropic.calls).toEqual([]);
});

test.each([
  ["has no customer", {}],
  ["has a customer that would leave its path segment", { customer: "../cus_2" }],
  ["has an empty customer", { customer: "" }],
])("a session that %s gets no sandbox, and does not turn deliveries into failures", async (_, metadata) => {
  d.anthropic.addSession("sesn_1", { metadata });
  expect(await (await started()).json()).toMatchObject({ status: "drained", refused: 1, started: 0 });
  expect(sandboxCalls()).toEqual([]);
  expect(d.anthropic.stopped).toEqual(["sesn_1"]);
  expect(d.anthropic.acked).toEqual([]);
  expect(d.lines.join("\n")).toContain("metadata.customer");
});

test.each([
  ["no secret", null],
  ["a secret without a token", Buffer.from("{}").toString("base64url")],
  ["a secret that is no JSON", "AAAA"],
])("work with %s is left in the queue: the environment key is never lent to a sandbox", async (_, secret) => {
  d.anthropic.addSession("sesn_1", { secret });
  const response = await started();
  expect(response.status).toBe(503);
  expect(((await response.json()) as { message: string }).message).toContain("same reason");
  expect(d.lines.join("\n")).toContain("without a sessions token");
  expect([d.anthropic.acked, d.anthropic.stopped, sandboxCalls()]).toEqual([[], [], []]);
});

test("a snapshot that goes between the look and the creation is found before anything is acknowledged, and the rest of the queue is not touched", async () => {
  await started();
  d.anthropic.calls.length = 0;
  d.api.snapshots.clear();
  d.anthropic.addSession("sesn_1");
  d.anthropic.addSession("sesn_2");
  const response = await started();
  expect(response.status).toBe(503);
  expect([d.anthropic.acked, d.anthropic.stopped]).toEqual([[], []]);
  expect(d.anthropic.queue).toHaveLength(1);
  expect(d.lines.join("\n")).toMatch(/snapshot snap_1 does not exist any more.*pulumi up/);
});

test.each([
  ["another runner", JSON.stringify({ digest: `sha256:${"2".repeat(64)}` })],
  ["a damaged manifest", "{"],
  ["no manifest", undefined],
])("a snapshot with %s is not booted: its sandbox goes and the item stays", async (_, manifest) => {
  if (manifest === undefined) d.api.files.clear();
  else d.api.files.set("/opt/handrail/manifest.json", manifest);
  d.anthropic.addSession("sesn_1");
  expect((await started()).status).toBe(503);
  expect(d.api.sandboxes.size).toBe(0);
  expect(d.anthropic.acked).toEqual([]);
  expect(d.api.trace().some((call) => call.endsWith("/cmd"))).toBe(false);
});

test("a policy that the API refuses by its schema is said to be one, without the property that the API blames", async () => {
  d.anthropic.addSession("sesn_1");
  d.anthropic.addSession("sesn_2");
  const message = "Invalid request: `networkPolicy` should NOT have additional property `allow`.";
  d.api.fault = ({ method, path }) =>
    method === "POST" && path.endsWith("/sandboxes")
      ? { status: 400, body: { error: { code: "bad_request", message } } }
      : undefined;
  expect((await started()).status).toBe(503);
  expect(d.anthropic.queue).toHaveLength(1);
  expect(d.lines.join("\n")).toMatch(/refused the bound network policy \(\d+ bytes\) by its schema/);
  expect(d.lines.join("\n")).not.toContain("additional property");
});

test("when the sandbox cannot be created, the item is left and the next session is still served", async () => {
  d.anthropic.addSession("sesn_1");
  d.anthropic.addSession("sesn_2");
  d.api.fault = ({ method, body }) =>
    method === "POST" && (body as { name?: string })?.name === "handrail-sesn_1"
      ? { status: 402, body: { error: { code: "payment_required", message: "over the limit" } } }
      : undefined;
  const response = await started();
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ started: 1, left: 1 });
  expect(d.anthropic.acked).toEqual(["sesn_2"]);
  expect(d.anthropic.stopped).toEqual([]);
});

test("when the acknowledgement fails, the sandbox goes, no runner starts and the item is left", async () => {
  d.anthropic.addSession("sesn_1");
  d.anthropic.fault = (call) =>
    isAck(call)
      ? { status: 400, body: { type: "error", error: { type: "invalid_request_error", message: "no" } } }
      : undefined;
  expect((await started()).status).toBe(503);
  expect(d.api.sandboxes.size).toBe(0);
  expect(d.api.trace().some((call) => call.endsWith("/cmd"))).toBe(false);
  expect(d.anthropic.stopped).toEqual([]);
});

test("when the runner cannot be started, the sandbox goes and the item is not stopped, so that its lease lapses", async () => {
  d.anthropic.addSession("sesn_1");
  d.api.fault = ({ method, path }) =>
    method === "POST" && path.endsWith("/cmd")
      ? { status: 400, body: { error: { code: "bad_request", message: "no" } } }
      : undefined;
  expect((await started()).status).toBe(503);
  expect(d.anthropic.acked).toEqual(["sesn_1"]);
  expect(d.anthropic.stopped).toEqual([]);
  expect(d.api.sandboxes.size).toBe(0);

  // The lapsed lease puts the item back, under the same id, with another token.
  d.api.fault = undefined;
  d.anthropic.addSession("sesn_1");
  expect(await (await started()).json()).toMatchObject({ started: 1 });
});

test("a creation whose answer was lost is recognised as the own one", async () => {
  d.anthropic.addSession("sesn_1");
  let lost = false;
  d.api.fault = ({ method, path }, handle) => {
    if (lost || method !== "POST" || path !== "/v3/sandboxes") return undefined;
    lost = true;
    handle();
    return "cut";
  };
  expect(await (await started()).json()).toMatchObject({ status: "drained", started: 1 });
  expect(d.api.trace().filter((call) => call === "POST /v3/sandboxes")).toHaveLength(2);
});

test.each([400, 409])("a name that another claim took meanwhile (%i) is not touched", async (status) => {
  d.api.duplicateNameStatus = status;
  d.anthropic.addSession("sesn_1");
  await started();
  const before = d.api.sandboxes.get("handrail-sesn_1");
  // The other claim creates it between this one's look and its creation.
  d.anthropic.addSession("sesn_1");
  let looked = false;
  d.api.fault = ({ method, path }) => {
    if (looked || method !== "GET" || path !== "/v2/sandboxes/handrail-sesn_1") return undefined;
    looked = true;
    return { status: 404, body: { error: { code: "not_found", message: "no" } } };
  };
  expect((await started()).status).toBe(503);
  expect(d.api.sandboxes.get("handrail-sesn_1")).toBe(before);
  expect(d.anthropic.acked).toEqual(["sesn_1"]);
});

test("the next turn of a session, under the same work id, is served in a sandbox with new tickets and the new token", async () => {
  d.anthropic.addSession("sesn_1", { secret: Buffer.from('{"sessions_token":"first-token"}').toString("base64url") });
  await started();
  const first = d.api.sandboxes.get("handrail-sesn_1");
  const firstTickets = JSON.parse(d.api.handoverOf("handrail-sesn_1")).tickets;
  d.api.exit("handrail-sesn_1", 0);

  // Padded this time: both forms occur.
  d.anthropic.addSession("sesn_1", { secret: Buffer.from('{"sessions_token":"token-2"}').toString("base64") });
  expect(await (await started()).json()).toMatchObject({ status: "drained", started: 1 });
  const second = d.api.sandboxes.get("handrail-sesn_1");
  expect(second?.vmId).not.toBe(first?.vmId);
  const policy = JSON.stringify(second?.networkPolicy);
  expect(policy).toContain("Bearer token-2");
  expect(policy).not.toContain("first-token");
  for (const ticket of Object.values<string>(firstTickets)) expect(policy).not.toContain(ticket);
  expect(d.anthropic.acked).toEqual(["sesn_1", "sesn_1"]);
});

test("a sandbox that its own timeout stopped is replaced", async () => {
  d.anthropic.addSession("sesn_1");
  await started();
  const first = d.api.sandboxes.get("handrail-sesn_1");
  if (first) first.status = "stopped";
  d.anthropic.addSession("sesn_1");
  expect(await (await started()).json()).toMatchObject({ started: 1 });
  expect(d.api.sandboxes.get("handrail-sesn_1")?.vmId).not.toBe(first?.vmId);
});

test("a second claim of a session with a live runner does not cut it, and the sender is told to come again", async () => {
  d.anthropic.addSession("sesn_1");
  await started();
  const before = structuredClone(d.api.sandboxes.get("handrail-sesn_1"));
  d.anthropic.addSession("sesn_1");
  const response = await started();
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ left: 1 });
  expect(d.lines.join("\n")).toContain("its runner is alive");
  expect(d.api.sandboxes.get("handrail-sesn_1")).toEqual(before);
  expect(d.anthropic.acked).toEqual(["sesn_1"]);
});

test("when the queue does not answer, the sender is told to come again", async () => {
  d.anthropic.fault = () => ({
    status: 400,
    body: { type: "error", error: { type: "invalid_request_error", message: "no" } },
  });
  expect((await started()).status).toBe(503);
});

test("a queue that never ends is left after 25 polls, and the sender is told to come again", async () => {
  for (let n = 0; n < 30; n += 1) d.anthropic.queue.push("instance-not-found");
  expect((await started()).status).toBe(503);
  expect(d.anthropic.calls).toHaveLength(25);
});

test("the schedule serves what no delivery brought, and refuses callers without its secret", async () => {
  d.anthropic.addSession("sesn_1");
  for (const authorization of ["", "Bearer wrong", "Bearer ", "Basic cron-secret-of-the-test"]) {
    expect((await d.plane.cron(cronCall(authorization))).status).toBe(401);
  }
  expect(d.anthropic.calls).toEqual([]);
  const response = await d.plane.cron(cronCall());
  expect(await response.json()).toMatchObject({ status: "drained", started: 1 });
});

test.each([
  [2, 1],
  [1, 0],
  [null, 0],
])(
  "when the queue sees %s workers, a run of the schedule warns %i times and is served all the same",
  async (n, times) => {
    d.anthropic.workersPolling = n;
    for (const id of ["sesn_1", "sesn_2"]) d.anthropic.addSession(id);
    expect(await (await d.plane.cron(cronCall())).json()).toMatchObject({ status: "drained", started: 2 });
    const warnings = d.lines.filter((line) => line.includes("queue.other_workers"));
    expect(warnings).toHaveLength(times);
    if (times > 0) expect(JSON.parse(warnings[0] ?? "")).toMatchObject({ level: "warn", workersPolling: 2 });
  },
);

test("a run of the schedule does not depend on the queue's stats, and a delivery never asks for them", async () => {
  await started();
  expect(d.anthropic.trace().some((call) => call.endsWith("/stats"))).toBe(false);
  d.anthropic.fault = ({ path }) => (path.endsWith("/stats") ? { status: 403, body: {} } : undefined);
  expect((await d.plane.cron(cronCall())).status).toBe(200);
});

test("the schedule removes sandboxes whose runner exited, and leaves live ones and everybody else's alone", async () => {
  for (const id of ["sesn_1", "sesn_2", "sesn_3"]) d.anthropic.addSession(id);
  await started();
  d.api.exit("handrail-sesn_1", 21);
  const stopped = d.api.sandboxes.get("handrail-sesn_3");
  const live = d.api.sandboxes.get("handrail-sesn_2");
  if (stopped) stopped.status = "stopped";
  // Of the same environment, but no session's: a snapshot that is being built, say.
  if (live) {
    const { "handrail-runner": _, ...tags } = live.tags;
    const other = { ...live, name: "handrail-snapshot", vmId: "sbx_other", status: "stopped", tags };
    d.api.sandboxes.set(other.name, other);
    const foreign = { ...live.tags, "handrail-environment": "env_2" };
    d.api.sandboxes.set("foreign", { ...live, name: "foreign", vmId: "sbx_foreign", tags: foreign, status: "stopped" });
  }
  expect((await d.plane.cron(cronCall())).status).toBe(200);
  expect([...d.api.sandboxes.keys()]).toEqual(["handrail-sesn_2", "handrail-snapshot", "foreign"]);
  const removed = d.lines.map((line) => JSON.parse(line)).find(({ exitCode }) => exitCode === 21);
  expect(removed).toMatchObject({ level: "error", outcome: "bad_install" });
});

test("a removal that meets a sandbox of the next claim under the same name leaves it alone", async () => {
  d.anthropic.addSession("sesn_1");
  await started();
  d.api.exit("handrail-sesn_1", 0);
  d.api.fault = ({ path }, handle) => {
    if (!path.endsWith("/stop")) return undefined;
    const reply = handle();
    const box = d.api.sandboxes.get("handrail-sesn_1");
    if (box) d.api.sandboxes.set(box.name, { ...box, vmId: "sbx_next", status: "running" });
    return reply;
  };
  await d.plane.cron(cronCall());
  expect(d.api.sandboxes.get("handrail-sesn_1")).toMatchObject({ vmId: "sbx_next", status: "running" });
});

test("health says what the deployment is made of and which gates are open, and no secret", async () => {
  const health = await d.plane.health();
  expect(health.status).toBe(200);
  expect(await health.clone().json()).toMatchObject({
    status: "ok",
    snapshotId: "snap_1",
    environmentId: "env_1",
    policyDigest: expect.stringMatching(/^sha256:/),
    gates: { environmentKey: "closed", webhookSigningKey: "closed" },
  });
  expect(await health.text()).not.toMatch(/token-value|sk-ant|whsec|cron-secret/);
  const waiting = await d.redeploy({ ANTHROPIC_ENVIRONMENT_KEY: "" }).health();
  expect(waiting.status).toBe(200);
  expect(await waiting.json()).toMatchObject({ status: "waiting", gates: { environmentKey: "open" } });
  const refusing = await d.redeploy({ HANDRAIL_POLICY_DIGEST: `sha256:${"0".repeat(64)}` }).health();
  expect(refusing.status).toBe(503);
  expect(await refusing.json()).toMatchObject({ status: "refusing", policyDigest: expect.stringMatching(/^sha256:/) });
});

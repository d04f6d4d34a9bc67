/** A snapshot that is gone is found before any work is claimed, and looking for it costs next to nothing. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { createLog } from "./log.ts";
import { FRESH_MS, type SnapshotLike, snapshotWatch } from "./snapshot-watch.ts";
import { cronCall, delivery, deploy, type TestDeployment } from "./testing/control-plane.ts";

let d: TestDeployment;
beforeEach(async () => {
  d = await deploy();
});
afterEach(() => d.close());

const started = () => d.plane.webhook(delivery("session.status_run_started"));
const looks = () => d.api.trace().filter((call) => call === "GET /v2/sandboxes/snapshots/snap_1");

test("while the snapshot is gone nothing is claimed, and the answer says what to do", async () => {
  d.api.snapshots.clear();
  d.anthropic.addSession("sesn_1");
  const response = await started();
  expect(response.status).toBe(503);
  expect(((await response.json()) as { message: string }).message).toMatch(/snapshot.*pulumi up/);
  expect((await d.plane.cron(cronCall())).status).toBe(503);
  expect(d.anthropic.trace().filter((call) => call.endsWith("/poll"))).toEqual([]);
});

test("deliveries that find nothing cost one poll each, and one look at the snapshot between them", async () => {
  for (let n = 0; n < 5; n += 1) expect((await started()).status).toBe(200);
  expect(d.anthropic.calls).toHaveLength(5);
  expect(d.api.calls).toHaveLength(1);
});

test("work is claimed when the snapshot cannot be asked for: the creation will tell", async () => {
  d.anthropic.addSession("sesn_1");
  d.api.fault = ({ path }) => (path.includes("/snapshots/") ? { status: 403, body: {} } : undefined);
  expect(await (await started()).json()).toMatchObject({ status: "drained", started: 1 });
});

test.each([
  ["present", () => {}, "present"],
  ["gone", () => d.api.snapshots.clear(), "missing"],
  ["not to be asked for", () => Object.assign(d.api, { fault: () => ({ status: 403, body: {} }) }), "unknown"],
])("health is 200 and says so when the snapshot is %s", async (_, arrange, snapshot) => {
  arrange();
  const health = await d.plane.health();
  expect(health.status).toBe(200);
  expect(await health.json()).toMatchObject({ status: "ok", snapshot });
  await d.plane.health();
  expect(looks()).toHaveLength(1);
});

test("health says when the snapshot will expire", async () => {
  d.api.snapshotExpiresAt = Date.now() + 86_400_000;
  const health = (await (await d.plane.health()).json()) as { snapshotExpiresAt: string };
  expect(Date.parse(health.snapshotExpiresAt)).toBe(d.api.snapshotExpiresAt);
});

test("an answer holds for a minute, but not beyond the snapshot's expiry", async () => {
  let now = 0;
  let asked = 0;
  let found: SnapshotLike = { status: "created", expiresAt: new Date(FRESH_MS / 2) };
  const get = async () => {
    asked += 1;
    return found;
  };
  const watch = snapshotWatch({ get, now: () => now, log: createLog([], () => {}) });
  expect((await Promise.all([watch.look(), watch.look()])).map(({ snapshot }) => snapshot)).toEqual([
    "present",
    "present",
  ]);
  now = FRESH_MS / 2;
  expect(await watch.look()).toMatchObject({ snapshot: "missing" });
  expect(asked).toBe(1);
  now = FRESH_MS;
  found = { status: "created", expiresAt: undefined };
  expect(await watch.look()).toEqual({ snapshot: "present" });
  found = { status: "deleted", expiresAt: undefined };
  now = 2 * FRESH_MS;
  expect(await watch.look()).toEqual({ snapshot: "missing" });
});

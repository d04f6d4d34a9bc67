import { spawn } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { startTestCloud } from "./test-cloud.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of closers.splice(0)) await end();
});

async function start(...args: Parameters<typeof startTestCloud>) {
  const cloud = await startTestCloud(...args);
  closers.push(cloud.close);
  return cloud;
}

/** A clock that only moves when told. */
function createClock() {
  let now = 1_000_000;
  const due = new Set<{ at: number; callback: () => void }>();
  return {
    now: () => now,
    after(ms: number, callback: () => void) {
      const entry = { at: now + ms, callback };
      due.add(entry);
      return () => void due.delete(entry);
    },
    advance(ms: number) {
      now += ms;
      for (const entry of [...due]) {
        if (entry.at > now) continue;
        due.delete(entry);
        entry.callback();
      }
    },
  };
}

test("a session ends at its timeout, later when extended, and what it ran is killed", async () => {
  const clock = createClock();
  const cloud = await start({ clock });
  const sandbox = await cloud.create("timed", "deny-all", { timeout: 60_000 });
  const command = await sandbox.runCommand({ cmd: "sleep", args: ["600"], detached: true });
  await sandbox.extendTimeout(30_000);
  clock.advance(60_000);
  expect((await sandbox.runCommand("true")).exitCode).toBe(0);
  clock.advance(30_000);
  expect((await command.wait()).exitCode).toBe(137);
  await expect.poll(() => sandbox.runCommand("true").catch((error) => error.response.status)).toBe(410);
});

test("a session cannot be made longer than a plan allows, at once or bit by bit", async () => {
  const cloud = await start({ clock: createClock() });
  const day = 86_400_000;
  const refused = { response: { status: 400 } };
  await expect(cloud.create("too-long", "deny-all", { timeout: day + 1 })).rejects.toMatchObject(refused);
  const sandbox = await cloud.create("long", "deny-all", { timeout: day - 2_000 });
  await expect(sandbox.extendTimeout(2_001)).rejects.toMatchObject({
    ...refused,
    message: expect.stringContaining("`duration` would make the timeout 86400001 ms, and the longest is 86400000 ms"),
  });
  await sandbox.extendTimeout(2_000);
  expect(sandbox.currentSession().timeout).toBe(day);
  await expect(sandbox.extendTimeout(1_000)).rejects.toMatchObject(refused);
});

test("an expired snapshot cannot be started any more", async () => {
  const clock = createClock();
  const cloud = await start({ clock });
  const snapshot = await (await cloud.create("expiring")).snapshot({ expiration: 86_400_000 });
  clock.advance(86_400_001);
  await expect(
    cloud.create("late", "deny-all", { source: { type: "snapshot", snapshotId: snapshot.snapshotId } }),
  ).rejects.toMatchObject({ response: { status: 410 } });
});

test("without root a sandbox works the same, its commands in nested PID namespaces", async () => {
  const cloud = await start({ executorMode: "pidns" });
  expect(await (await cloud.console("GET", "host")).json()).toEqual({ executorMode: "pidns" });
  await cloud.serve("api.example", (_request, response) => response.end("reached"));
  const sandbox = await cloud.create("rootless", {
    allow: { "api.example": [{ transform: [{ headers: { host: "api.example" } }] }] },
  });
  const script = `id -u; curl -sS https://api.example/; echo; curl -sS https://unlisted.example/ 2>/dev/null; echo $?
    unshare --pid --fork --mount --net bash -c 'echo $$; mount -o remount,rw,bind /usr 2>&1'`;
  const done = await sandbox.runCommand("bash", ["-c", script]);
  expect(await done.stdout()).toMatch(/^0\nreached\n6\n1\nmount: .*permission denied/);
  const snapshot = await sandbox.snapshot();
  const copy = await cloud.create("copy", "deny-all", {
    source: { type: "snapshot", snapshotId: snapshot.snapshotId },
  });
  expect((await copy.runCommand("true")).exitCode).toBe(0);
});

test("when the server is killed, nothing that ran in its sandboxes survives", async () => {
  const seconds = String(100_000 + Math.floor(Math.random() * 900_000));
  const script = `
    import { startTestCloud } from ${JSON.stringify(new URL("test-cloud.ts", import.meta.url).href)};
    const cloud = await startTestCloud();
    const sandbox = await cloud.create("orphan");
    await sandbox.runCommand({ cmd: "setsid", args: ["sleep", "${seconds}"], detached: true });
    console.log(cloud.folder);`;
  const server = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const folder = await new Promise<string>((resolve) =>
    server.stdout.once("data", (line) => resolve(String(line).trim())),
  );
  const running = () =>
    readdirSync("/proc").filter((pid) => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`sleep\0${seconds}`);
      } catch {
        return false;
      }
    });
  await expect.poll(() => running().length).toBeGreaterThan(0);
  server.kill("SIGKILL");
  await expect.poll(running, { timeout: 10_000 }).toEqual([]);
  rmSync(folder, { recursive: true, force: true });
});

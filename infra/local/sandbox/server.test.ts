import { readdirSync, readFileSync } from "node:fs";
import { Sandbox, Snapshot } from "@vercel/sandbox";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestCloud, TOKEN } from "./test-cloud.ts";

let cloud: Awaited<ReturnType<typeof startTestCloud>>;
beforeAll(async () => {
  process.env.SECRET_OF_THE_HOST = "host-secret-value";
  cloud = await startTestCloud();
});
afterAll(async () => {
  delete process.env.SECRET_OF_THE_HOST;
  await cloud.close();
});

const sh = async (sandbox: Sandbox, script: string, options: object = {}) => {
  const done = await sandbox.runCommand({ cmd: "bash", args: ["-c", script], ...options });
  return { exitCode: done.exitCode, stdout: await done.stdout(), stderr: await done.stderr() };
};

test("a command's output, exit code, user, directory and environment are the sandbox's", async () => {
  const sandbox = await cloud.create("first", "deny-all", { env: { FROM_SANDBOX: "a" } });
  const done = await sh(sandbox, 'pwd; id -u; echo "$FROM_SANDBOX$MINE"; echo oops >&2; node -v; exit 3', {
    env: { MINE: "b" },
  });
  const uid = cloud.api.executorMode === "uid" ? "1000" : "0";
  expect(done.stdout).toMatch(new RegExp(`^/vercel/sandbox\n${uid}\nab\nv24\\.`));
  expect(done).toMatchObject({ exitCode: 3, stderr: "oops\n" });
  expect((await sh(sandbox, "id -u; echo $HOME", { sudo: true })).stdout).toBe("0\n/root\n");
  expect((await sandbox.runCommand("no-such-program")).exitCode).toBe(127);
  await expect(sh(sandbox, "true", { cwd: "/nowhere" })).rejects.toThrow("no such directory: /nowhere");
  await sandbox.stop();
});

test("nothing of the host's environment, files or processes can be read inside", async () => {
  const sandbox = await cloud.create("closed");
  const probe = await sh(
    sandbox,
    `cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'; ls /root /home /sys 2>&1; ls -d ${process.cwd()} 2>&1; ls /proc | grep -c '^[0-9]'; ls /proc/self/fd`,
    { sudo: true, env: { OWN: "own-value" } },
  );
  expect(probe.stdout).toContain("own-value");
  expect(probe.stdout).not.toContain("host-secret-value");
  expect(probe.stdout).toMatch(/cannot access '\/sys'/);
  expect(probe.stdout).toMatch(new RegExp(`cannot access '${process.cwd()}'`));
  expect(probe.stdout.trim().split("\n").slice(-4)).toEqual(["0", "1", "2", "3"]);
  await sandbox.stop();
});

test("a command's environment stands in no argv of the host", async () => {
  const sandbox = await cloud.create("argv");
  const command = await sandbox.runCommand({
    cmd: "sleep",
    args: ["60"],
    env: { T: "value-only-in-env" },
    detached: true,
  });
  const lines = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8");
      } catch {
        return "";
      }
    });
  expect(lines.join("\n")).not.toContain("value-only-in-env");
  await command.kill();
  expect((await command.wait()).exitCode).toBe(143);
  await sandbox.stop();
});

test("files are written and read as the default user, with modes", async () => {
  const sandbox = await cloud.create("files");
  await sandbox.mkDir("made");
  await sandbox.writeFiles([
    { path: "made/a.txt", content: Buffer.from("relative") },
    { path: "/tmp/b.sh", content: "#!/bin/bash\necho ran", mode: 0o755 },
  ]);
  expect((await sandbox.readFileToBuffer({ path: "made/a.txt" }))?.toString()).toBe("relative");
  expect((await sandbox.runCommand("/tmp/b.sh")).exitCode).toBe(0);
  expect(await sandbox.readFileToBuffer({ path: "/tmp/absent" })).toBeNull();
  await expect(sandbox.mkDir("made")).rejects.toThrow("File exists");
  if (cloud.api.executorMode === "uid") {
    await expect(sandbox.writeFiles([{ path: "/etc/passwd", content: "x" }])).rejects.toThrow("400");
  }
  expect(await sandbox.fs.readdir("/vercel/sandbox")).toEqual(["made"]);
  await sandbox.stop();
});

test("a detached command is followed by its logs, and one past its timeout is killed", async () => {
  const sandbox = await cloud.create("logs");
  const command = await sandbox.runCommand({ cmd: "bash", args: ["-c", "echo one; echo two >&2"], detached: true });
  const lines = [];
  for await (const line of command.logs()) lines.push(line);
  expect(lines).toContainEqual({ stream: "stdout", data: "one\n" });
  expect(lines).toContainEqual({ stream: "stderr", data: "two\n" });
  expect((await sandbox.runCommand({ cmd: "sleep", args: ["600"], timeoutMs: 100 })).exitCode).toBe(137);
  await sandbox.stop();
});

test("a snapshot carries the disk to another sandbox, with owners and modes", async () => {
  const sandbox = await cloud.create("source");
  await sh(sandbox, "mkdir -p /opt/handrail && echo v1 > /opt/handrail/version && chmod 0644 /opt/handrail/version", {
    sudo: true,
  });
  const snapshot = await sandbox.snapshot();
  expect(sandbox.status).not.toBe("running");
  const copy = await Sandbox.create({
    ...cloud.sdk,
    name: "copy",
    source: { type: "snapshot", snapshotId: snapshot.snapshotId },
    persistent: false,
  });
  expect((await sh(copy, "cat /opt/handrail/version; stat -c '%u %a' /opt/handrail/version")).stdout).toBe(
    "v1\n0 644\n",
  );
  await copy.stop();
  await (await Snapshot.get({ ...cloud.sdk, snapshotId: snapshot.snapshotId })).delete();
  await expect(
    Sandbox.create({ ...cloud.sdk, name: "late", source: { type: "snapshot", snapshotId: snapshot.snapshotId } }),
  ).rejects.toMatchObject({ response: { status: 410 }, json: { error: { code: "snapshot_not_found" } } });
});

test("a persistent sandbox comes back with its files, a non-persistent one is gone", async () => {
  const kept = await cloud.create("kept", "deny-all", { persistent: true });
  await sh(kept, "echo here > note");
  await kept.stop();
  expect((await sh(kept, "cat note")).stdout).toBe("here\n");
  await kept.delete();
  await expect(Sandbox.get({ ...cloud.sdk, name: "kept" })).rejects.toMatchObject({ response: { status: 404 } });

  const once = await cloud.create("once");
  await once.stop();
  await expect(once.runCommand("true")).rejects.toMatchObject({ response: { status: 410 } });
});

test("a name is taken once, a tag finds it, and pages follow each other", async () => {
  const sandbox = await cloud.create("tagged", "deny-all", { tags: { role: "x" } });
  await expect(cloud.create("tagged")).rejects.toMatchObject({ response: { status: 400 } });
  const found = await Sandbox.list({ ...cloud.sdk, tags: { role: "x" } });
  expect(found.sandboxes.map((each) => each.name)).toEqual(["tagged"]);
  const page = await Sandbox.list({ ...cloud.sdk, limit: 1, sortBy: "name", namePrefix: "t" });
  expect(page.sandboxes).toHaveLength(1);
  await expect(cloud.create("bad name")).rejects.toMatchObject({ response: { status: 400 } });
  await sandbox.stop();
});

test("a name belongs to a project: another project does not find it, and may have one of its own", async () => {
  const mine = await cloud.create("shared");
  const other = { ...cloud.sdk, projectId: "prj_other" };
  const missing = { response: { status: 404 } };
  await expect(Sandbox.get({ ...other, name: "shared" })).rejects.toMatchObject(missing);
  const theirs = await Sandbox.create({ ...other, name: "shared", persistent: false });
  expect(theirs.currentSession().sessionId).not.toBe(mine.currentSession().sessionId);
  expect((await Sandbox.get({ ...cloud.sdk, name: "shared" })).currentSession().sessionId).toBe(
    mine.currentSession().sessionId,
  );
  const names = async (sdk: typeof cloud.sdk) => (await Sandbox.list(sdk)).sandboxes.map((each) => each.name);
  expect(await names(other)).toEqual(["shared"]);
  expect(await names({ ...cloud.sdk, projectId: "prj_none" })).toEqual([]);
  const { snapshotId } = await theirs.snapshot();
  const snapshots = async (sdk: typeof cloud.sdk) =>
    (await Snapshot.list({ ...sdk, name: "shared" })).snapshots.map((each) => each.id);
  expect(await snapshots(other)).toEqual([snapshotId]);
  expect(await snapshots(cloud.sdk)).toEqual([]);
  await theirs.delete();
  await expect(Sandbox.get({ ...other, name: "shared" })).rejects.toMatchObject(missing);
  expect((await mine.runCommand("true")).exitCode).toBe(0);
  await mine.stop();
});

test("a call without a project is about the cloud's own", async () => {
  const own = await Sandbox.create({ ...cloud.sdk, projectId: "prj_sandboxes", name: "own", persistent: false });
  const call = (path: string) =>
    fetch(`${cloud.api.url}/v2/sandboxes${path}`, { headers: { authorization: `Bearer ${TOKEN}` } });
  expect((await call("/own")).status).toBe(200);
  expect(await (await call("")).json()).toMatchObject({ sandboxes: [{ name: "own" }] });
  await own.stop();
});

test.each([
  ["exposed ports", { ports: [3000] }, "`ports` are not exposed here"],
  [
    "a git source",
    { source: { type: "git", url: "https://git.example/a.git" } },
    "`source.type` is not supported here",
  ],
  ["a runtime that is none", { runtime: "node1" }, '`runtime` Invalid option: expected one of "node26"'],
  ["a range that is none", { networkPolicy: { subnets: { allow: ["notcidr"] } } }, '"notcidr" is no address range'],
  ["a key that is an URL", { networkPolicy: { allow: { "http://bad/": [] } } }, '"http://bad/" is no domain pattern'],
])("refuses %s on create", async (_what, params, message) => {
  await expect(cloud.create("refused", "deny-all", params)).rejects.toMatchObject({
    response: { status: 400 },
    message: expect.stringContaining(message),
  });
});

test("refuses ports on update, and a name's prefix without the order that it needs", async () => {
  const sandbox = await cloud.create("portless", "deny-all", { ports: [], runtime: "node24" });
  await expect(sandbox.update({ ports: [3000] })).rejects.toMatchObject({ response: { status: 400 } });
  await expect(Sandbox.list({ ...cloud.sdk, namePrefix: "p" })).rejects.toMatchObject({
    response: { status: 400 },
    message: expect.stringContaining("`namePrefix` needs sortBy=name"),
  });
  await sandbox.stop();
});

test("a snapshot's tree is a call that does not exist here, not a snapshot that is missing", async () => {
  await expect(Snapshot.tree({ ...cloud.sdk, snapshotId: "snap_1" })).rejects.toMatchObject({
    response: { status: 404 },
    message: expect.stringContaining("No such call: GET /v2/sandboxes/snapshots/tree"),
  });
});

test("only the right token gets in", async () => {
  for (const [token, status] of [
    ["wrong", 401],
    [TOKEN, 200],
  ] as const) {
    const response = await fetch(`${cloud.api.url}/v2/sandboxes?teamId=team_test`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(response.status).toBe(status);
  }
});

test("an injected fault is met once, as the SDK would meet it", async () => {
  await cloud.console("POST", "faults", {
    path: "/v2/sandboxes",
    method: "GET",
    status: 429,
    code: "rate_limited",
    retryAfter: 60,
  });
  await expect(Sandbox.get({ ...cloud.sdk, name: "nobody" })).rejects.toMatchObject({ response: { status: 429 } });
  await expect(Sandbox.get({ ...cloud.sdk, name: "nobody" })).rejects.toMatchObject({ response: { status: 404 } });
  const sandbox = await cloud.create("cut");
  await cloud.console("POST", "faults", { path: "/cmd", cutAfter: 1 });
  await expect(sandbox.runCommand("echo", ["x"])).rejects.toThrow();
  await sandbox.stop();
});

test("stopping a sandbox, or closing the server, leaves no process, mount or file", async () => {
  const other = await startTestCloud();
  const sandbox = await other.create("leftovers");
  const marker = `sleep\0${100_000 + Math.floor(Math.random() * 900_000)}`;
  const [cmd = "", seconds = ""] = marker.split("\0");
  await sandbox.runCommand({ cmd: "setsid", args: [cmd, seconds], detached: true });
  const again = await other.create("leftovers-two");
  await again.runCommand({ cmd, args: [seconds], detached: true });
  const running = () =>
    readdirSync("/proc").filter((pid) => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(marker);
      } catch {
        return false;
      }
    });
  await expect.poll(() => running().length).toBeGreaterThanOrEqual(2);
  await sandbox.stop();
  await other.close();
  await expect.poll(running).toEqual([]);
  expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(other.folder);
  expect(() => readdirSync(other.folder)).toThrow("ENOENT");
});

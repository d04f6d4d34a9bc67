/** The built bundle as a sandbox runs it: real processes, users and namespaces, and the SDK over a real socket. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import lock from "../policies/support.lock.json" with { type: "json" };
import { serializeHandover } from "./handover.ts";
import { EXIT_CODES } from "./supervisor/outcome.ts";
import { FakeAnthropic } from "./testing/fake-anthropic.ts";
import { testHandover } from "./testing/handover.ts";
import { type InstalledRunner, installRunner, isRoot } from "./testing/installed-runner.ts";
import { EXECUTOR_USER } from "./vm.ts";

let fake: FakeAnthropic;

beforeEach(async () => {
  fake = await FakeAnthropic.start(testHandover());
});

afterEach(() => fake.close());

const handoverFor = (runner: InstalledRunner, fields = {}) =>
  testHandover({
    anthropicBaseUrl: fake.url,
    policyDigest: lock.digest,
    runnerDigest: runner.digest,
    ...fields,
  });

// With root the executor gets a user of its own. Without, as on a developer's machine, a user namespace.
const ways = [...(isRoot ? (["uid"] as const) : []), "namespaces" as const];

describe.each(ways)("an executor kept apart by %s", (way) => {
  const unprivileged = way === "namespaces";
  let runner: InstalledRunner;

  beforeAll(async () => {
    runner = await installRunner({ unprivileged });
  });

  afterAll(() => runner.remove());

  const start = (fields = {}) => runner.start(handoverFor(runner, fields), { unprivileged });

  async function sh(command: string): Promise<string> {
    return (await fake.result(fake.call("execute_command", { command }))).text;
  }

  test("serves file and command tools of a session, and ends with 0", async () => {
    const supervisor = start();
    expect((await supervisor.record("run.started")).isolation).toBe(way);
    const call = async (name: string, input: unknown) => (await fake.result(fake.call(name, input))).text;

    expect(
      await call("write_file", {
        path: "src/a.test.mjs",
        content: 'import test from "node:test";\ntest("a", () => {});\n',
      }),
    ).toMatch(/^Wrote/);
    expect(await call("list_files", {})).toBe("src/\nsrc/a.test.mjs");
    expect(await call("read_file", { path: "src/a.test.mjs", to_line: 1 })).toBe('import test from "node:test";\n');
    expect(await call("run_tests", {})).toMatch(/pass 1\n[\s\S]*\[exit code 0\]$/);
    expect(await sh("echo $HOME; pwd; exit 3")).toBe(`${runner.workspace}\n${runner.workspace}\n[exit code 3]`);
    fake.endTurn();
    expect(await supervisor.exited).toBe(0);
    expect(fake.stops).toBe(1);
    rmSync(join(runner.workspace, "src"), { recursive: true });
  });

  test("cannot see, read or signal the supervisor, nor find a ticket or an id anywhere", async () => {
    const supervisor = start();
    const { pid } = supervisor.child;
    await supervisor.record("run.started");

    expect(
      await sh("id -u; grep -E '^(CapEff|CapBnd|CapPrm|CapAmb|NoNewPrivs)' /proc/self/status | sort | tr -s '\\t' ' '"),
    ).toContain(
      "CapAmb: 0000000000000000\nCapBnd: 0000000000000000\nCapEff: 0000000000000000\nCapPrm: 0000000000000000\nNoNewPrivs: 1",
    );
    if (way === "uid")
      expect(await sh("id")).toMatch(
        new RegExp(`^uid=${EXECUTOR_USER.uid}.* gid=${EXECUTOR_USER.gid}.* groups=${EXECUTOR_USER.gid}`),
      );
    // Its own processes are all there is: the first of the namespace, the executor, this shell and ps itself.
    expect(await sh(`ls -d /proc/[0-9]* | wc -l; ls /proc/${pid} 2>&1; kill -0 ${pid} 2>&1`)).toMatch(
      /^[1-9]\n.*No such file/,
    );
    expect(await sh("cat /proc/1/environ /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'; env")).not.toMatch(
      /sesn_1|env_1|HANDRAIL|ANTHROPIC|[0-9a-f]{32}/,
    );
    fake.endTurn();
    await supervisor.exited;
  });

  test("cannot change the runner, nor what leads to it, not even as root of a namespace of its own", async () => {
    const supervisor = start();
    await supervisor.record("run.started");
    const runnerFile = join(runner.installDir, "runner.mjs");
    const before = readFileSync(runnerFile);
    const attacks = [
      `echo '//changed' >> ${runnerFile}`,
      `chmod 0777 ${runnerFile} && echo '//changed' >> ${runnerFile}`,
      `mv ${runner.installDir} ${runner.installDir}.old`,
      `mv ${join(runner.installDir, "..")} /var/tmp/old`,
      `rm ${join(runner.installDir, "boot.sh")}`,
      `unshare -Urm sh -c 'mount -o remount,bind,rw none / && touch ${runner.installDir}/new'`,
      `unshare -Urm sh -c 'umount /; mount --bind / /mnt && touch /mnt${runner.installDir}/new'`,
      `unshare -Urm sh -c 'mount --rbind / /mnt && mount -o remount,bind,rw none /mnt; touch /mnt${runner.installDir}/new'`,
    ];
    for (const attack of attacks) expect(await sh(attack)).not.toContain("[exit code 0]");
    expect(await sh("echo kept > /tmp/$$ && cat /tmp/$$ && rm /tmp/$$ && echo kept > w && rm w")).toBe(
      "kept\n[exit code 0]",
    );
    expect(readFileSync(runnerFile).equals(before)).toBe(true);
    expect(readdirSync(runner.installDir).sort()).toEqual(["boot.sh", "manifest.json", "runner.mjs"]);
    fake.endTurn();
    expect(await supervisor.exited).toBe(0);
  });

  test("is not there any more for the next call, whatever a command did to it", async () => {
    const supervisor = start();
    // Finds whatever of the runner it sees, wakes a debugger in it, and writes to its memory.
    const script = [
      'import { openSync, readdirSync, readFileSync } from "node:fs";',
      'import test from "node:test";',
      'test("takes over", async (t) => {',
      '  const line = (pid) => { try { return readFileSync("/proc/" + pid + "/cmdline", "utf8").split("\\0"); } catch { return []; } };',
      '  const found = readdirSync("/proc").filter((pid) => /^[0-9]+$/.test(pid) && line(pid)[2]?.endsWith("runner.mjs"));',
      '  for (const pid of found) t.diagnostic("found " + line(pid)[5]);',
      '  for (const pid of found) process.kill(pid, "SIGUSR1");',
      "  await new Promise((resolve) => setTimeout(resolve, 200));",
      '  const open = await fetch("http://127.0.0.1:9229/json/list").then(() => true, () => false);',
      '  t.diagnostic("debugger " + open);',
      "});",
    ];
    writeFileSync(join(runner.workspace, "evil.test.mjs"), script.join("\n"));
    const { text } = await fake.result(fake.call("run_tests"));
    expect(text).toContain("pass 1\n");
    expect([...text.matchAll(/found (\w+)/g)].map(([, kind]) => kind)).toEqual(["command"]);
    expect(text).toContain("debugger false");
    const own = "readlink /proc/self/ns/pid; ls -l /proc/[0-9]*/exe 2>/dev/null | grep -c node";
    const [first, second] = [await sh(own), await sh(own)];
    expect(first).not.toBe(second);
    // What a call did not get to end lives no longer than its executor.
    await sh("setsid sh -c 'sleep 3; touch late' > /dev/null 2>&1 & echo left");
    expect(await sh("ls -d /proc/[0-9]* | wc -l")).toMatch(/^[1-9]\n/);
    const read = await fake.result(fake.call("read_file", { path: "evil.test.mjs", to_line: 1 }));
    expect(read.text).toBe(`${script[0]}\n`);
    rmSync(join(runner.workspace, "evil.test.mjs"));
    fake.endTurn();
    expect(await supervisor.exited).toBe(0);
  });

  test("is bounded, and the first to end when memory runs out", async () => {
    const supervisor = start();
    const limits = await sh("grep -E '^Max (processes|core)' /proc/self/limits; cat /proc/self/oom_score_adj; nice");
    expect(limits.replaceAll(/ +/g, " ")).toMatch(
      /^Max core file size 0 0 .*\nMax processes 1024 1024 processes \n1000\n10\n/,
    );
    expect(await sh("renice -n 0 $$ 2>&1; nice")).toMatch(/10\n\[exit code 0\]$/);
    expect(await sh("prlimit --nproc=4096 true")).toContain("[exit code 1]");
    fake.endTurn();
    await supervisor.exited;
  });

  // With a user of their own, executors of other tests would count too.
  if (unprivileged)
    test("that starts programs without end does not stop the heartbeat", async () => {
      const supervisor = start();
      const bomb =
        "(i=0; while :; do sleep 60 & i=$((i+1)); echo $i > count; done) 2> /dev/null; : > full; exec sleep 60";
      const running = fake.call("execute_command", { command: bomb });
      while (!existsSync(join(runner.workspace, "full"))) await new Promise((resolve) => setTimeout(resolve, 20));
      const count = Number(readFileSync(join(runner.workspace, "count"), "utf8"));
      expect(count).toBeGreaterThan(500);
      expect(count).toBeLessThan(1024);
      const { heartbeats } = fake;
      while (fake.heartbeats === heartbeats) await new Promise((resolve) => setTimeout(resolve, 20));
      supervisor.child.kill("SIGTERM");
      expect(await fake.result(running)).toMatchObject({ is_error: true });
      expect(await supervisor.exited).toBe(13);
      for (const file of ["count", "full"]) rmSync(join(runner.workspace, file));
    });

  test("reads nothing through a path that leads to the supervisor, nor through a link to it", async () => {
    const supervisor = start();
    const environ = `/proc/${supervisor.child.pid}/environ`;
    symlinkSync(environ, join(runner.workspace, "link"));
    for (const path of [environ, "/proc/self/environ", "link", "../handrail/manifest.json", "/etc/passwd"]) {
      const { text, is_error } = await fake.result(fake.call("read_file", { path }));
      expect([is_error, text]).toEqual([true, expect.stringMatching(/outside the workspace|does not exist/)]);
    }
    rmSync(join(runner.workspace, "link"));
    fake.endTurn();
    await supervisor.exited;
  });

  test("has a network where its tool may have one, and only loopback in it where not", async () => {
    const supervisor = start();
    const script = [
      'import { createServer, connect } from "node:net";',
      'import { networkInterfaces } from "node:os";',
      'import test from "node:test";',
      'test("network", (t, done) => {',
      '  t.diagnostic("interfaces " + Object.keys(networkInterfaces()).join());',
      `  connect(${new URL(fake.url).port}, "127.0.0.1").on("error", (e) => { t.diagnostic("fake " + e.code);`,
      '    const server = createServer((s) => s.end()).listen(0, "127.0.0.1", () =>',
      '      connect(server.address().port, "127.0.0.1").resume().on("close", () => server.close(done))); });',
      "});",
    ];
    writeFileSync(join(runner.workspace, "net.test.mjs"), script.join("\n"));
    const { text } = await fake.result(fake.call("run_tests"));
    expect(text).toMatch(/interfaces lo\n/);
    expect(text).toMatch(/fake ECONNREFUSED/);
    expect(text).toMatch(/pass 1\n/);
    const probe = `require('net').connect(${new URL(fake.url).port}, '127.0.0.1').on('connect', () => { console.log('reached'); process.exit() })`;
    expect(await sh(`node -e "${probe}"`)).toContain("reached");
    rmSync(join(runner.workspace, "net.test.mjs"));
    fake.endTurn();
    await supervisor.exited;
  });

  test("is started again when a command kills it, and the call that died gets an error", async () => {
    const supervisor = start();
    const died = await fake.result(fake.call("execute_command", { command: "kill -9 -1; sleep 30" }));
    expect(died).toMatchObject({
      is_error: true,
      text: expect.stringMatching(/executor ended.*taken effect in part/s),
    });
    expect(await sh("echo alive")).toBe("alive\n[exit code 0]");
    fake.endTurn();
    expect(await supervisor.exited).toBe(0);
  });

  test("takes everything that was started with it, also what left its process group", async () => {
    const supervisor = start();
    await sh("setsid sh -c 'while :; do sleep 1; echo alive >> heartbeat; done' >/dev/null 2>&1 & echo started");
    expect(await sh("ls -d /proc/[0-9]* | wc -l")).toMatch(/^[1-9]\n/);
    const marker = `30${process.pid}.25`;
    const running = fake.call("execute_command", { command: `setsid sleep ${marker} & touch begun; sleep 30` });
    while (!existsSync(join(runner.workspace, "begun"))) await new Promise((resolve) => setTimeout(resolve, 10));
    rmSync(join(runner.workspace, "begun"));
    supervisor.child.kill("SIGTERM");
    expect(await fake.result(running)).toMatchObject({
      is_error: true,
      text: expect.stringContaining("being stopped"),
    });
    expect(await supervisor.exited).toBe(13);
    expect(spawnSync("pgrep", ["-f", `sleep ${marker}`]).status).toBe(1);
    expect(existsSync(join(runner.workspace, "heartbeat"))).toBe(false);
  });
});

test("a supervisor that is killed leaves no executor behind", async () => {
  const runner = await installRunner({ unprivileged: !isRoot });
  const supervisor = runner.start(handoverFor(runner));
  await supervisor.record("run.started");
  const executors = () =>
    spawnSync("pgrep", ["-f", `executor support [a-z]+ ${runner.workspace}`], { encoding: "utf8" }).stdout;
  expect(executors()).not.toBe("");
  supervisor.child.kill("SIGKILL");
  await supervisor.exited;
  while (executors() !== "") await new Promise((resolve) => setTimeout(resolve, 20));
  runner.remove();
});

describe("a supervisor that must not start", () => {
  let runner: InstalledRunner;

  beforeEach(async () => {
    runner = await installRunner({ unprivileged: !isRoot });
  });

  afterEach(() => runner.remove());

  async function refusal(fields = {}, rawHandover?: string) {
    const options = rawHandover === undefined ? {} : { rawHandover };
    const supervisor = runner.start(handoverFor(runner, fields), options);
    const code = await supervisor.exited;
    const record = supervisor.records.find(({ event }) => event === "boot.refused");
    expect(fake.requests).toEqual([]);
    expect(supervisor.output()).not.toContain("a".repeat(32));
    return [code, record?.message];
  }

  test("says so when the handover is missing or malformed, without quoting it", async () => {
    expect(await refusal({}, "")).toEqual([20, expect.stringContaining("empty")]);
    expect(await refusal({}, `{"tickets": "${"a".repeat(32)}"`)).toEqual([20, "the handover is not JSON"]);
    expect(await refusal({ sessionId: "../x" })).toEqual([20, expect.stringContaining("sessionId: must be an id")]);
  });

  test("names the file when the snapshot is another release's, damaged, or has a file too many", async () => {
    const other = `sha256:${"9".repeat(64)}`;
    expect(await refusal({ runnerDigest: other })).toEqual([
      21,
      expect.stringContaining("deploy both from one release"),
    ]);
    writeFileSync(join(runner.installDir, "package.json"), "{}");
    expect(await refusal()).toEqual([21, expect.stringContaining("package.json is not part of the runner")]);
    rmSync(join(runner.installDir, "package.json"));
    writeFileSync(join(runner.installDir, "boot.sh"), "#!/bin/sh\n");
    expect(await refusal()).toEqual([21, expect.stringContaining("boot.sh is not the file of its manifest")]);
  });

  test("names the file that others can write", async () => {
    chmodSync(join(runner.installDir, "boot.sh"), 0o777);
    expect(await refusal()).toEqual([21, expect.stringContaining("boot.sh can be written by others")]);
  });

  test("says which policy it has when the control plane bound another one", async () => {
    const other = `sha256:${"9".repeat(64)}`;
    expect(await refusal({ policyDigest: other })).toEqual([22, expect.stringContaining(lock.digest)]);
    expect(await refusal({ variables: { session: "sesn_1" } })).toEqual([
      22,
      expect.stringContaining("cannot be bound"),
    ]);
  });

  test.runIf(isRoot)("ends when the executor's user cannot be had, and does not take root's in its place", async () => {
    const bin = join(runner.installDir, "..", "bin");
    mkdirSync(bin);
    writeFileSync(
      join(bin, "setpriv"),
      '#!/bin/sh\ncase "$*" in *reuid*) exit 1 ;; esac\nexec /usr/bin/setpriv "$@"\n',
      {
        mode: 0o755,
      },
    );
    const supervisor = runner.start(handoverFor(runner), { env: { PATH: `${bin}:${process.env.PATH}` } });
    expect(await supervisor.exited).toBe(EXIT_CODES.no_isolation);
    expect(supervisor.records.map(({ event }) => event)).not.toContain("executor.ready");
    expect(fake.requests).toEqual([]);
  });

  test("says that its deadline has passed", async () => {
    expect(await refusal({ deadlineMs: 1 })).toEqual([12, expect.stringContaining("deadline")]);
  });
});

/** As on an image: this node is on PATH in a folder that the executor cannot fill, wherever the checkout lies. */
const IMAGE_PATH = "/usr/local/bin:/usr/bin:/bin";

/** Arguments of `unshare` that start a command with this node's folder in the place of /usr/local/bin. */
function onImage(...command: string[]): string[] {
  const script = 'mount --bind "$0" /usr/local/bin && exec "$@"';
  return ["--mount", ...(isRoot ? [] : ["--map-root-user"]), "sh", "-c", script, dirname(process.execPath), ...command];
}

describe("boot.sh", () => {
  let parent: string;
  let base: string;

  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), "handrail-boot-"));
    base = join(parent, "handrail");
    mkdirSync(base);
    cpSync(join(import.meta.dirname, "boot.sh"), join(base, "boot.sh"));
    const probe = [
      'import { readFileSync, readdirSync } from "node:fs";',
      "const show = { env: process.env, argv: process.argv.slice(2), handover: readFileSync(3, 'utf8'),",
      "  environ: readFileSync('/proc/self/environ', 'utf8'), cmdline: readFileSync('/proc/self/cmdline', 'utf8') };",
      "console.log(JSON.stringify(show));",
    ];
    writeFileSync(join(base, "runner.mjs"), probe.join("\n"));
  });

  afterEach(() => rmSync(parent, { recursive: true }));

  const boot = (env: NodeJS.ProcessEnv, shell = "sh") =>
    JSON.parse(execFileSync("unshare", onImage(shell, join(base, "boot.sh")), { env, encoding: "utf8" }));

  test.each(["sh", "bash"])("passes the handover on a descriptor and leaves it in no environment (%s)", (shell) => {
    const handover = serializeHandover(testHandover({ variables: { customer: "c".repeat(3000) } }));
    const seen = boot({ PATH: IMAGE_PATH, HANDRAIL_HANDOVER: handover, ANTHROPIC_API_KEY: "key" }, shell);
    expect(JSON.parse(seen.handover)).toEqual(JSON.parse(handover));
    expect(seen.argv).toEqual(["supervisor"]);
    expect(seen.env).toEqual({ PATH: IMAGE_PATH, HOME: "/root", LANG: "C.UTF-8" });
    expect(`${seen.environ}${seen.cmdline}`).not.toMatch(/sesn_1|ANTHROPIC|a{32}/);
  });

  test("takes a handover literally, whatever a shell would make of it", () => {
    const handover = '{"a":"$(touch x) `id` $HOME \\\\ \\" HANDOVER \'"}';
    expect(boot({ PATH: IMAGE_PATH, HANDRAIL_HANDOVER: handover }).handover).toBe(`${handover}\n`);
  });

  test("keeps the certificate authorities, and only folders on PATH that the executor cannot fill", () => {
    const env = boot({
      PATH: `/workspace/bin:.:bin::/tmp/x:/usr/../tmp:${IMAGE_PATH}`,
      HANDRAIL_HANDOVER: "{}",
      NODE_EXTRA_CA_CERTS: join(base, "boot.sh"),
      SSL_CERT_FILE: "/etc/a b's.pem",
      NODE_OPTIONS: "--require /workspace/x.js",
    }).env;
    expect(env.PATH).toBe(IMAGE_PATH);
    expect(env).toMatchObject({ NODE_EXTRA_CA_CERTS: join(base, "boot.sh"), SSL_CERT_FILE: "/etc/a b's.pem" });
    expect(env).not.toHaveProperty("NODE_OPTIONS");
  });

  test("starts one supervisor for a claim, however often the start is repeated, and another for the next", async () => {
    const supervisor = (handover: string) =>
      new Promise<[number | null, string]>((resolve) => {
        const env = { PATH: IMAGE_PATH, HANDRAIL_HANDOVER: handover };
        const child = spawn("unshare", onImage("sh", join(base, "boot.sh")), {
          env,
          stdio: ["ignore", "pipe", "inherit"],
        });
        let output = "";
        child.stdout.on("data", (chunk) => {
          output += chunk;
        });
        child.on("close", (code) => resolve([code, output]));
      });
    const first = serializeHandover(testHandover());
    const answers = await Promise.all([1, 2, 3, 4].map(() => supervisor(first)));
    expect(answers.map(([code]) => code).sort()).toEqual([0, EXIT_CODES.already_started, 24, 24]);
    for (const [code, output] of answers) if (code !== 0) expect(JSON.parse(output).message).toMatch(/started already/);
    const next = testHandover({ tickets: { ...testHandover().tickets, supervisor: "d".repeat(32) } });
    expect(await supervisor(serializeHandover(next))).toEqual([0, expect.stringContaining("d".repeat(32))]);
    expect(statSync(`${base}.claims`).mode & 0o777).toBe(0o700);
    expect(readdirSync(`${base}.claims`)).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/), expect.any(String)]);
  });

  test("cannot be started where claims cannot be kept", () => {
    writeFileSync(`${base}.claims`, "");
    const env = { PATH: IMAGE_PATH, HANDRAIL_HANDOVER: "{}" };
    const { status, stdout } = spawnSync("unshare", onImage("sh", join(base, "boot.sh")), { env, encoding: "utf8" });
    expect([status, JSON.parse(stdout).message]).toEqual([21, `${base}.claims cannot be made`]);
  });

  test("refuses to start without a handover", () => {
    const { status, stdout } = spawnSync("unshare", onImage("sh", join(base, "boot.sh")), {
      env: { PATH: IMAGE_PATH },
      encoding: "utf8",
    });
    expect([status, JSON.parse(stdout).message]).toEqual([20, "HANDRAIL_HANDOVER is not set"]);
  });

  test("is POSIX sh", () => {
    expect(readFileSync(join(base, "boot.sh"), "utf8")).toMatch(/^#!\/bin\/sh\n/);
    expect(spawnSync("sh", ["-n", join(base, "boot.sh")]).status).toBe(0);
  });
});

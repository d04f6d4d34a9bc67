import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Duplex, Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { assertMountPoints, copyDisk, makeBaseDisk, removeDisk } from "./disk.ts";
import { createMachine, type Machine } from "./machine.ts";
import { type GuestNetwork, openGuestNetwork } from "./network.ts";

/**
 * How commands are kept apart inside a sandbox: by user ids of their own where the host has root, otherwise only by
 * nested PID namespaces, since a user namespace without root maps a single id.
 */
export type ExecutorMode = "uid" | "pidns";

export interface StartOptions {
  sessionId: string;
  hostname: string;
  /** Disk to start from; it is copied. The base disk when absent. */
  from?: string;
  /** Written inside, by the guest's root, before anything else runs. */
  files: { path: string; mode: number; text: string }[];
}

/** A started machine with its network. */
export interface StartedMachine {
  machine: Machine;
  network: GuestNetwork;
  /** The machine's disk; complete only once the machine has stopped. */
  disk: string;
  removeDisk(): Promise<void>;
}

/** Starts sandboxes in bubblewrap. */
export interface SandboxHost {
  executorMode: ExecutorMode;
  start(options: StartOptions): Promise<StartedMachine>;
}

/**
 * What a guest's root may do: own files and processes, switch user, drop rights for good, and make namespaces for
 * those it starts. No device nodes, modules, raw I/O, tracing, clock or reboot.
 */
const ROOT_CAPABILITIES = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "FSETID",
  "KILL",
  "NET_ADMIN",
  "NET_BIND_SERVICE",
  "SETGID",
  "SETPCAP",
  "SETUID",
  "SYS_ADMIN",
];

/** Closes what the host's own parent may have leaked, and keeps descriptor 3. */
const CLOSE_OTHERS = `for fd in /proc/self/fd/*; do fd=\${fd##*/}; [ "$fd" -gt 3 ] && eval "exec $fd>&-"; done; exec "$@"`;
const AGENT = "/run/sandbox/agent.mjs";

/**
 * Prepares a host below `stateDir` (mode 0700): base disk, agent, and nothing left of an earlier run.
 *
 * @param executorMode "uid" takes root; "pidns", in a user namespace, works for anybody (as root it is for tests: its
 *   guests share root's id and cannot mount a /proc of their own).
 * @param nodeBinary Node 24 binary that every sandbox gets as /usr/local/bin/node.
 * @throws Error naming the command that installs what is missing.
 */
export async function createSandboxHost({
  stateDir,
  nodeBinary,
  executorMode = process.getuid?.() === 0 ? "uid" : "pidns",
}: {
  stateDir: string;
  nodeBinary: string;
  executorMode?: ExecutorMode;
}): Promise<SandboxHost> {
  assertTools();
  const root = executorMode === "uid";
  const base = join(stateDir, "base");
  const sessions = join(stateDir, "sessions");
  for (const leftover of [base, sessions]) await removeDisk(leftover);
  for (const folder of [stateDir, base, sessions]) await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(stateDir, 0o700);
  const agent = join(stateDir, "agent.mjs");
  const [mounted] = await Promise.all([makeBaseDisk(base, root), bundleAgent(agent)]);

  async function start({ sessionId, hostname, from, files }: StartOptions): Promise<StartedMachine> {
    const disk = join(sessions, `${sessionId}-${randomBytes(3).toString("hex")}`);
    try {
      await copyDisk(from ?? base, disk);
      await assertMountPoints(disk, mounted);
      const args = bubblewrapArguments({ disk, hostname, mounted, nodeBinary, agent, root });
      const command = [
        ...(root ? [] : ["/usr/bin/unshare", "--user", "--map-root-user", "--"]),
        ...["/bin/bash", "-c", CLOSE_OTHERS, "agent", "/usr/local/bin/node", AGENT],
      ];
      // An empty environment and arguments on a descriptor: the guest can read both of its first process.
      const bwrap = spawn("bwrap", ["--args", "4", "--info-fd", "5", "--", ...command], {
        env: {},
        cwd: "/",
        stdio: ["ignore", "ignore", "pipe", "pipe", "pipe", "pipe"],
      });
      const [, , stderr, link, argsPipe, infoPipe] = bwrap.stdio as unknown as [
        null,
        null,
        Readable,
        Duplex,
        Duplex,
        Readable,
      ];
      argsPipe.on("error", () => {});
      argsPipe.end(`${args.join("\0")}\0`);
      const machine = createMachine({ bwrap, link, stderr });
      try {
        const pid = await Promise.race([childPid(infoPipe), machine.failed]);
        // A user namespace takes a process in it only once its ids are mapped, which is so when the agent runs.
        if (!root) await machine.ready;
        const [network] = await Promise.all([openGuestNetwork(pid, !root), machine.boot(hostname, files)]);
        return { machine, network, disk, removeDisk: () => removeDisk(disk) };
      } catch (error) {
        await machine.stop();
        throw error;
      }
    } catch (error) {
      await removeDisk(disk);
      throw error;
    }
  }

  return { executorMode, start };
}

function bubblewrapArguments(o: {
  disk: string;
  hostname: string;
  mounted: string[];
  nodeBinary: string;
  agent: string;
  root: boolean;
}): string[] {
  return [
    ...["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"],
    ...(o.root ? [] : ["--unshare-user", "--uid", "0", "--gid", "0"]),
    ...["--die-with-parent", "--new-session", "--hostname", o.hostname],
    ...["--bind", join(o.disk, "root"), "/", "--ro-bind", "/usr", "/usr"],
    ...o.mounted.flatMap((name) => ["--ro-bind", `/${name}`, `/${name}`]),
    ...["--bind", join(o.disk, "usr-local"), "/usr/local", "--ro-bind", o.nodeBinary, "/usr/local/bin/node"],
    ...["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm"],
    ...["--perms", "0755", "--tmpfs", "/run", "--ro-bind", o.agent, AGENT],
    ...["--chdir", "/", "--cap-drop", "ALL"],
    ...(o.root ? ROOT_CAPABILITIES.flatMap((name) => ["--cap-add", `CAP_${name}`]) : ["--cap-add", "ALL"]),
  ];
}

async function childPid(info: Readable): Promise<number> {
  let text = "";
  for await (const chunk of info) text += chunk;
  return JSON.parse(text)["child-pid"];
}

async function bundleAgent(outfile: string): Promise<void> {
  await build({
    entryPoints: [fileURLToPath(new URL("agent.ts", import.meta.url))],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
    logLevel: "silent",
  });
}

function assertTools(): void {
  for (const [tool, pkg] of [
    ["bwrap", "bubblewrap"],
    ["nsenter", "util-linux"],
    ["setpriv", "util-linux"],
    ["unshare", "util-linux"],
  ] as const) {
    if (spawnSync(tool, ["--version"], { stdio: "ignore" }).error)
      throw new Error(`The local sandbox needs ${tool}, which is not installed: run "sudo apt-get install -y ${pkg}".`);
  }
}

/** The built runner, installed in a temporary folder and started as `boot.sh` starts it, for tests with real processes. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { buildRunner } from "../build.ts";
import type { Handover } from "../handover.ts";
import { EXECUTOR_USER } from "../vm.ts";

/** Whether this process may switch users, as the supervisor does in a sandbox. */
export const isRoot = process.geteuid?.() === 0;

/** A user that is nobody's, for the way without root. */
const UNPRIVILEGED = 65534;

/** A runner that lies in a folder of its own. */
export interface InstalledRunner {
  readonly installDir: string;
  readonly workspace: string;
  readonly digest: string;
  /** A node that every user can run. */
  readonly node: string;
  start(handover: Handover, options?: StartOptions): RunningSupervisor;
  remove(): void;
}

/** How to start a supervisor. */
export interface StartOptions {
  /** Run as a user without any privilege. */
  readonly unprivileged?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Instead of the handover. */
  readonly rawHandover?: string;
}

/** A supervisor's process. */
export interface RunningSupervisor {
  readonly child: ChildProcess;
  /** Its log so far. */
  readonly records: Record<string, unknown>[];
  /** Everything that it wrote. */
  output(): string;
  /** Resolves with a record of the log, once it was written. */
  record(event: string): Promise<Record<string, unknown>>;
  readonly exited: Promise<number | null>;
}

/** Builds and installs a runner. With `owner`, its files and workspace are a user's who is not root. */
export async function installRunner({ unprivileged = false } = {}): Promise<InstalledRunner> {
  // Not below /tmp: an executor without a user of its own has another one.
  const base = mkdtempSync("/var/tmp/handrail-runner-");
  chmodSync(base, 0o755);
  const installDir = join(base, "handrail");
  const workspace = join(base, "workspace");
  const { digest } = await buildRunner(installDir);
  mkdirSync(workspace);
  if (isRoot) {
    const owner = unprivileged ? UNPRIVILEGED : EXECUTOR_USER.uid;
    chownSync(workspace, owner, owner);
    // As where there is one user only: the runner's files are the executor's own.
    if (unprivileged) for (const path of [base, installDir, ...filesIn(installDir)]) chownSync(path, owner, owner);
  }
  const node = nodeForEverybody(base);
  return {
    installDir,
    workspace,
    digest,
    node,
    start: (handover, options = {}) => start({ installDir, workspace, node }, handover, options),
    remove: () => rmSync(base, { recursive: true, force: true }),
  };
}

function start(
  { installDir, workspace, node }: Pick<InstalledRunner, "installDir" | "workspace" | "node">,
  handover: Handover,
  { unprivileged = false, env = {}, rawHandover }: StartOptions,
): RunningSupervisor {
  const id = String(UNPRIVILEGED);
  const drop = ["setpriv", "--reuid", id, "--regid", id, "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"];
  const command = [node, join(installDir, "runner.mjs"), "supervisor", workspace];
  const [program = "", ...args] = unprivileged && isRoot ? [...drop, ...command] : command;
  const child = spawn(program, args, {
    env: { PATH: process.env.PATH ?? "", HOME: "/root", LANG: "C.UTF-8", ...env },
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  const descriptor = child.stdio[3] as Writable;
  descriptor.on("error", () => {});
  descriptor.end(rawHandover ?? JSON.stringify(handover));

  const records: Record<string, unknown>[] = [];
  let output = "";
  let pending = "";
  const waiting = new Set<() => void>();
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    output += chunk;
    const complete = (pending + chunk).split("\n");
    pending = complete.pop() ?? "";
    for (const line of complete) records.push(JSON.parse(line));
    for (const check of waiting) check();
  });
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    output += chunk;
  });
  const exited = new Promise<number | null>((resolve) => child.on("close", resolve));
  return {
    child,
    records,
    output: () => output,
    exited,
    record: (event) =>
      new Promise((resolve, reject) => {
        const check = () => {
          const found = records.find((record) => record.event === event);
          if (found === undefined) return;
          waiting.delete(check);
          resolve(found);
        };
        waiting.add(check);
        void exited.then(() => reject(new Error(`the supervisor ended without ${event}: ${output}`)));
        check();
      }),
  };
}

function filesIn(folder: string): string[] {
  return readdirSync(folder).map((name) => join(folder, name));
}

/** This node, or a copy of it where the folders that lead to it are closed to others. */
function nodeForEverybody(base: string): string {
  if (!isRoot) return process.execPath;
  const id = String(EXECUTOR_USER.uid);
  // By way of a shell: setpriv itself has its capabilities until its exec is done, and gets through closed folders.
  const drop = ["--reuid", id, "--regid", id, "--clear-groups", "/bin/sh", "-c", 'exec "$0" -v', process.execPath];
  const { status } = spawnSync("setpriv", drop);
  if (status === 0) return process.execPath;
  const copy = join(base, "node");
  copyFileSync(process.execPath, copy);
  chmodSync(copy, 0o755);
  return copy;
}

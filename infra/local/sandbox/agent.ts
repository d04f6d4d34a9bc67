/**
 * The agent inside a sandbox: starts processes there for the host, over descriptor 3.
 *
 * It is the only thing of ours in the guest. No process of the host ever enters the guest's namespaces to run a
 * command, so nothing with the host's rights is within a guest's reach; what the agent says is a guest's word.
 * Environments of commands come over the descriptor and so stand in nobody's argv.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { constants } from "node:os";
import { dirname } from "node:path";
import { createFrameReader, encodeFrame, type ToGuest, type ToHost } from "./frames.ts";

/** After a process ends, how long its output may still be held open by its children before the end is told (ms). */
const OUTPUT_GRACE = 100;

const host = new Socket({ fd: 3 });
const processes = new Map<number, ChildProcess>();

function tell(head: ToHost, bytes?: Buffer): boolean {
  return host.write(encodeFrame(head, bytes));
}

function boot({ files }: Extract<ToGuest, { op: "boot" }>): void {
  for (const { path, mode, text } of files) {
    mkdirSync(dirname(path), { recursive: true });
    rmSync(path, { force: true });
    writeFileSync(path, text, { mode, flag: "wx" });
  }
  tell({ event: "booted" });
}

function start({ id, cmd, args, env, cwd, uid }: Extract<ToGuest, { op: "spawn" }>): void {
  // Node's spawn reports a missing directory as a missing program.
  if (!existsSync(cwd)) return void tell({ event: "failed", id, missing: "cwd", message: `no such directory: ${cwd}` });
  const child = spawn(cmd, args, {
    cwd,
    env,
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
    ...(uid !== null && { uid, gid: uid }),
  });
  processes.set(id, child);
  child.on("spawn", () => tell({ event: "spawned", id }));
  child.on("error", (error) => {
    if (child.pid !== undefined) return;
    processes.delete(id);
    tell({ event: "failed", id, missing: "command", message: error.message });
  });
  child.stdin.on("error", () => {});
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].on("data", (bytes: Buffer) => {
      if (tell({ event: "out", id, stream }, bytes)) return;
      child[stream].pause();
      host.once("drain", () => child[stream].resume());
    });
  }
  child.on("exit", (code, signal) => {
    const end = () => {
      clearTimeout(timer);
      if (!processes.delete(id)) return;
      tell({ event: "exit", id, code: code ?? 128 + (signal ? constants.signals[signal] : 0) });
    };
    const timer = setTimeout(end, OUTPUT_GRACE);
    child.once("close", end);
  });
}

/** To the process and what it started, as long as that stayed in its process group. */
function signal(id: number, number: number): void {
  const pid = processes.get(id)?.pid;
  if (pid === undefined) return;
  try {
    process.kill(-pid, number);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

const read = createFrameReader<ToGuest>(({ head, bytes }) => {
  switch (head.op) {
    case "boot":
      return boot(head);
    case "spawn":
      return start(head);
    case "stdin":
      return void processes.get(head.id)?.stdin?.write(bytes);
    case "stdinEnd":
      return void processes.get(head.id)?.stdin?.end();
    case "signal":
      return signal(head.id, head.signal);
  }
});

process.umask(0o022);
host.on("data", read);
host.on("close", () => process.exit(0));
tell({ event: "ready" });

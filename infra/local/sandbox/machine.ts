import type { ChildProcess } from "node:child_process";
import type { Duplex, Readable } from "node:stream";
import { createFrameReader, encodeFrame, type ToGuest, type ToHost } from "./frames.ts";

/** What to run inside a machine. */
export interface ProcessSpec {
  cmd: string;
  args: string[];
  env: Record<string, string>;
  cwd: string;
  /** uid (and gid) to run as; null for the machine's root. */
  uid: number | null;
  onOutput(stream: "stdout" | "stderr", bytes: Buffer): void;
}

/** A process inside a machine. */
export interface GuestProcess {
  /** Settles when the process runs; rejects with `GuestStartError`. */
  started: Promise<void>;
  /** Exit code; 128 + signal when killed; 137 also when the machine was stopped under it. */
  exited: Promise<number>;
  signal(number: number): void;
  write(bytes: Buffer): void;
  end(): void;
}

/** A program that could not be started inside, and which part of the request was at fault. */
export class GuestStartError extends Error {
  readonly missing: "cwd" | "command" | "machine";

  constructor(missing: "cwd" | "command" | "machine", message: string) {
    super(message);
    this.missing = missing;
  }
}

/** One running sandbox, as its host sees it. */
export interface Machine {
  /** Settles when the agent inside answers. */
  ready: Promise<void>;
  /** Rejects when the machine ends before it was stopped. */
  failed: Promise<never>;
  /** Settles when nothing of the machine runs any more. */
  ended: Promise<void>;
  boot(hostname: string, files: { path: string; mode: number; text: string }[]): Promise<void>;
  run(spec: ProcessSpec): GuestProcess;
  /** Kills every process in it. */
  stop(): Promise<void>;
}

interface Running {
  spec: ProcessSpec;
  started: PromiseWithResolvers<void>;
  exited: PromiseWithResolvers<number>;
}

const KILLED = 128 + 9;

/**
 * Speaks with the agent of a machine that bubblewrap is starting.
 *
 * @param link The host's end of the agent's descriptor 3.
 */
export function createMachine({
  bwrap,
  link,
  stderr,
}: {
  bwrap: ChildProcess;
  link: Duplex;
  stderr: Readable;
}): Machine {
  const processes = new Map<number, Running>();
  const ready = Promise.withResolvers<void>();
  const booted = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<never>();
  const ended = Promise.withResolvers<void>();
  // Each is waited for somewhere, but not always yet when it rejects.
  for (const each of [ready, booted, failed]) each.promise.catch(() => {});
  let nextId = 1;
  let over = false;
  let complaint = "";

  stderr.on("data", (bytes) => {
    complaint = `${complaint}${bytes}`.slice(-2_000);
  });

  function send(head: ToGuest, bytes?: Buffer): void {
    if (!over) link.write(encodeFrame(head, bytes));
  }

  function finish(why: Error): void {
    if (over) return;
    over = true;
    link.destroy();
    for (const each of [ready, booted, failed]) each.reject(why);
    for (const { started, exited } of processes.values()) {
      started.reject(new GuestStartError("machine", "the sandbox stopped"));
      exited.resolve(KILLED);
    }
    processes.clear();
    ended.resolve();
  }

  const read = createFrameReader<ToHost>(({ head, bytes }) => {
    if (head.event === "ready") return ready.resolve();
    if (head.event === "booted") return booted.resolve();
    const running = processes.get(head.id);
    if (!running) return;
    if (head.event === "out") return running.spec.onOutput(head.stream === "stderr" ? "stderr" : "stdout", bytes);
    if (head.event === "spawned") return running.started.resolve();
    processes.delete(head.id);
    if (head.event === "exit") {
      running.started.resolve();
      return running.exited.resolve(Number(head.code) & 0xff);
    }
    running.started.reject(new GuestStartError(head.missing === "cwd" ? "cwd" : "command", String(head.message)));
  });
  link.on("data", (chunk: Buffer) => {
    try {
      read(chunk);
    } catch {
      bwrap.kill("SIGKILL");
    }
  });
  link.on("error", () => {});
  bwrap.on("error", (error) => finish(new Error(`bwrap could not be started: ${error.message}`)));
  bwrap.on("close", (code) =>
    finish(new Error(`the sandbox ended (exit ${code})${complaint && `: ${complaint.trim()}`}`)),
  );

  return {
    ready: ready.promise,
    failed: failed.promise,
    ended: ended.promise,
    async boot(hostname, files) {
      await ready.promise;
      send({ op: "boot", hostname, files });
      await booted.promise;
    },
    run(spec) {
      const id = nextId++;
      const running: Running = { spec, started: Promise.withResolvers(), exited: Promise.withResolvers() };
      running.started.promise.catch(() => {});
      if (over) {
        running.started.reject(new GuestStartError("machine", "the sandbox stopped"));
      } else {
        processes.set(id, running);
        const { cmd, args, env, cwd, uid } = spec;
        send({ op: "spawn", id, cmd, args, env, cwd, uid });
      }
      return {
        started: running.started.promise,
        exited: running.exited.promise,
        signal: (number) => send({ op: "signal", id, signal: number }),
        write: (bytes) => send({ op: "stdin", id }, bytes),
        end: () => send({ op: "stdinEnd", id }),
      };
    },
    async stop() {
      // The PID namespace ends with its first process, which dies with bubblewrap.
      bwrap.kill("SIGKILL");
      await ended.promise;
    },
  };
}

import { GuestStartError, type Machine, type ProcessSpec } from "./machine.ts";

export interface LogLine {
  stream: "stdout" | "stderr";
  data: string;
}

/** One command of a session, with what it wrote. */
export interface Command {
  id: string;
  sessionId: string;
  name: string;
  args: string[];
  cwd: string;
  /** Epoch ms. */
  startedAt: number;
  /** null while it runs. */
  exitCode: number | null;
  durationMs?: number;
  /** Settles with the exit code. */
  finished: Promise<number>;
  signal(number: number): void;
  /** What it wrote so far and will write, until it ends. */
  logs(): AsyncGenerator<LogLine>;
}

/** Bytes of output kept of one command; what comes after is dropped, and the log says so. */
const LARGEST_LOG = 16 * 1024 * 1024;
const SIGKILL = 9;
/** As a shell answers for a program that is not there. */
const COMMAND_NOT_FOUND = 127;

/**
 * Starts a command in a machine.
 *
 * @param timeout After this many ms it is killed, and its exit code is 137.
 * @throws GuestStartError when the working directory is missing or the machine is gone.
 */
export async function startCommand(
  machine: Machine,
  spec: Omit<ProcessSpec, "onOutput">,
  { id, sessionId, timeout, now }: { id: string; sessionId: string; timeout: number | undefined; now: () => number },
): Promise<Command> {
  const lines: LogLine[] = [];
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  let size = 0;
  let over = false;
  let changed = Promise.withResolvers<void>();

  function add(line: LogLine): void {
    if (line.data !== "") lines.push(line);
    changed.resolve();
    changed = Promise.withResolvers();
  }

  const process = machine.run({
    ...spec,
    onOutput(stream, bytes) {
      const before = size;
      size += bytes.length;
      if (size <= LARGEST_LOG) return add({ stream, data: decoders[stream].decode(bytes, { stream: true }) });
      if (before <= LARGEST_LOG) add({ stream: "stderr", data: `\n[log ends here: more than ${LARGEST_LOG} bytes]\n` });
    },
  });
  process.end();
  const startedAt = now();
  const exited = process.started.then(
    () => process.exited,
    (error: unknown) => {
      if (!(error instanceof GuestStartError) || error.missing !== "command") throw error;
      add({ stream: "stderr", data: `${spec.cmd}: command not found\n` });
      return COMMAND_NOT_FOUND;
    },
  );
  const command: Command = {
    id,
    sessionId,
    name: spec.cmd,
    args: spec.args,
    cwd: spec.cwd,
    startedAt,
    exitCode: null,
    finished: exited.then((code) => {
      clearTimeout(timer);
      command.exitCode = code;
      command.durationMs = Math.max(0, now() - startedAt);
      for (const stream of ["stdout", "stderr"] as const) add({ stream, data: decoders[stream].decode() });
      over = true;
      changed.resolve();
      return code;
    }),
    signal: process.signal,
    async *logs() {
      for (let at = 0; ; ) {
        while (at < lines.length) yield lines[at++] as LogLine;
        if (over) return;
        await changed.promise;
      }
    },
  };
  const timer = timeout === undefined ? undefined : setTimeout(() => process.signal(SIGKILL), timeout);
  timer?.unref();
  command.finished.catch(() => clearTimeout(timer));
  await process.started.catch((error: unknown) => {
    if (error instanceof GuestStartError && error.missing === "command") return;
    throw error;
  });
  return command;
}

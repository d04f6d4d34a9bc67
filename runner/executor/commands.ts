/** Starts programs for command tools, and makes sure that they end. */
import { spawn } from "node:child_process";
import type { CommandResult, RunCommand } from "../tool.ts";
import { Tail } from "./tail.ts";

/** How much of a command's output is kept: its end, where a test run or a compiler says what is wrong. */
export const MAX_OUTPUT_BYTES = 100 * 1024;

/** What {@link createRunCommand} needs. */
export interface CommandOptions {
  /** Working directory. */
  readonly workspace: string;
  /** The whole environment of the program. */
  readonly env: Readonly<Record<string, string>>;
  /** Ends the program; its `reason` is an Error whose message says why. */
  readonly signal: AbortSignal;
  /** Ends what left the program's process group. Only an executor in a PID namespace of its own can do that. */
  readonly sweep?: () => void;
  /** How long a program that is told to end may take before it is killed, in ms. */
  readonly graceMs?: number;
}

/** How long the pipes may stay open after the program has ended and its group was killed. */
const PIPE_LINGER_MS = 500;

/**
 * Makes the function that starts programs for one call: no terminal and no input, a process group of its own, output
 * capped. The group is killed when the program ends, so nothing runs on in the background; on abort it is asked
 * (SIGTERM) and then killed.
 *
 * The returned function rejects when the program cannot be started, and on abort, with the reason and the output so far.
 */
export function createRunCommand(options: CommandOptions): RunCommand {
  const { workspace, env, signal, sweep, graceMs = 1000 } = options;
  return (command, args) =>
    new Promise<CommandResult>((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const child = spawn(command, args, { cwd: workspace, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
      const output = new Tail(MAX_OUTPUT_BYTES);
      child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
      child.stderr.on("data", (chunk: Buffer) => output.push(chunk));

      const killGroup = (name: NodeJS.Signals) => {
        if (child.pid === undefined) return;
        try {
          process.kill(-child.pid, name);
        } catch {
          // The group is gone.
        }
      };
      let killTimer: NodeJS.Timeout | undefined;
      const onAbort = () => {
        killGroup("SIGTERM");
        killTimer = setTimeout(() => killGroup("SIGKILL"), graceMs);
      };
      signal.addEventListener("abort", onAbort, { once: true });

      let lingerTimer: NodeJS.Timeout | undefined;
      const settle = (finish: () => void) => {
        clearTimeout(killTimer);
        clearTimeout(lingerTimer);
        signal.removeEventListener("abort", onAbort);
        finish();
      };
      child.on("error", (error) =>
        settle(() => reject(new Error(`${command} could not be started: ${error.message}`))),
      );
      child.on("exit", () => {
        killGroup("SIGKILL");
        sweep?.();
        // A process that escaped both still holds the pipes: do not wait for it.
        lingerTimer = setTimeout(() => {
          child.stdout.destroy();
          child.stderr.destroy();
        }, PIPE_LINGER_MS);
      });
      child.on("close", (exitCode, signalName) =>
        settle(() => {
          const text = output.text();
          const result = { exitCode, signal: signalName, output: text, omittedBytes: output.omittedBytes };
          if (signal.aborted) reject(new Error(cancelledText(signal.reason, result)));
          else resolve(result);
        }),
      );
    });
}

function cancelledText(reason: unknown, { output, omittedBytes }: CommandResult): string {
  const why = reason instanceof Error ? reason.message : "the call was cancelled";
  if (output === "") return `${why}. The command was killed; it had written nothing.`;
  const omitted = omittedBytes > 0 ? ` (without its first ${omittedBytes} bytes)` : "";
  return `${why}. The command was killed. Its output until then${omitted}:\n${output.trimEnd()}`;
}

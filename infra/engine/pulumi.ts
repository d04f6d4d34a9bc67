import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { createInterface } from "node:readline";
import { isLocal, pulumiEnvironment } from "./environment.ts";
import { places } from "./places.mjs";
import { withLocalStackConfig } from "./stack-config.ts";
import { findStack } from "./stack-state.ts";

export { pulumiEnvironment } from "./environment.ts";

export interface PulumiOptions {
  /** Added to `pulumiEnvironment()`. With PULUMI_BACKEND_URL or PULUMI_ACCESS_TOKEN the run is not a local one. */
  env?: NodeJS.ProcessEnv;
  /** Folder of Pulumi.yaml; the checkout by default. */
  cwd?: string;
  /** Stack of commands that name none with `--stack`; `local` in local mode. */
  stack?: string;
  /**
   * State of a local cloud, whose `cloud.json` is honoured while it runs. Given, the run is a local one even for a
   * caller who is logged in to a real backend; by default it is `.handrail/local` for one who is not.
   */
  localDir?: string;
  /**
   * Written to the engine's standard input: `config set --secret <key>` reads its value there, where a command line
   * would show it to every user of the machine.
   */
  input?: string;
  /** Called with each line as it comes, without its end. */
  onLine?: (line: string, stream: "stdout" | "stderr") => void;
  /** Ends the engine as Ctrl-C does: it finishes the operations under way and saves its state. */
  signal?: AbortSignal;
  /** The engine is ended after this time, in ms, and the promise rejects. No limit by default. */
  timeoutMs?: number;
}

export interface PulumiResult {
  /** The engine's exit code; 128 + the signal's number when a signal ended it. */
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs the engine on a stack that the one who passes it on has chosen: {@link runPulumi}, or what stands for it. */
export type RunPulumi = (args: string[]) => Promise<PulumiResult>;

/** Time between asking the engine to stop and killing it, in ms: it waits for the providers' operations under way. */
const STOP_GRACE_MS = 30_000;

/**
 * Runs the Pulumi engine on this project and collects what it says. Never prompts (`--non-interactive`).
 *
 * @throws when the engine is not in place, cannot be started, or `timeoutMs` has passed. A command that fails does not
 * throw: look at `code`.
 */
export async function runPulumi(args: readonly string[], options: PulumiOptions = {}): Promise<PulumiResult> {
  const child = startPulumi(["--non-interactive", "--color", "never", ...args], {
    ...options,
    env: { NO_COLOR: "1", FORCE_COLOR: undefined, ...options.env },
  });
  // An engine that ends without reading it says why itself.
  child.stdin?.on("error", () => {});
  child.stdin?.end(options.input ?? "");
  const output = { stdout: "", stderr: "" };
  const read = async (stream: "stdout" | "stderr") => {
    const source = child[stream];
    if (!source) return;
    for await (const line of createInterface({ input: source })) {
      output[stream] += `${line}\n`;
      options.onLine?.(line, stream);
    }
  };
  const reading = Promise.all([read("stdout"), read("stderr")]);

  let timedOut = false;
  let killer: NodeJS.Timeout | undefined;
  const stop = () => {
    child.kill("SIGINT");
    killer ??= setTimeout(() => child.kill("SIGKILL"), STOP_GRACE_MS);
  };
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          stop();
        }, options.timeoutMs);
  options.signal?.addEventListener("abort", stop, { once: true });
  if (options.signal?.aborted) stop();
  try {
    const code = await exitCode(child);
    await reading;
    if (timedOut) {
      throw new Error(
        `pulumi ${args.join(" ")} took longer than ${options.timeoutMs} ms and was stopped\n${output.stderr}`,
      );
    }
    return { code, ...output };
  } finally {
    clearTimeout(timer);
    clearTimeout(killer);
    options.signal?.removeEventListener("abort", stop);
  }
}

/**
 * Starts the engine's own binary: a signal to npm's `pulumi` shim would end the shim and orphan the engine.
 *
 * @param stdio as in `child_process.spawn`; `"inherit"` for a person at a terminal.
 */
export function startPulumi(
  args: readonly string[],
  options: Pick<PulumiOptions, "env" | "cwd" | "stack" | "localDir"> = {},
  stdio: "inherit" | "pipe" = "pipe",
): ChildProcess {
  const at = places();
  if (!existsSync(at.engine)) {
    throw new Error(`The Pulumi engine is not in place (${at.engine}); run: node scripts/setup.mjs`);
  }
  const env = pulumiEnvironment(options);
  const cwd = options.cwd ?? at.root;
  const stack = env.PULUMI_STACK ?? "local";
  const local = isLocal(options);
  const localDir = options.localDir ?? at.local;
  return spawn(at.engine, local ? withLocalStackConfig(args, { stack, localDir, cwd }) : [...args], {
    cwd,
    env,
    stdio,
  });
}

/**
 * Makes the local stack unless it is there: `up` and `config set` do not make one when nobody can be asked.
 *
 * @throws when the engine refuses.
 */
export async function ensureLocalStack(stack = "local", options: Omit<PulumiOptions, "stack"> = {}): Promise<void> {
  const { localDir = places().local, cwd = places().root } = options;
  if (findStack(localDir, cwd, stack)) return;
  const { code, stderr } = await runPulumi(["stack", "init", stack, "--no-select"], { ...options, localDir, cwd });
  if (code !== 0 && !stderr.includes("already exists")) {
    throw new Error(`The stack ${stack} of the project in ${cwd} cannot be made: ${stderr.trim()}`);
  }
}

/** Resolves when the process has ended and its output is read to the end. */
export function exitCode(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
}

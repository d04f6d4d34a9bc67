/** The supervisor's end of one executor: starts it, sends it calls, and outlives it. */
import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { lines, ProtocolError, parseFromExecutor, type Ready, type ToExecutor } from "../executor/protocol.ts";
import type { Log } from "./log.ts";

/** What {@link ExecutorClient} needs. */
export interface ExecutorClientOptions {
  /** For the log: which of the executors this is. */
  readonly name: string;
  /** Program and arguments that start the executor. */
  readonly command: readonly string[];
  /** Its whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** What is wrong with an executor that calls itself ready, in words; it is then killed. */
  readonly fault: (ready: Ready) => string | undefined;
  readonly log: Log;
  /** How long a cancelled call may take to say so before the executor is killed, in ms. */
  readonly cancelGraceMs?: number;
  /** How long it may take to start, in ms. */
  readonly startTimeoutMs?: number;
}

interface Call {
  readonly resolve: (text: string) => void;
  readonly reject: (error: Error) => void;
}

interface Running {
  readonly child: ChildProcess;
  readonly calls: Map<string, Call>;
  /** Set once, with the reason. */
  fault?: string;
}

const STDERR_KEPT = 2000;

/** An executor was not ready in time: a cold or busy machine, and worth another try. */
export class StartTimeoutError extends Error {
  override name = "StartTimeoutError";
}

/**
 * Runs calls in an executor. When the executor dies, breaks the protocol or does not obey a cancellation, its calls fail
 * with a message for the model, and the next call starts a new one: a call never hangs on it.
 */
export class ExecutorClient {
  readonly #options: ExecutorClientOptions;
  readonly #cancelGraceMs: number;
  readonly #startTimeoutMs: number;
  #running: Promise<Running> | undefined;
  /** The newest one, ready or not. */
  #newest: Running | undefined;
  #stopped = false;

  constructor(options: ExecutorClientOptions) {
    this.#options = options;
    this.#cancelGraceMs = options.cancelGraceMs ?? 5000;
    this.#startTimeoutMs = options.startTimeoutMs ?? 20_000;
  }

  /**
   * Starts the executor unless it runs.
   *
   * @throws Error when it does not start, or is not what it must be.
   */
  async start(): Promise<void> {
    await this.#ensure();
  }

  /**
   * Runs one call and returns its text. Throws with the tool's own message when the tool failed.
   *
   * @param signal cancels the call; the message of its `reason` is told to the tool.
   */
  async call(id: string, tool: string, input: unknown, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    const running = await this.#ensure();
    signal.throwIfAborted();
    if (running.calls.has(id)) throw new Error(`call ${id} is already running`);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    running.calls.set(id, { resolve, reject });

    let graceTimer: NodeJS.Timeout | undefined;
    const onAbort = () => {
      const reason = signal.reason instanceof Error ? signal.reason.message : "the call was cancelled";
      this.#send(running, { type: "cancel", id, reason });
      graceTimer = setTimeout(
        () => this.#end(running, `${reason}, and the tool did not stop when it was told to`),
        this.#cancelGraceMs,
      );
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#send(running, { type: "call", id, tool, input });
    try {
      return await promise;
    } finally {
      clearTimeout(graceTimer);
      signal.removeEventListener("abort", onAbort);
      running.calls.delete(id);
    }
  }

  /** Ends the executor and everything in it, and waits until it is gone. No call can be made after that. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const running = this.#newest;
    if (running === undefined) return;
    const gone = exit(running.child);
    this.#end(running, "the runner ended");
    await gone;
  }

  async #ensure(): Promise<Running> {
    if (this.#stopped) throw new Error("the runner is ending");
    this.#running ??= this.#start();
    try {
      return await this.#running;
    } catch (error) {
      this.#running = undefined;
      throw error;
    }
  }

  async #start(): Promise<Running> {
    const { name, command, env, cwd, fault, log } = this.#options;
    const [program = "", ...args] = command;
    const child = spawn(program, args, { cwd, env, stdio: ["pipe", "pipe", "pipe"] });
    const running: Running = { child, calls: new Map() };
    this.#newest = running;
    const stderr = keepEnd(child.stderr);
    // Writing to an executor that just died is not an error of ours: `exit` is what tells.
    child.stdin.on("error", () => {});

    const ready = Promise.withResolvers<Ready>();
    child.on("error", (error) => {
      ready.reject(error);
      this.#end(running, `it could not be started: ${error.message}`);
    });
    child.on("exit", (code, signal) => {
      ready.reject(new Error(`it ended at once (${signal ?? `exit code ${code}`}): ${stderr() || "no message"}`));
      this.#end(running, `the executor ended (${signal ?? `exit code ${code}`})`);
    });
    void this.#read(running, child.stdout, ready.resolve);
    const timer = setTimeout(
      () => ready.reject(new StartTimeoutError(`it was not ready after ${this.#startTimeoutMs} ms`)),
      this.#startTimeoutMs,
    );
    try {
      const said = await ready.promise;
      const wrong = fault(said);
      if (wrong !== undefined) throw new Error(wrong);
      log("info", "executor.ready", { executor: name, ...said });
      return running;
    } catch (error) {
      this.#end(running, "it is not usable");
      const message = error instanceof Error ? error.message : String(error);
      const Kind = error instanceof StartTimeoutError ? StartTimeoutError : Error;
      throw new Kind(`the ${name} executor did not start: ${message}`);
    } finally {
      clearTimeout(timer);
    }
  }

  async #read(running: Running, stdout: Readable, ready: (said: Ready) => void): Promise<void> {
    let first = true;
    try {
      for await (const line of lines(stdout)) {
        const message = parseFromExecutor(line);
        if (first !== (message.type === "ready")) throw new ProtocolError(`unexpected ${message.type}`);
        first = false;
        if (message.type === "ready") ready(message);
        else {
          const call = running.calls.get(message.id);
          // A result for no call of ours is noise that a command made up.
          if (message.ok) call?.resolve(message.text);
          else call?.reject(new Error(message.text));
        }
      }
    } catch (error) {
      const message = error instanceof ProtocolError ? error.message : "its output could not be read";
      this.#end(running, `the executor broke the protocol: ${message}`);
    }
  }

  #send(running: Running, message: ToExecutor): void {
    running.child.stdin?.write(`${JSON.stringify(message)}\n`);
  }

  /** Kills an executor and fails its calls. Only the first reason counts. */
  #end(running: Running, reason: string): void {
    if (running.fault !== undefined) return;
    running.fault = reason;
    if (!this.#stopped) this.#options.log("warn", "executor.ended", { executor: this.#options.name, reason });
    this.#running = undefined;
    running.child.stdin?.destroy();
    // The first process of the namespace dies with this one, and everything in the namespace with it.
    running.child.kill("SIGKILL");
    for (const call of running.calls.values()) {
      call.reject(new Error(`${reason}. The call may have taken effect in part; check before you repeat it.`));
    }
  }
}

function exit(child: ChildProcess): Promise<void> {
  const ended = child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
  if (ended) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("close", () => resolve());
  });
}

function keepEnd(stream: Readable): () => string {
  let kept = "";
  stream.setEncoding("utf8").on("data", (chunk: string) => {
    kept = (kept + chunk).slice(-STDERR_KEPT);
  });
  return () => kept.trim();
}

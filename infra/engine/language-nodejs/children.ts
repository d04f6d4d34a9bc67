import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** How a child ended: one of the two is null, as in Node's `exit` event. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface Child {
  process: ChildProcess;
  /** Settles once the process has ended and its output is read to the end; rejects when it could not be started. */
  exit: Promise<Exit>;
}

export interface StartOptions {
  /** Script to run and its arguments. */
  args: readonly string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** `"inherit"` sends output straight to the engine, which shows each line of ours; `"pipe"` leaves it to the caller. */
  output: "inherit" | "pipe";
}

/** Time that a child has to end after SIGTERM before it is killed, in ms. The engine itself waits 5 s for us. */
const GRACE_MS = 2_000;

/**
 * The Node processes of one language host. They live no longer than the host: `stop` ends them when the engine says so
 * or goes away, and `alive.mjs` ends them when the host itself is killed.
 */
export class Children {
  readonly #node: string;
  readonly #running = new Set<Child>();

  /** @param node absolute path of the Node binary that runs programs and plugins. */
  constructor(node: string) {
    this.#node = node;
  }

  start(options: StartOptions): Child {
    const child = spawn(
      this.#node,
      ["--import", fileURLToPath(new URL("./alive.mjs", import.meta.url)), ...options.args],
      { cwd: options.cwd, env: options.env, stdio: ["ignore", options.output, options.output, "pipe"] },
    );
    // The write end closes abruptly when the child ends first; that is not an error of ours.
    child.stdio[3]?.on("error", () => {});
    const exit = new Promise<Exit>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => resolve({ code, signal }));
    });
    const entry = { process: child, exit };
    this.#running.add(entry);
    const forget = () => this.#running.delete(entry);
    exit.then(forget, forget);
    return entry;
  }

  /** Ends one child: SIGTERM, then SIGKILL after a grace period. Resolves when it is gone. */
  async stop(child: Child): Promise<void> {
    child.process.kill("SIGTERM");
    const timer = setTimeout(() => child.process.kill("SIGKILL"), GRACE_MS);
    await child.exit.catch(() => {});
    clearTimeout(timer);
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#running].map((child) => this.stop(child)));
  }
}

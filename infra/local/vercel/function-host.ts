import { createWriteStream, mkdirSync, type WriteStream } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { FunctionProcess, type Invocation } from "./function-process.ts";
import type { Deployment, Project } from "./store.ts";

export interface FunctionHostOptions {
  nodeBinary: string;
  /** Folder that gets one log file a deployment: `<deployment id>.log`, each line with its time and stream. */
  logsFolder: string;
  /** What every function process has in its environment besides its deployment's variables. */
  functionEnv: Record<string, string>;
  onLine: (record: { deployment: string; project: string; stream: "stdout" | "stderr"; line: string }) => void;
}

/** Time limit of a function that sets none, in seconds, unless the project does. */
const DEFAULT_DURATION_S = 300;

/** Runs deployments: one process each, started by the first request, and again by the next one after a crash. */
export class FunctionHost {
  readonly #options: FunctionHostOptions;
  readonly #current = new Map<Deployment, FunctionProcess>();
  /** Every process that may still run, the draining ones too. */
  readonly #all = new Set<FunctionProcess>();
  readonly #logs = new Map<Deployment, WriteStream>();
  #closed = false;

  constructor(options: FunctionHostOptions) {
    this.#options = options;
    mkdirSync(options.logsFolder, { recursive: true });
  }

  /** Answers `response` with what the function says. */
  async invoke(
    deployment: Deployment,
    call: Omit<Invocation, "maxDurationMs">,
    response: ServerResponse,
  ): Promise<void> {
    if (this.#closed) return void response.destroy();
    let process = this.#current.get(deployment);
    if (!process?.accepting) {
      process = this.#start(deployment);
      this.#current.set(deployment, process);
    }
    const limit = deployment.output.functions.get(call.function)?.maxDuration ?? projectDuration(deployment.project);
    await process.invoke({ ...call, maxDurationMs: limit * 1000 }, response);
  }

  /** Lets the invocations under way end, then stops the process. A later request starts it again. */
  drain(deployment: Deployment): void {
    this.#current.get(deployment)?.drain();
    this.#current.delete(deployment);
  }

  /** Stops the process of a deployment that ceases to exist. */
  async remove(deployment: Deployment): Promise<void> {
    const process = this.#current.get(deployment);
    this.#current.delete(deployment);
    await process?.kill();
    this.#logs.get(deployment)?.end();
    this.#logs.delete(deployment);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#all].map((process) => process.kill()));
    for (const log of this.#logs.values()) log.end();
  }

  #start(deployment: Deployment): FunctionProcess {
    for (const process of this.#all) if (process.ended) this.#all.delete(process);
    const { nodeBinary, functionEnv } = this.#options;
    const functions = [...deployment.output.functions.values()].map(
      ({ name, handler, environment }) => [name, { handler, environment }] as const,
    );
    const process = new FunctionProcess({
      nodeBinary,
      order: { env: deployment.env, functions: Object.fromEntries(functions) },
      env: { NODE_ENV: "production", ...functionEnv },
      onLine: (stream, line) => this.#write(deployment, stream, line),
    });
    this.#all.add(process);
    return process;
  }

  #write(deployment: Deployment, stream: "stdout" | "stderr", line: string): void {
    if (!this.#logs.has(deployment) && !this.#closed) {
      const file = join(this.#options.logsFolder, `${deployment.id}.log`);
      this.#logs.set(deployment, createWriteStream(file, { flags: "a", mode: 0o600 }));
    }
    const log = this.#logs.get(deployment);
    if (log?.writable) log.write(`${new Date().toISOString()} ${stream} ${line}\n`);
    this.#options.onLine({ deployment: deployment.id, project: deployment.project.name, stream, line });
  }
}

function projectDuration({ settings }: Project): number {
  const { functionDefaultTimeout } = (settings.resourceConfig ?? {}) as { functionDefaultTimeout?: number };
  return functionDefaultTimeout ?? DEFAULT_DURATION_S;
}

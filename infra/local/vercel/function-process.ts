import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type IncomingHttpHeaders, request, type ServerResponse } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  DEADLINE_HEADER,
  FUNCTION_HEADER,
  INVOCATION_HEADER,
  type LauncherMessage,
  type LaunchOrder,
} from "./function-launcher.ts";
import { answerError } from "./platform-error.ts";

/** One request to a function, its body read whole. */
export interface Invocation {
  function: string;
  method: string;
  /** Path and query as the client sent them. */
  target: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** Time for the response and its background work, in ms. */
  maxDurationMs: number;
}

export interface FunctionProcessOptions {
  nodeBinary: string;
  order: LaunchOrder;
  /** The whole environment that the process starts with. */
  env: Record<string, string>;
  /** Called with each line that the functions print. */
  onLine: (stream: "stdout" | "stderr", line: string) => void;
}

const LAUNCHER = fileURLToPath(new URL("function-launcher.ts", import.meta.url));

/** The process of one deployment. It serves many requests at a time, as Vercel's fluid compute does. */
export class FunctionProcess {
  readonly #child: ChildProcess;
  readonly #port: Promise<number>;
  /** Invocations whose response or background work is under way. */
  readonly #active = new Map<string, { timer: NodeJS.Timeout; underWay: Set<"response" | "background"> }>();
  #accepting = true;
  #ended = false;
  /** Its end is wanted, so it is nothing to tell people about. */
  #stopping = false;

  constructor({ nodeBinary, order, env, onLine }: FunctionProcessOptions) {
    this.#child = spawn(nodeBinary, [LAUNCHER], { env, stdio: ["ignore", "pipe", "pipe", "ipc"] });
    for (const stream of ["stdout", "stderr"] as const) {
      const source = this.#child[stream];
      if (source) createInterface({ input: source }).on("line", (line) => onLine(stream, line));
    }
    this.#port = this.#listening();
    // Whoever invokes hears of a failed start; the process may also die while nobody waits.
    this.#port.catch(() => {});
    this.#child.once("error", (error) => onLine("stderr", `cannot start the function process: ${error.message}`));
    this.#child.once("exit", (code, signal) => {
      if (!this.#stopping) onLine("stderr", `function process ended: ${signal ?? `exit status ${code}`}`);
      this.#accepting = false;
      this.#ended = true;
    });
    this.#child.on("message", (message: LauncherMessage) => {
      if (message.type === "settled") this.#settle(message.invocation, "background");
    });
    this.#child.send(order, () => {});
  }

  /** False once it crashed, ran into a time limit or was told to drain: start another one. */
  get accepting(): boolean {
    return this.#accepting;
  }

  /** Whether nothing of it runs any more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Resolves when the response is complete; failures are answered, never thrown. */
  async invoke(call: Invocation, response: ServerResponse): Promise<void> {
    const id = crypto.randomUUID();
    const timer = setTimeout(() => this.#timeOut(id, response), call.maxDurationMs);
    this.#active.set(id, { timer, underWay: new Set(["response", "background"]) });
    try {
      await this.#forward(id, call, response, await this.#port);
      this.#settle(id, "response");
    } catch {
      if (!response.headersSent) answerError(response, 500, "FUNCTION_INVOCATION_FAILED");
      else response.destroy();
      // The connection breaks a moment before the exit is heard of: the next request must not meet the dying process.
      this.#accepting = false;
      this.#settle(id, "response", "background");
    }
  }

  /** Takes no further invocations and ends when those under way have. */
  drain(): void {
    this.#accepting = false;
    this.#stopping = true;
    if (this.#active.size === 0) this.#child.kill();
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    this.#accepting = false;
    this.#stopping = true;
    for (const { timer } of this.#active.values()) clearTimeout(timer);
    if (this.#ended || this.#child.pid === undefined) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }

  #listening(): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#child.on("message", (message: LauncherMessage) => {
      if (message.type === "listening") resolve(message.port);
    });
    this.#child.once("exit", () => reject(new Error("the function process ended before it listened")));
    this.#child.once("error", reject);
    return promise;
  }

  #forward(id: string, call: Invocation, response: ServerResponse, port: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const outgoing = request({
      host: "127.0.0.1",
      port,
      method: call.method,
      path: call.target,
      agent: false,
      headers: {
        ...call.headers,
        connection: "close",
        [FUNCTION_HEADER]: call.function,
        [INVOCATION_HEADER]: id,
        [DEADLINE_HEADER]: String(Date.now() + call.maxDurationMs),
      },
    });
    outgoing.once("error", reject);
    outgoing.once("response", (incoming) => {
      if (response.headersSent) return incoming.destroy();
      const { connection: _, "transfer-encoding": __, ...headers } = incoming.headers;
      response.writeHead(incoming.statusCode ?? 502, headers);
      incoming.once("error", reject);
      response.once("close", resolve);
      incoming.pipe(response);
    });
    outgoing.end(call.body);
    return promise;
  }

  /** A time limit ends the response, its background work and with them the process, once others are done with it. */
  #timeOut(id: string, response: ServerResponse): void {
    if (!response.headersSent) answerError(response, 504, "FUNCTION_INVOCATION_TIMEOUT");
    else if (!response.writableEnded) response.destroy();
    this.#accepting = false;
    this.#settle(id, "response", "background");
  }

  #settle(id: string, ...parts: ("response" | "background")[]): void {
    const invocation = this.#active.get(id);
    if (!invocation) return;
    for (const part of parts) invocation.underWay.delete(part);
    if (invocation.underWay.size > 0) return;
    clearTimeout(invocation.timer);
    this.#active.delete(id);
    if (!this.#accepting && this.#active.size === 0) this.#child.kill("SIGKILL");
  }
}

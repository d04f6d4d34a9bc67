/** Runs each call of a command tool in an executor that ends with the call. */
import type { ExecutorClient } from "./executor-client.ts";

/**
 * Whoever runs as a command can take over the executor that started it: both have one user, and see each other. So an
 * executor of commands serves a single call, and what a command did to it dies with it: it can forge its own result,
 * which is its to choose anyway, and no other.
 */
export class CommandExecutor {
  readonly #create: () => ExecutorClient;
  readonly #live = new Set<ExecutorClient>();
  #spare: ExecutorClient | undefined;
  #stopped = false;

  /** @param create makes an executor, not yet started. */
  constructor(create: () => ExecutorClient) {
    this.#create = create;
  }

  /**
   * Starts the executor of the first call, which shows that the others will start.
   *
   * @throws Error when it does not start, or is not what it must be.
   */
  async start(): Promise<void> {
    this.#spare ??= this.#add();
    await this.#spare.start();
  }

  /** As `ExecutorClient.call`. Calls may run at the same time. */
  async call(id: string, tool: string, input: unknown, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    if (this.#stopped) throw new Error("the runner is ending");
    const client = this.#spare ?? this.#add();
    this.#spare = undefined;
    let ready = false;
    const giveUp = () => {
      if (!ready) void client.stop();
    };
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      await client.start();
      ready = true;
      return await client.call(id, tool, input, signal);
    } catch (error) {
      if (!ready && signal.aborted) throw signal.reason;
      throw error;
    } finally {
      signal.removeEventListener("abort", giveUp);
      await client.stop();
      this.#live.delete(client);
    }
  }

  /** Ends what runs, and waits until it is gone. No call can be made after that. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#live].map((client) => client.stop()));
  }

  #add(): ExecutorClient {
    const client = this.#create();
    this.#live.add(client);
    return client;
  }
}

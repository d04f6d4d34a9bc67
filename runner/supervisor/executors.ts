/** Starts the two executors of a run: one that reaches what the sandbox may, one that reaches nothing. */
import { mkdtemp, rm } from "node:fs/promises";
import { ExecutorClient, StartTimeoutError } from "./executor-client.ts";
import {
  type ExecutorNetwork,
  type Isolation,
  isolated,
  isolationFault,
  type Launchers,
  type OwnNamespaces,
} from "./isolation.ts";
import type { Log } from "./log.ts";
import { BootError } from "./outcome.ts";

/** Two executors, by what they can reach. */
export interface Executors extends Readonly<Record<ExecutorNetwork, ExecutorClient>> {
  stop(): Promise<void>;
}

/** What {@link startExecutors} needs. */
export interface ExecutorsOptions {
  /** The executor's own command line. */
  readonly program: readonly string[];
  readonly workspace: string;
  readonly env: Readonly<Record<string, string>>;
  /** The one way that this machine gives (`isolationHere`). There is no other, should it fail. */
  readonly isolation: Isolation;
  readonly launchers: Launchers;
  readonly own: OwnNamespaces;
  /** Absolute paths of what the supervisor runs and reads, which an executor must not be able to change. */
  readonly unchangeable: readonly string[];
  readonly log: Log;
  /** How long an executor may take to start, in ms. */
  readonly startTimeoutMs?: number;
}

/** A sandbox that has just begun may be slow; one that is slow three times will not get better. */
const ATTEMPTS = 3;

/**
 * Starts both executors.
 *
 * @throws BootError `no_isolation` when they do not start, or are not what they must be.
 */
export async function startExecutors(options: ExecutorsOptions): Promise<Executors> {
  const { isolation, log } = options;
  const scratch = isolation === "namespaces" ? await mkdtemp("/tmp/handrail-tmp-") : "/tmp";
  for (let attempt = 1; ; attempt++) {
    const sandbox = client(options, scratch, "sandbox");
    const none = client(options, scratch, "none");
    const stop = async () => {
      await Promise.all([sandbox.stop(), none.stop()]);
      // What cannot be removed was made so by a command, and goes with the sandbox.
      if (isolation === "namespaces") await rm(scratch, { recursive: true, force: true }).catch(() => {});
    };
    try {
      await Promise.all([sandbox.start(), none.start()]);
      return { sandbox, none, stop };
    } catch (error) {
      const { message } = error as Error;
      if (error instanceof StartTimeoutError && attempt < ATTEMPTS) {
        log("warn", "executors.slow", { attempt, message });
        await Promise.all([sandbox.stop(), none.stop()]);
        continue;
      }
      await stop();
      throw new BootError(
        "no_isolation",
        `the executor cannot be kept apart from the supervisor by ${isolation}: ${message}. Run boot.sh as root, or ` +
          "where user namespaces are allowed",
      );
    }
  }
}

function client(options: ExecutorsOptions, scratch: string, network: ExecutorNetwork): ExecutorClient {
  const { program, workspace, env, isolation, launchers, own, unchangeable, log, startTimeoutMs } = options;
  const command = [...program, own.pidNamespace, ...unchangeable];
  return new ExecutorClient({
    name: network,
    command: isolated(isolation, network, launchers, { workspace, scratch }, command),
    env,
    // Neither it nor what starts it looks for anything beside the workspace's files.
    cwd: "/",
    fault: (ready) => isolationFault(ready, isolation, network, own),
    log,
    ...(startTimeoutMs !== undefined && { startTimeoutMs }),
  });
}

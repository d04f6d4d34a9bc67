/** Starts the two executors of a run: one that reaches what the sandbox may, one that reaches nothing. */
import { ExecutorClient } from "./executor-client.ts";
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
  readonly isolation: Isolation;
  stop(): Promise<void>;
}

/** What {@link startExecutors} needs. */
export interface ExecutorsOptions {
  /** The executor's own command line. */
  readonly program: readonly string[];
  readonly workspace: string;
  readonly env: Readonly<Record<string, string>>;
  readonly launchers: Launchers;
  readonly own: OwnNamespaces;
  readonly log: Log;
  /** The ways to keep an executor apart, best first. Default: both. */
  readonly ways?: readonly Isolation[];
}

/**
 * Starts both executors in the best way that this machine gives.
 *
 * @throws BootError `no_isolation` when there is none, with what each way failed of.
 */
export async function startExecutors(options: ExecutorsOptions): Promise<Executors> {
  const failures: string[] = [];
  for (const isolation of options.ways ?? defaultWays()) {
    const sandbox = client(options, isolation, "sandbox");
    const none = client(options, isolation, "none");
    const stop = async () => {
      await Promise.all([sandbox.stop(), none.stop()]);
    };
    try {
      await Promise.all([sandbox.start(), none.start()]);
      return { isolation, sandbox, none, stop };
    } catch (error) {
      failures.push(`${isolation}: ${(error as Error).message}`);
      await stop();
    }
  }
  throw new BootError(
    "no_isolation",
    `the executor cannot be kept apart from the supervisor. ${failures.join(". ")}. Run boot.sh as root, or where user ` +
      "namespaces are allowed",
  );
}

function defaultWays(): readonly Isolation[] {
  return process.geteuid?.() === 0 ? ["uid", "namespaces"] : ["namespaces"];
}

function client(options: ExecutorsOptions, isolation: Isolation, network: ExecutorNetwork): ExecutorClient {
  const { program, workspace, env, launchers, own, log } = options;
  return new ExecutorClient({
    name: network,
    command: isolated(isolation, network, launchers, [...program, own.pidNamespace]),
    env,
    cwd: workspace,
    fault: (ready) => isolationFault(ready, isolation, network, own),
    log,
  });
}

/**
 * Starts the executors of a run: one that does the file tools' work, and one for each call of a command tool.
 *
 * They all have one user but see nothing of each other, each in a PID namespace of its own, so a command can reach the
 * executor that started it and no other. What remains: a command can forge the result of its own call, can fill what
 * all share (disk, memory, the workspace's files) and can leave files that mislead a later command.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { CommandExecutor } from "./command-executor.ts";
import { ExecutorClient, StartTimeoutError } from "./executor-client.ts";
import {
  type ExecutorKind,
  type ExecutorNetwork,
  type Isolation,
  isolated,
  isolationFault,
  type Launchers,
  type OwnNamespaces,
} from "./isolation.ts";
import type { Log } from "./log.ts";
import { BootError } from "./outcome.ts";

/** The executors of a run. */
export interface Executors {
  /** For all calls of file tools. It starts no program. */
  readonly files: ExecutorClient;
  /** For calls of command tools, by what they can reach: each in a process of its own. */
  readonly commands: Readonly<Record<ExecutorNetwork, CommandExecutor>>;
  stop(): Promise<void>;
}

/** What {@link startExecutors} needs. */
export interface ExecutorsOptions {
  /** Absolute path of node. */
  readonly node: string;
  /** Absolute path of the bundle. */
  readonly runner: string;
  /** Name of the agent whose tools are served. */
  readonly agent: string;
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
 * Starts the executors.
 *
 * @throws BootError `no_isolation` when they do not start, or are not what they must be.
 */
export async function startExecutors(options: ExecutorsOptions): Promise<Executors> {
  const { isolation, log } = options;
  const scratch = isolation === "namespaces" ? await mkdtemp("/tmp/handrail-tmp-") : "/tmp";
  const removeScratch = async () => {
    // What cannot be removed was made so by a command, and goes with the sandbox.
    if (isolation === "namespaces") await rm(scratch, { recursive: true, force: true }).catch(() => {});
  };
  for (let attempt = 1; ; attempt++) {
    const commandsWith = (network: ExecutorNetwork) =>
      new CommandExecutor(() => client(options, scratch, "command", network));
    const files = client(options, scratch, "file", "none");
    const commands = { sandbox: commandsWith("sandbox"), none: commandsWith("none") };
    const all = [files, commands.sandbox, commands.none];
    const stopAll = () => Promise.all(all.map((executor) => executor.stop()));
    try {
      await Promise.all(all.map((executor) => executor.start()));
      const stop = async () => {
        await stopAll();
        await removeScratch();
      };
      return { files, commands, stop };
    } catch (error) {
      await stopAll();
      const { message } = error as Error;
      if (error instanceof StartTimeoutError && attempt < ATTEMPTS) {
        log("warn", "executors.slow", { attempt, message });
        continue;
      }
      await removeScratch();
      throw new BootError(
        "no_isolation",
        `the executor cannot be kept apart from the supervisor by ${isolation}: ${message}. Run boot.sh as root, or ` +
          "where user namespaces are allowed",
      );
    }
  }
}

function client(
  options: ExecutorsOptions,
  scratch: string,
  kind: ExecutorKind,
  network: ExecutorNetwork,
): ExecutorClient {
  const { node, runner, agent, workspace, env, isolation, launchers, own, unchangeable, log, startTimeoutMs } = options;
  // Otherwise SIGUSR1, which a command may send, opens a debugger to whoever connects.
  const program = [node, "--disable-sigusr1", runner, "executor", agent, kind, workspace, own.pidNamespace];
  return new ExecutorClient({
    name: kind === "file" ? kind : `${kind}, ${network}`,
    command: isolated(isolation, kind, network, launchers, { workspace, scratch }, [...program, ...unchangeable]),
    env,
    // Neither it nor what starts it looks for anything beside the workspace's files.
    cwd: "/",
    fault: (ready) => isolationFault(ready, isolation, network, own),
    log,
    ...(startTimeoutMs !== undefined && { startTimeoutMs }),
  });
}

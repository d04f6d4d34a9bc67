/** Entry of the bundle: one file, two processes, told apart by the first argument. */
import { readlinkSync, writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { bundledAgents } from "./agents/registry.ts";
import { runExecutor } from "./executor/executor.ts";
import { runSupervisor } from "./supervisor/supervisor.ts";
import { HANDOVER_FD, WORKSPACE } from "./vm.ts";

const [role, ...args] = process.argv.slice(2);
if (role === "supervisor") await supervisor(args);
else if (role === "executor") await executor(args);
else {
  process.stderr.write(
    "usage: runner.mjs supervisor [workspace] | executor <agent> <file|command> <workspace> <supervisor's PID namespace> <path>...\n",
  );
  process.exitCode = 2;
}

async function supervisor([workspace = WORKSPACE]: string[]): Promise<void> {
  lastToEnd();
  const shutdown = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => shutdown.abort());
  const exit = (code: number) => process.stdout.write("", () => process.exit(code));
  const code = await runSupervisor({
    handoverFd: HANDOVER_FD,
    agents: bundledAgents,
    installDir: dirname(fileURLToPath(import.meta.url)),
    workspace,
    env: process.env,
    write: (line) => process.stdout.write(line),
    shutdown: shutdown.signal,
    exit,
    now: Date.now,
  });
  exit(code);
}

async function executor([agentName, kind, workspace, outerPidNamespace, ...unchangeable]: string[]): Promise<void> {
  const agent = bundledAgents.find((bundled) => bundled.agent.name === agentName)?.agent;
  if (agent === undefined || workspace === undefined || outerPidNamespace === undefined) {
    throw new Error("the executor is started by the supervisor");
  }
  // Never where other processes of this user could be hit.
  const ownNamespace = readlinkSync("/proc/self/ns/pid") !== outerPidNamespace;
  // The supervisor's heartbeat comes first, however busy commands are; they cannot take it back.
  setPriority(10);
  await runExecutor({
    tools: agent.tools.filter((tool) => tool.kind === kind),
    workspace,
    commandEnv: Object.fromEntries(
      Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
    ),
    unchangeable,
    ...(ownNamespace ? { sweep } : {}),
    input: process.stdin,
    output: process.stdout,
  });
  process.exit(0);
}

/** When memory runs out, other processes end first. Takes a capability, and is not needed where there is none. */
function lastToEnd(): void {
  try {
    writeFileSync("/proc/self/oom_score_adj", "-900");
  } catch {
    // Executors are still more likely to end (isolation.ts).
  }
}

/** Kills everything in this PID namespace but its first process and this one. */
function sweep(): void {
  try {
    process.kill(-1, "SIGKILL");
  } catch {
    // There was nothing to kill.
  }
}

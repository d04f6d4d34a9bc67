/**
 * Removes the sandboxes of sessions whose runner has exited, and says how each run ended.
 *
 * Three occasions, since any one may be missed: right after a start for as long as the invocation lasts, on a session's
 * idle and terminated events, and on every cron drain.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { EXIT_CODES } from "../runner/supervisor/outcome.ts";
import { errorMessage, type Log } from "./log.ts";
import { RUNNER_TAG, sandboxName } from "./naming.ts";
import { isBeingStarted, type RunnerEnd, runnerEnd } from "./runner-exit.ts";
import type { Sandboxes, SandboxHandle } from "./sandboxes.ts";
import type { StartedRunner } from "./spawn.ts";

/** What reaping works with. */
export interface ReapDeps {
  readonly sandboxes: Sandboxes;
  readonly environmentId: string;
  readonly log: Log;
  readonly now: () => number;
}

/** What a run's exit code means, in the words of the runner's own list. */
export function exitMeaning(code: number): string {
  const names = Object.entries(EXIT_CODES).flatMap(([name, value]) => (value === code ? [name] : []));
  return names.join(" or ") || (code > 128 ? `killed by signal ${code - 128}` : "unknown");
}

/** Removes a session's sandbox when its runner has exited. Returns true when it is gone now. */
export async function reapSession(sessionId: string, deps: ReapDeps): Promise<boolean> {
  return reapNamed(sandboxName(sessionId), deps);
}

/** Sweeps all sandboxes of the environment. A failure with one does not keep the others. Returns how many went. */
export async function sweep(deps: ReapDeps): Promise<number> {
  let reaped = 0;
  for (const name of await deps.sandboxes.list(deps.environmentId)) {
    try {
      if (await reapNamed(name, deps)) reaped += 1;
    } catch (error) {
      deps.log.warn("sandbox.reap_failed", { sandbox: name, error: errorMessage(error) });
    }
  }
  return reaped;
}

/**
 * Watches a runner that was just started and reaps its sandbox once it exited. Never throws: it runs after the answer.
 *
 * @param until epoch ms; the cron sweep takes over what is still running then
 */
export async function follow(
  runner: StartedRunner,
  deps: ReapDeps,
  until: number,
  pauseMs: (round: number) => number = (round) => Math.min(1000 + round * 500, 10_000),
): Promise<void> {
  try {
    for (let round = 0; deps.now() + pauseMs(round) < until; round += 1) {
      await sleep(pauseMs(round));
      const end = await runnerEnd(runner.sandbox, runner.commandId);
      if (end !== null) return await remove(runner.sandbox, end, deps);
    }
  } catch (error) {
    deps.log.warn("sandbox.follow_failed", { sandbox: runner.sandbox.name, error: errorMessage(error) });
  }
}

async function reapNamed(name: string, deps: ReapDeps): Promise<boolean> {
  const sandbox = await deps.sandboxes.find(name);
  if (sandbox === undefined) return false;
  if (!sandbox.running) {
    await remove(sandbox, "gone", deps);
    return true;
  }
  const runner = sandbox.tags[RUNNER_TAG];
  // Without the tag it is no session's.
  if (runner === undefined || isBeingStarted(sandbox, deps.now())) return false;
  const end = await runnerEnd(sandbox, runner);
  if (end === null) return false;
  await remove(sandbox, end, deps);
  return true;
}

async function remove(sandbox: SandboxHandle, end: RunnerEnd, { log }: ReapDeps): Promise<void> {
  await sandbox.discard();
  const fields = { sandbox: sandbox.name, vm: sandbox.vmId };
  if (end === "gone") return log.info("sandbox.removed", { ...fields, outcome: "the sandbox had ended already" });
  if (end === "unstarted") return log.warn("sandbox.removed", { ...fields, outcome: "no runner was ever started" });
  // From 20 on, the item was never served (runner/supervisor/outcome.ts), but for the runner that gave way.
  const level = end === 0 ? "info" : end >= 20 && end !== EXIT_CODES.already_started ? "error" : "warn";
  log[level]("sandbox.removed", { ...fields, exitCode: end, outcome: exitMeaning(end) });
}

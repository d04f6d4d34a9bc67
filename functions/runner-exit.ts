/**
 * Whether a sandbox's runner has ended.
 *
 * The tag names one command, and that may not be the one that serves: the SDK repeats a start whose answer was lost, so
 * that two were started and the second gave way to the first; and a runner whose tag could not be written is named by
 * none. In both cases the machine's own list of commands decides. Nothing but runners is started in a session's
 * sandbox, and a command that a person started there to look around is a reason to keep it too.
 */
import { EXIT_CODES } from "../runner/supervisor/outcome.ts";
import { RECLAIM_OLDER_THAN_MS } from "./limits.ts";
import { RUNNER_TAG, STARTING } from "./naming.ts";
import type { SandboxHandle } from "./sandboxes.ts";

/** How a runner ended: its exit code, "gone" with its machine, or "unstarted" when there never was one. */
export type RunnerEnd = number | "gone" | "unstarted";

/** Codes by which a runner says that it left the work to another one. */
const GAVE_WAY: ReadonlySet<number> = new Set([EXIT_CODES.lease_lost, EXIT_CODES.already_started]);

/**
 * True while a claim may be at work on a sandbox that has no runner yet. Older ones are what a claim left that was cut,
 * or hold a runner whose tag could not be written.
 *
 * @param now epoch ms
 */
export function isBeingStarted(sandbox: SandboxHandle, now: number): boolean {
  const runner = sandbox.tags[RUNNER_TAG] ?? STARTING;
  return sandbox.running && runner === STARTING && now - sandbox.createdAt.getTime() < RECLAIM_OLDER_THAN_MS;
}

/**
 * @param commandId what the runner's tag says: a command's id, or {@link STARTING}
 * @returns null while a runner lives
 * @throws what the API threw; nothing is known then
 */
export async function runnerEnd(
  sandbox: SandboxHandle,
  commandId: string,
  signal?: AbortSignal,
): Promise<RunnerEnd | null> {
  if (!sandbox.running) return "gone";
  if (commandId === STARTING) return endOfAll(await sandbox.commands(signal));
  const code = await sandbox.exitCode(commandId, signal);
  if (code === null || code === "gone" || !GAVE_WAY.has(code)) return code;
  return endOfAll(await sandbox.commands(signal));
}

function endOfAll(commands: Awaited<ReturnType<SandboxHandle["commands"]>>): RunnerEnd | null {
  if (commands === "gone") return "gone";
  const codes = commands.map(({ exitCode }) => exitCode);
  if (codes.includes(null)) return null;
  // The one that served tells how the work ended.
  return codes.find((code) => code !== null && !GAVE_WAY.has(code)) ?? codes.at(-1) ?? "unstarted";
}

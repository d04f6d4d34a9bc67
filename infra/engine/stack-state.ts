import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * The state file of a local stack.
 *
 * @param localDir state of the local cloud, `.handrail/local`.
 * @param cwd folder of Pulumi.yaml.
 * @returns undefined when there is no such stack.
 */
export function findStack(localDir: string, cwd: string, stack: string): string | undefined {
  const file = join(localDir, "state", ".pulumi", "stacks", projectName(cwd), `${stack}.json`);
  return existsSync(file) ? file : undefined;
}

/**
 * Whether the last update of a local stack did not end well: it failed, or it was killed and left the backend's lock,
 * or operations of which nobody knows how they ended.
 */
export function needsRecovery(localDir: string, cwd: string, stack: string): boolean {
  const locks = join(localDir, "state", ".pulumi", "locks", "organization", projectName(cwd), stack);
  // Also one that was half written counts. (Sidecars are those of engines that were started by hand.)
  if (existsSync(locks) && readdirSync(locks).some((name) => !name.endsWith(".attrs"))) return true;
  const file = findStack(localDir, cwd, stack);
  if (!file) return false;
  const state = JSON.parse(readFileSync(file, "utf8")) as {
    checkpoint?: { latest?: { pending_operations?: unknown[] } };
  };
  if ((state.checkpoint?.latest?.pending_operations?.length ?? 0) > 0) return true;
  return lastResult(join(localDir, "state", ".pulumi", "history", projectName(cwd), stack)) === "failed";
}

/** How the stack's newest `up` or `destroy` ended. */
function lastResult(history: string): string | undefined {
  const names = existsSync(history) ? readdirSync(history).filter((name) => name.endsWith(".history.json")) : [];
  // The names end with the time.
  for (const name of names.sort().reverse()) {
    const { kind, result } = JSON.parse(readFileSync(join(history, name), "utf8")) as Record<string, string>;
    if (kind === "update" || kind === "destroy") return result;
  }
  return undefined;
}

/** @throws when there is no Pulumi.yaml with a name. */
export function projectName(cwd: string): string {
  const file = join(cwd, "Pulumi.yaml");
  const name = existsSync(file) ? /^name:\s*(\S+)/m.exec(readFileSync(file, "utf8"))?.[1] : undefined;
  if (!name) throw new Error(`${file} has no "name:" line: it names the project that the engine keeps stacks of`);
  return name;
}

/** Reads what `explain` is asked about from a file. */
import { readFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { compile } from "./compile.ts";
import { PolicyError } from "./errors.ts";
import type { ExplainSource } from "./explain.ts";
import { parseLock } from "./lock.ts";
import type { NetworkPolicy } from "./network-policy.ts";
import { loadPolicy } from "./policy-files.ts";
import { sourceLine } from "./source-line.ts";

/**
 * Loads a `.policy.ts`, a lock, or a JSON file with a raw network policy.
 *
 * @throws PolicyError naming the file, when it is none of them.
 */
export async function loadExplainSource(file: string): Promise<ExplainSource> {
  if (!file.endsWith(".json")) {
    const { policy, source } = await loadPolicy(resolve(file));
    const locate = (place: string) => {
      const line = sourceLine(source, place);
      return line === null ? null : { file: basename(file), line };
    };
    return { policy, lock: compile(policy), locate };
  }
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    const problem = error instanceof Error ? error.message : "cannot be read";
    throw new PolicyError([{ place: "file", problem, fix: "Name a .policy.ts, a lock, or a raw networkPolicy" }], file);
  }
  const isLock = typeof json === "object" && json !== null && "phases" in json;
  return isLock ? { lock: parseLock(json) } : { raw: json as NetworkPolicy };
}

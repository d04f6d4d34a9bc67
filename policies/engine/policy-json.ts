/** Reads what somebody names as a policy in JSON: a lock, or a network policy as Vercel takes it. */
import { readFile, stat } from "node:fs/promises";
import { PolicyError } from "./errors.ts";
import { type Lock, parseLock } from "./lock.ts";
import type { NetworkPolicy } from "./network-policy.ts";
import { parseNetworkPolicy } from "./raw-policy.ts";

/**
 * Loads a file, which is looked over as a whole.
 *
 * @throws PolicyError naming the file and what is wrong in it.
 */
export async function loadPolicyJson(file: string): Promise<{ lock: Lock } | { raw: NetworkPolicy }> {
  // Editors on Windows begin a file with a byte order mark.
  const text = (await readFile(file, "utf8")).replace(/^\uFEFF/, "");
  try {
    const json = parseJson(text);
    if (typeof json === "object" && json !== null && "phases" in json) return { lock: parseLock(json) };
    return { raw: parseNetworkPolicy(json) };
  } catch (error) {
    throw error instanceof PolicyError ? error.in(file) : error;
  }
}

/**
 * What lies at a path.
 *
 * @param what could be named instead, for the error.
 * @throws PolicyError when nothing does.
 */
export async function kindOfPath(path: string, what: string): Promise<"file" | "folder"> {
  const found = await stat(path).catch(() => null);
  if (found === null) throw new PolicyError([{ place: "file", problem: "does not exist", fix: `Name ${what}` }], path);
  return found.isDirectory() ? "folder" : "file";
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const problem = `is not JSON (${error instanceof Error ? error.message : "unknown reason"})`;
    throw new PolicyError([{ place: "content", problem, fix: "Write one network policy, or one lock" }]);
  }
}

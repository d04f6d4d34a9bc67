/** Reads what a person names as one side of a comparison. */
import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { committedPolicies } from "../committed-policies.ts";
import { compile } from "../compile.ts";
import { PolicyError } from "../errors.ts";
import { parseLock } from "../lock.ts";
import { loadPolicies, loadPolicy, type PolicyFile } from "../policy-files.ts";
import { parseNetworkPolicy } from "./raw-policy.ts";
import type { LockSource, Side } from "./sides.ts";

/** Where the policies of this project are committed. */
export interface Repository {
  readonly root: string;
  /** Of the policies, relative to the root, with `/`. */
  readonly folder: string;
}

/**
 * Loads a side: `git:REF` (all locks of that commit), a folder of policies, a `.policy.ts` file, a lock, or a JSON file
 * with a raw network policy.
 *
 * @throws PolicyError naming the file and what is wrong in it.
 */
export async function loadSide(name: string, { root, folder }: Repository): Promise<Side> {
  if (name.startsWith("git:")) {
    const locks = [...(await committedPolicies(root, folder, name.slice("git:".length))).locks.values()];
    if (locks.length === 0) {
      const fix = "Name a commit that has policies, or compare files";
      throw new PolicyError([{ place: name, problem: `there are no locks in ${folder}/`, fix }]);
    }
    return { kind: "locks", locks: locks.map((lock) => ({ lock, examples: {} })), whole: true };
  }
  const file = resolve(name);
  const found = await stat(file).catch(() => null);
  if (found === null) {
    const fix = "Name a .policy.ts file, a lock, a JSON file with a networkPolicy, a folder of policies, or git:REF";
    throw new PolicyError([{ place: "file", problem: "does not exist", fix }], name);
  }
  if (found.isDirectory()) {
    return { kind: "locks", locks: (await loadPolicies(file)).map(lockSource), whole: true };
  }
  if (file.endsWith(".ts")) return { kind: "locks", locks: [lockSource(await loadPolicy(file))], whole: false };
  try {
    const json = parseJson(await readFile(file, "utf8"));
    if (typeof json === "object" && json !== null && "phases" in json) {
      return { kind: "locks", locks: [{ lock: parseLock(json), examples: {} }], whole: false };
    }
    return { kind: "raw", policy: parseNetworkPolicy(json) };
  } catch (error) {
    throw error instanceof PolicyError ? error.in(name) : error;
  }
}

/** The lock of a policy, with its variables' examples. */
export function lockSource({ policy }: PolicyFile): LockSource {
  const examples = Object.entries(policy.variables ?? {}).map(([name, { example }]) => [name, example]);
  return { lock: compile(policy), examples: Object.fromEntries(examples) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const problem = `is not JSON (${error instanceof Error ? error.message : "unknown reason"})`;
    throw new PolicyError([{ place: "content", problem, fix: "Write one network policy, or one lock" }]);
  }
}

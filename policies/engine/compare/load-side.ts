/** Reads what a person names as one side of a comparison. */
import { resolve } from "node:path";
import { committedPolicies } from "../committed-policies.ts";
import { compile } from "../compile.ts";
import { PolicyError } from "../errors.ts";
import { loadPolicies, loadPolicy, type PolicyFile } from "../policy-files.ts";
import { kindOfPath, loadPolicyJson } from "../policy-json.ts";
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
  const what = "a .policy.ts file, a lock, a JSON file with a networkPolicy, a folder of policies, or git:REF";
  if ((await kindOfPath(name, what)) === "folder") {
    const policies = await loadPolicies(resolve(name));
    if (policies.length === 0) {
      const fix = "Name a folder with <agent>.policy.ts files, or a lock itself";
      throw new PolicyError([{ place: "folder", problem: "holds no policy", fix }], name);
    }
    return { kind: "locks", locks: policies.map(lockSource), whole: true };
  }
  if (name.endsWith(".ts"))
    return { kind: "locks", locks: [lockSource(await loadPolicy(resolve(name)))], whole: false };
  const json = await loadPolicyJson(name);
  if ("raw" in json) return { kind: "raw", policy: json.raw };
  return { kind: "locks", locks: [{ lock: json.lock, examples: {} }], whole: false };
}

/** The lock of a policy, with its variables' examples. */
export function lockSource({ policy }: PolicyFile): LockSource {
  const examples = Object.entries(policy.variables ?? {}).map(([name, { example }]) => [name, example]);
  return { lock: compile(policy), examples: Object.fromEntries(examples) };
}

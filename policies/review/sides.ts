/** The two sides of a review: a commit, and the folder as it stands. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { committedPolicies } from "../engine/committed-policies.ts";
import { lockSource } from "../engine/compare/load-side.ts";
import type { LockSource } from "../engine/compare/sides.ts";
import { loadPolicies } from "../engine/policy-files.ts";

/** One side of a review. */
export interface Side {
  /** As a reader knows it: a git ref, `working tree`. */
  readonly name: string;
  /** Locks by agent, with example values of their variables where they are known. */
  readonly locks: ReadonlyMap<string, LockSource>;
  /** Text of a file in the folder of the policies; null where there is none. */
  readonly read: (name: string) => Promise<string | null>;
}

/**
 * The side of a commit.
 *
 * @param root folder of the repository.
 * @param folder of the policies, relative to the root, with `/`.
 * @throws PolicyError when there is no such commit, or a lock of it is none.
 */
export async function committedSide(root: string, folder: string, ref: string): Promise<Side> {
  const { locks, read } = await committedPolicies(root, folder, ref);
  return { name: ref, locks: new Map([...locks].map(([agent, lock]) => [agent, { lock, examples: {} }])), read };
}

/**
 * The side of a folder, its policies compiled anew: what a commit of this moment would bring.
 *
 * @throws PolicyError when a policy is refused.
 */
export async function workingSide(folder: string): Promise<Side> {
  const policies = await loadPolicies(folder);
  return {
    name: "working tree",
    locks: new Map(policies.map((file) => [file.policy.agent, lockSource(file)])),
    async read(name) {
      try {
        return await readFile(join(folder, name), "utf8");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
        throw error;
      }
    },
  };
}

/** Policies as they stand in a folder, compiled anew: what a commit of this moment would bring. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { compile } from "../engine/compile.ts";
import { loadPolicies } from "../engine/policy-files.ts";
import type { Side } from "./committed.ts";

/**
 * The side of a folder.
 *
 * @throws PolicyError when a policy is refused.
 */
export async function workingSide(folder: string): Promise<Side> {
  const policies = await loadPolicies(folder);
  return {
    name: "working tree",
    locks: new Map(
      policies.map(({ policy }) => {
        const examples = Object.entries(policy.variables ?? {}).map(([name, { example }]) => [name, example]);
        return [policy.agent, { lock: compile(policy), examples: Object.fromEntries(examples) }];
      }),
    ),
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

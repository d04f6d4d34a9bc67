/** `policy lint`: what is allowed and worth a second look. */
import { resolve } from "node:path";
import { describeFinding, type LocatedFinding, lintPolicyFile } from "../../policies/engine/check-policies.ts";
import { loadExplainSource } from "../../policies/engine/explain-source.ts";
import type { ServedAgent } from "../../policies/engine/lint.ts";
import { lintRaw } from "../../policies/engine/lint-raw.ts";
import { loadPolicies, loadPolicy } from "../../policies/engine/policy-files.ts";

/**
 * Prints the findings of files (`.policy.ts`, or JSON with a raw network policy), or of every policy of a folder.
 *
 * @returns 1 when one of them is an error.
 */
export async function lintFiles(
  folder: string,
  files: readonly string[],
  o: { readonly agents: readonly ServedAgent[]; readonly json: boolean },
): Promise<number> {
  const found =
    files.length === 0
      ? (await loadPolicies(folder)).flatMap((file) => lintPolicyFile(file, o.agents))
      : (await Promise.all(files.map((file) => lintFile(file, o.agents)))).flat();
  if (o.json) {
    const flat = found.map(({ file, line, finding }) => ({ file, line, ...finding }));
    console.log(JSON.stringify(flat, null, 2));
  } else for (const one of found) console.log(describeFinding(one));
  return found.some(({ finding }) => finding.level === "error") ? 1 : 0;
}

async function lintFile(file: string, agents: readonly ServedAgent[]): Promise<LocatedFinding[]> {
  const source = await loadExplainSource(file);
  if ("raw" in source) return lintRaw(source.raw).map((finding) => ({ file, line: null, finding }));
  if (source.policy) return lintPolicyFile(await loadPolicy(resolve(file)), agents);
  console.error(`${file} is a lock: lint its policy instead`);
  return [];
}

/** Reads what `explain` and `lint` are asked about from a file. */
import { basename, resolve } from "node:path";
import { compile } from "./compile.ts";
import { PolicyError } from "./errors.ts";
import type { ExplainSource } from "./explain.ts";
import { loadPolicy } from "./policy-files.ts";
import { kindOfPath, loadPolicyJson } from "./policy-json.ts";
import { sourceLine } from "./source-line.ts";

const WHAT = "a .policy.ts file, a lock, or a JSON file with a networkPolicy";

/**
 * Loads a `.policy.ts`, a lock, or a JSON file with a raw network policy.
 *
 * @throws PolicyError naming the file, when it is none of them.
 */
export async function loadExplainSource(file: string): Promise<ExplainSource> {
  if ((await kindOfPath(file, WHAT)) === "folder") {
    throw new PolicyError([{ place: "file", problem: "is a folder", fix: `Name ${WHAT}` }], file);
  }
  if (!file.endsWith(".ts")) return loadPolicyJson(file);
  const { policy, source } = await loadPolicy(resolve(file));
  const locate = (place: string) => {
    const line = sourceLine(source, place);
    return line === null ? null : { file: basename(file), line };
  };
  return { policy, lock: compile(policy), locate };
}

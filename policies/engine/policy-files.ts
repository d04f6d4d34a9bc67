/** Policies and locks as files of a folder: `<agent>.policy.ts` and `<agent>.lock.json`. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { compile } from "./compile.ts";
import { PolicyError } from "./errors.ts";
import { serializeLock } from "./lock.ts";
import type { Policy } from "./policy.ts";

/** A policy that was loaded from its file. */
export interface PolicyFile {
  /** As given, for messages. */
  readonly file: string;
  readonly lockFile: string;
  readonly policy: Policy;
  /** Text of the file. */
  readonly source: string;
}

const SUFFIX = ".policy.ts";

/**
 * Loads one policy.
 *
 * @throws PolicyError naming the file, when it is refused, exports none, or its name is not the agent's.
 */
export async function loadPolicy(file: string): Promise<PolicyFile> {
  let module: { default?: Policy };
  try {
    module = await import(pathToFileURL(file).href);
  } catch (error) {
    if (error instanceof PolicyError) throw error.in(file);
    const { message, stack = "" } = error instanceof Error ? error : new Error(String(error));
    const line = /^\d+/.exec(stack.split(`${basename(file)}:`)[1] ?? "")?.[0];
    const fix = "Correct it; the editor shows the place";
    throw new PolicyError(
      [{ place: line === undefined ? "module" : `line ${line}`, problem: `cannot be loaded: ${message}`, fix }],
      file,
    );
  }
  const policy = module.default;
  if (policy?.checked !== true) {
    const fix = "Write `export default definePolicy({ … })`";
    throw new PolicyError([{ place: "default export", problem: "is no policy", fix }], file);
  }
  if (!file.endsWith(`/${policy.agent}${SUFFIX}`) && file !== `${policy.agent}${SUFFIX}`) {
    const fix = `Name the file ${policy.agent}${SUFFIX}`;
    throw new PolicyError([{ place: "agent", problem: `${policy.agent} is not the file's name`, fix }], file);
  }
  return { file, lockFile: `${file.slice(0, -SUFFIX.length)}.lock.json`, policy, source: await readFile(file, "utf8") };
}

/** Loads every policy of a folder, in order of their names. */
export async function loadPolicies(folder: string): Promise<PolicyFile[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(SUFFIX)).sort();
  return Promise.all(names.map((name) => loadPolicy(join(folder, name))));
}

/** Writes the lock of a policy. Returns whether the file changed. */
export async function writeLock({ policy, lockFile }: PolicyFile): Promise<boolean> {
  const text = serializeLock(compile(policy));
  if ((await readText(lockFile)) === text) return false;
  await writeFile(lockFile, text);
  return true;
}

/** What is wrong with the lock of a policy, and the fix; null when it is current. */
export async function staleLock({ policy, lockFile, file }: PolicyFile): Promise<string | null> {
  const text = await readText(lockFile);
  if (text === serializeLock(compile(policy))) return null;
  const problem = text === null ? "is missing" : `is not what ${file} compiles to`;
  return `${lockFile} ${problem}. Run \`npm run policy -- lock\`, look at the difference, and commit it.`;
}

async function readText(file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

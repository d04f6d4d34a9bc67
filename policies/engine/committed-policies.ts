/** A folder of policies as it was committed: read from git, as data, without running anything of that commit. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { PolicyError } from "./errors.ts";
import { type Lock, parseLock } from "./lock.ts";

const run = promisify(execFile);

const LOCK = ".lock.json";

/** What a commit has in the folder. */
export interface CommittedPolicies {
  /** Locks by agent. */
  readonly locks: ReadonlyMap<string, Lock>;
  /** Text of a file in the folder; null where there is none. */
  readonly read: (name: string) => Promise<string | null>;
}

/**
 * Reads a commit.
 *
 * @param root folder of the repository.
 * @param folder of the policies, relative to the root, with `/`.
 * @throws PolicyError when there is no such commit, or a lock of it is none.
 */
export async function committedPolicies(root: string, folder: string, ref: string): Promise<CommittedPolicies> {
  const git = async (...args: string[]) =>
    (await run("git", ["-C", root, ...args], { encoding: "utf8", maxBuffer: 256 * 1024 * 1024 })).stdout;
  let commit: string;
  try {
    commit = (await git("rev-parse", "--verify", "--quiet", "--end-of-options", `${ref}^{commit}`)).trim();
  } catch {
    const fix = "Fetch it first, e.g. `git fetch origin main`, or name another";
    throw new PolicyError([{ place: `git:${ref}`, problem: "git knows no such commit here", fix }]);
  }
  const listed = await git("ls-tree", "--name-only", "-z", commit, `${folder}/`);
  const names = listed
    .split("\0")
    .filter((path) => path !== "")
    .map((path) => path.slice(folder.length + 1));
  const read = async (name: string) =>
    names.includes(name) ? git("cat-file", "blob", `${commit}:${folder}/${name}`) : null;
  const locks = new Map<string, Lock>();
  for (const name of names.filter((name) => name.endsWith(LOCK))) {
    const lock = committedLock(await read(name), name, `git:${ref}:${folder}/${name}`);
    locks.set(lock.agent, lock);
  }
  return { locks, read };
}

function committedLock(text: string | null, name: string, file: string): Lock {
  try {
    const lock = parseLock(JSON.parse(text ?? ""));
    if (name === `${lock.agent}${LOCK}`) return lock;
    const fix = `Name it ${lock.agent}${LOCK}`;
    throw new PolicyError([{ place: "agent", problem: `is ${lock.agent}, not the file's name`, fix }]);
  } catch (error) {
    if (error instanceof PolicyError) throw error.in(file);
    if (!(error instanceof SyntaxError)) throw error;
    const fix = "Write it anew with `npm run policy -- lock` and commit it, or name a commit whose locks are whole";
    throw new PolicyError([{ place: "content", problem: "is not JSON", fix }], file);
  }
}

/** Policies as they were committed: read from git, as data, without running anything of that commit. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { LockSource } from "../engine/compare/sides.ts";
import { PolicyError } from "../engine/errors.ts";
import { type Lock, parseLock } from "../engine/lock.ts";

const run = promisify(execFile);

/** One side of a review. */
export interface Side {
  /** As a reader knows it: a git ref, `working tree`. */
  readonly name: string;
  /** Locks by agent, with example values of their variables where they are known. */
  readonly locks: ReadonlyMap<string, LockSource>;
  /** Text of a file in the folder of the policies; null where there is none. */
  readonly read: (name: string) => Promise<string | null>;
}

const LOCK = ".lock.json";

/**
 * The side of a commit.
 *
 * @param root folder of the repository.
 * @param folder of the policies, relative to the root, with `/`.
 * @throws PolicyError when there is no such commit, or a lock of it is none.
 */
export async function committedSide(root: string, folder: string, ref: string): Promise<Side> {
  const git = async (...args: string[]) =>
    (await run("git", ["-C", root, ...args], { encoding: "utf8", maxBuffer: 256 * 1024 * 1024 })).stdout;
  let commit: string;
  try {
    commit = (await git("rev-parse", "--verify", "--quiet", "--end-of-options", `${ref}^{commit}`)).trim();
  } catch {
    const fix = "Fetch it first, e.g. `git fetch origin main`, or name another";
    throw new PolicyError([{ place: "base", problem: `git knows no commit ${JSON.stringify(ref)} here`, fix }]);
  }
  const listed = await git("ls-tree", "--name-only", "-z", commit, `${folder}/`);
  const names = listed
    .split("\0")
    .filter((path) => path !== "")
    .map((path) => path.slice(folder.length + 1));
  const read = async (name: string) =>
    names.includes(name) ? git("cat-file", "blob", `${commit}:${folder}/${name}`) : null;
  const locks = new Map<string, LockSource>();
  for (const name of names.filter((name) => name.endsWith(LOCK))) {
    const lock = committedLock(await read(name), `${ref}:${folder}/${name}`);
    if (name !== `${lock.agent}${LOCK}`) {
      const fix = `Name it ${lock.agent}${LOCK}`;
      throw new PolicyError(
        [{ place: "agent", problem: `is ${lock.agent}, not the file's name`, fix }],
        `${ref}:${name}`,
      );
    }
    locks.set(lock.agent, { lock, examples: {} });
  }
  return { name: ref, locks, read };
}

function committedLock(text: string | null, name: string): Lock {
  let json: unknown;
  try {
    json = JSON.parse(text ?? "");
  } catch {
    const fix = "Write it anew with `npm run policy -- lock`, and commit it";
    throw new PolicyError([{ place: "", problem: "is not JSON", fix }], name);
  }
  try {
    return parseLock(json);
  } catch (error) {
    throw error instanceof PolicyError ? error.in(name) : error;
  }
}

/** Locks as they were committed: read as data, without running anything of that commit. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { PolicyError } from "../errors.ts";
import { type Lock, parseLock } from "../lock.ts";

const run = promisify(execFile);

/**
 * Every lock of a commit.
 *
 * @param root folder of the repository.
 * @param folder of the locks, relative to the root, with `/`.
 * @throws PolicyError when there is no such commit, or a lock of it is none.
 */
export async function locksAtCommit(root: string, folder: string, ref: string): Promise<Lock[]> {
  const git = async (...args: string[]) =>
    (await run("git", ["-C", root, ...args], { encoding: "utf8", maxBuffer: 256 * 1024 * 1024 })).stdout;
  let commit: string;
  try {
    commit = (await git("rev-parse", "--verify", "--quiet", "--end-of-options", `${ref}^{commit}`)).trim();
  } catch {
    const fix = "Fetch it first, e.g. `git fetch origin main`, or name another";
    throw new PolicyError([{ place: `git:${ref}`, problem: "git knows no such commit here", fix }]);
  }
  const listed = (await git("ls-tree", "--name-only", "-z", commit, `${folder}/`)).split("\0");
  const names = listed.filter((name) => name.endsWith(".lock.json"));
  if (names.length === 0) {
    const fix = "Name a commit that has policies, or compare files";
    throw new PolicyError([{ place: `git:${ref}`, problem: `there are no locks in ${folder}/`, fix }]);
  }
  return Promise.all(
    names.map(async (name) => {
      const text = await git("cat-file", "blob", `${commit}:${name}`);
      try {
        return parseLock(JSON.parse(text));
      } catch (error) {
        if (error instanceof PolicyError) throw error.in(`git:${ref}:${name}`);
        const fix = "Compare with a commit whose locks are whole";
        throw new PolicyError([{ place: "content", problem: "is not JSON", fix }], `git:${ref}:${name}`);
      }
    }),
  );
}

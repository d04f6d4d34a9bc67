/** What of the file system this process could change, as the kernel answers, not as owners and modes suggest. */
import { accessSync, chmodSync, constants, lstatSync, type Stats } from "node:fs";
import { dirname } from "node:path";

/**
 * Which of these absolute paths, and of the folders that lead to them, this process could change. Nothing is changed:
 * an owner gives a file the mode that it has. That is refused on a read-only mount, where writing is too, and to anybody
 * but the owner, who alone could give himself the right to write.
 *
 * What cannot be seen from here cannot be changed from here, and is left out.
 */
export function changeable(paths: readonly string[]): string[] {
  const all = new Set<string>();
  for (const path of paths) {
    for (let current = path; !all.has(current); current = dirname(current)) all.add(current);
  }
  return [...all].filter(canChange);
}

function canChange(path: string): boolean {
  let stat: Stats;
  try {
    stat = lstatSync(path);
  } catch {
    return false;
  }
  // A link is as safe as the folder that it is in, and that one is on the list.
  if (stat.isSymbolicLink()) return false;
  // In a sticky folder only an entry's owner can replace it, and the entry is on the list.
  const sticky = stat.isDirectory() && (stat.mode & 0o1000) !== 0;
  if (!sticky && succeeds(() => accessSync(path, constants.W_OK))) return true;
  return succeeds(() => chmodSync(path, stat.mode & 0o7777));
}

function succeeds(attempt: () => void): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}

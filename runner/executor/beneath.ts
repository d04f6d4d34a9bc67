/**
 * Opens files beneath a folder, and nothing outside it, against a program that changes the tree at the same time.
 *
 * A path is first resolved with its links, so that a link inside the workspace works and one that leads outside is
 * named in the error. The result is then opened segment by segment from the folder's descriptor, refusing links: what
 * was checked is what is opened, whoever swaps a folder for a link in between. (Node has no `openat`;
 * `/proc/self/fd/<n>/<segment>` is the same, see proc(5).)
 */
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, realpath } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** The path leads outside the folder, or cannot be used. The message is for the model. */
export class PathError extends Error {
  override name = "PathError";
}

/** A place beneath the root: segments of its real path, none of which was a link when it was resolved. */
export interface Place {
  /** Relative to the root, with `/`; `.` for the root itself. */
  readonly path: string;
  readonly segments: readonly string[];
}

/**
 * Resolves a path, relative to the root or absolute, to a place beneath it.
 *
 * @param missing how much of the end may not exist yet: nothing, or any number of segments (to be made).
 * @throws PathError when it leads outside, through links or without, or does not exist.
 */
export async function resolveBeneath(root: string, path: string, missing: "nothing" | "allowed"): Promise<Place> {
  if (path.includes("\0")) throw new PathError("the path holds a NUL character");
  const realRoot = await realpath(root);
  const wanted = resolve(root, path);
  // Refused before the file system is asked, so that nothing can be learned about what exists outside.
  if (!isBeneath(root, wanted) && !isBeneath(realRoot, wanted)) throw outside(path);

  const rest: string[] = [];
  let existing = wanted;
  for (;;) {
    try {
      const real = join(await realpath(existing), ...rest);
      if (!isBeneath(realRoot, real)) throw outside(path);
      const inside = relative(realRoot, real);
      return { path: inside === "" ? "." : inside, segments: inside === "" ? [] : inside.split(sep) };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" && missing === "allowed" && existing !== dirname(existing)) {
        rest.unshift(basename(existing));
        existing = dirname(existing);
        continue;
      }
      throw error instanceof PathError ? error : new PathError(describeError(code, path));
    }
  }
}

/**
 * Opens a place. `flags` apply to its last segment, together with O_NOFOLLOW and O_NONBLOCK, so that a FIFO cannot hang
 * the caller.
 */
export async function openBeneath(root: string, place: Place, flags: number, mode?: number): Promise<FileHandle> {
  const last = place.segments.at(-1);
  const folder = await openFolder(root, place.segments.slice(0, -1), false);
  if (last === undefined) return folder;
  try {
    return await open(child(folder, last), flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, mode);
  } catch (error) {
    throw new PathError(describeError((error as NodeJS.ErrnoException).code, place.path));
  } finally {
    await folder.close();
  }
}

/** Opens a folder beneath the root, making what is missing when told to. */
export async function openFolder(root: string, segments: readonly string[], make: boolean): Promise<FileHandle> {
  let folder = await open(await realpath(root), DIRECTORY);
  for (const segment of segments) {
    const parent = folder;
    try {
      folder = await openChild(parent, segment, make);
    } catch (error) {
      throw new PathError(describeError((error as NodeJS.ErrnoException).code, segments.join("/")));
    } finally {
      await parent.close();
    }
  }
  return folder;
}

/** The path by which the kernel finds an entry of an open folder. */
export function child(folder: FileHandle, name: string): string {
  return `/proc/self/fd/${folder.fd}/${name}`;
}

async function openChild(parent: FileHandle, segment: string, make: boolean): Promise<FileHandle> {
  try {
    return await open(child(parent, segment), DIRECTORY);
  } catch (error) {
    if (!make || (error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  await mkdir(child(parent, segment), 0o755);
  return open(child(parent, segment), DIRECTORY);
}

function isBeneath(root: string, path: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

function outside(path: string): PathError {
  return new PathError(`${path} is outside the workspace`);
}

function describeError(code: string | undefined, path: string): string {
  switch (code) {
    case "ENOENT":
      return `${path} does not exist`;
    case "ENOTDIR":
      return `a part of ${path} is not a folder`;
    case "EISDIR":
      return `${path} is a folder`;
    case "ELOOP":
      return `${path} goes through a link that changed while it was opened, or through too many`;
    case "EACCES":
    case "EPERM":
      return `no permission for ${path}`;
    case "ENAMETOOLONG":
      return `${path} is too long a name`;
    default:
      return `${path} cannot be opened (${code ?? "unknown error"})`;
  }
}

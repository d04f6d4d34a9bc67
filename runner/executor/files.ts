/** The workspace as file tools see it: regular text files beneath one folder, of bounded size. */
import { constants } from "node:fs";
import { type FileHandle, lstat, open, readdir, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { WorkspaceFiles } from "../tool.ts";
import { child, openBeneath, openFolder, PathError, resolveBeneath } from "./beneath.ts";

/** The most that one call reads or writes. */
export const MAX_FILE_BYTES = 256 * 1024;

/** The most entries that one call lists. */
export const MAX_ENTRIES = 1000;

const CHUNK_BYTES = 64 * 1024;
const NOT_DESCENDED = new Set([".git", "node_modules"]);
const NEWLINE = 10;

/** Opens a workspace for one call. The signal ends what takes long. */
export function openWorkspace(root: string, signal: AbortSignal): WorkspaceFiles {
  return {
    async read(path, { from, to } = {}) {
      const place = await resolveBeneath(root, path, "nothing");
      const file = await openBeneath(root, place, constants.O_RDONLY);
      try {
        const { size } = await regular(file, place.path);
        if (from === undefined && to === undefined) {
          if (size > MAX_FILE_BYTES) {
            throw new PathError(
              `${place.path} is ${size} bytes, more than the ${MAX_FILE_BYTES} that one call reads: name a range of lines`,
            );
          }
          return text(await readLines(file, 1, Infinity, place.path, signal), place.path);
        }
        const [first, last] = [from ?? 1, to ?? Infinity];
        if (last < first) throw new PathError(`line ${first} comes after line ${last}`);
        return text(await readLines(file, first, last, place.path, signal), place.path);
      } finally {
        await file.close();
      }
    },

    async write(path, content) {
      const bytes = Buffer.from(content, "utf8");
      if (bytes.length > MAX_FILE_BYTES) {
        throw new PathError(
          `the content is ${bytes.length} bytes, more than the ${MAX_FILE_BYTES} that one call writes`,
        );
      }
      const place = await resolveBeneath(root, path, "allowed");
      const name = place.segments.at(-1);
      if (name === undefined) throw new PathError(`${path} is a folder`);
      const folder = await openFolder(root, place.segments.slice(0, -1), true);
      try {
        await replace(folder, name, bytes, place.path);
      } finally {
        await folder.close();
      }
      return bytes.length;
    },

    async list(path, depth) {
      const place = await resolveBeneath(root, path, "nothing");
      const entries: string[] = [];
      const prefix = place.path === "." ? "" : `${place.path}/`;
      const truncated = await collect(root, place.segments, prefix, depth, entries, signal);
      return { entries, truncated };
    },
  };
}

/** Size and mode of an open file. */
async function regular(file: FileHandle, path: string): Promise<{ size: number; mode: number }> {
  const stat = await file.stat();
  if (stat.isDirectory()) throw new PathError(`${path} is a folder`);
  if (!stat.isFile()) throw new PathError(`${path} is not a regular file`);
  return stat;
}

/** Reads whole lines `first`..`last`, in chunks: a file may be endless, and grow while it is read. */
async function readLines(file: FileHandle, first: number, last: number, path: string, signal: AbortSignal) {
  const kept: Buffer[] = [];
  let size = 0;
  let line = 1;
  const chunk = Buffer.alloc(CHUNK_BYTES);
  while (line <= last) {
    signal.throwIfAborted();
    const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES);
    if (bytesRead === 0) break;
    let start = 0;
    while (start < bytesRead && line <= last) {
      const newline = chunk.subarray(0, bytesRead).indexOf(NEWLINE, start);
      const end = newline === -1 ? bytesRead : newline + 1;
      if (line >= first) {
        size += end - start;
        if (size > MAX_FILE_BYTES) {
          throw new PathError(`these lines of ${path} are more than ${MAX_FILE_BYTES} bytes: name a shorter range`);
        }
        kept.push(Buffer.from(chunk.subarray(start, end)));
      }
      if (newline !== -1) line++;
      start = end;
    }
  }
  if (line < first) throw new PathError(`${path} has fewer than ${first} lines`);
  return Buffer.concat(kept);
}

function text(bytes: Buffer, path: string): string {
  if (bytes.includes(0)) throw new PathError(`${path} is a binary file`);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new PathError(`${path} is not UTF-8 text`);
  }
}

/** Replaces a file in one step, keeping its mode, so that a reader never sees half of it. */
async function replace(folder: FileHandle, name: string, bytes: Buffer, path: string): Promise<void> {
  let mode = 0o644;
  try {
    const present = await lstat(child(folder, name));
    if (present.isDirectory()) throw new PathError(`${path} is a folder`);
    if (!present.isFile()) throw new PathError(`${path} is not a regular file`);
    mode = present.mode & 0o777;
  } catch (error) {
    if (error instanceof PathError || (error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const temporary = child(folder, `.${name.slice(0, 200)}.${process.pid}.tmp`);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  await unlink(temporary).catch(() => {});
  const file = await open(temporary, flags, mode).catch((error: NodeJS.ErrnoException) => {
    throw new PathError(`${path} cannot be written (${error.code})`);
  });
  try {
    await file.writeFile(bytes);
    await file.chmod(mode);
    await rename(temporary, child(folder, name));
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw new PathError(`${path} cannot be written (${(error as NodeJS.ErrnoException).code})`);
  } finally {
    await file.close();
  }
}

/** Adds the entries of a folder, depth first. Returns true when there were more than fit. */
async function collect(
  root: string,
  segments: readonly string[],
  prefix: string,
  depth: number,
  entries: string[],
  signal: AbortSignal,
): Promise<boolean> {
  signal.throwIfAborted();
  const folder = await openFolder(root, segments, false);
  let found: { name: string; isDirectory(): boolean; isSymbolicLink(): boolean }[];
  try {
    found = await readdir(child(folder, "."), { withFileTypes: true });
  } finally {
    await folder.close();
  }
  found.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of found) {
    if (entries.length >= MAX_ENTRIES) return true;
    const shown = join(prefix, entry.name);
    if (!entry.isDirectory()) {
      entries.push(entry.isSymbolicLink() ? `${shown} (link)` : shown);
      continue;
    }
    entries.push(`${shown}/`);
    if (depth <= 1 || NOT_DESCENDED.has(entry.name)) continue;
    const deeper = [...segments, entry.name];
    try {
      if (await collect(root, deeper, `${shown}/`, depth - 1, entries, signal)) return true;
    } catch (error) {
      // A folder that went away or may not be read does not hide the others.
      if (!(error instanceof PathError)) throw error;
    }
  }
  return false;
}

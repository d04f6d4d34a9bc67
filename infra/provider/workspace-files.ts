/** The files that a session finds in its workspace: read from a folder of the project, with a digest over all of them. */
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative } from "node:path";

export interface WorkspaceFile {
  /** Relative to the folder, with `/`. */
  readonly path: string;
  readonly content: Uint8Array;
  /** 0o755 for what is executable, else 0o644. */
  readonly mode: number;
}

export interface Workspace {
  readonly files: readonly WorkspaceFile[];
  /** `sha256:<hex>` over paths, modes and contents; the same in every checkout. */
  readonly digest: string;
}

/**
 * @throws when the folder cannot be read, or holds something that is neither a folder nor a regular file: a link would
 * lead somewhere else in the sandbox than here.
 */
export async function readWorkspace(folder: string): Promise<Workspace> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files: WorkspaceFile[] = [];
  for (const entry of entries.filter((each) => !each.isDirectory())) {
    const file = join(entry.parentPath, entry.name);
    const path = relative(folder, file).replaceAll("\\", "/");
    if (!entry.isFile()) throw new Error(`${path} in the workspace is not a regular file; replace it by one`);
    const { mode } = await stat(file);
    files.push({ path, content: await readFile(file), mode: mode & 0o100 ? 0o755 : 0o644 });
  }
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const hash = createHash("sha256");
  for (const { path, mode, content } of files) {
    hash.update(`${JSON.stringify(path)} ${mode} ${createHash("sha256").update(content).digest("hex")}\n`);
  }
  return { files, digest: `sha256:${hash.digest("hex")}` };
}

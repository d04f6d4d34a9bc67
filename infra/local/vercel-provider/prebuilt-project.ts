import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Properties } from "./properties.ts";

const args = z.object({ path: z.string().min(1) });
const builds = z.looseObject({
  error: z.looseObject({ message: z.string().optional() }).nullish(),
  builds: z.array(z.looseObject({ error: z.looseObject({ message: z.string().optional() }).nullish() })).nullish(),
});

/**
 * The invoke `getPrebuiltProject({path})`: every file of `<path>/.vercel/output` by its path from the current folder,
 * described as `size~sha1`.
 *
 * @throws when there is no output, when its build failed, or when it holds symbolic links.
 */
export async function getPrebuiltProject(input: Properties): Promise<Properties> {
  const { path } = args.parse(input);
  const root = join(path, ".vercel", "output");
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => {
    throw new Error(`${root} does not exist; build the project first`);
  });
  const output: Record<string, string> = {};
  for (const entry of entries) {
    const file = join(entry.parentPath, entry.name);
    // The plugin uploads a link's second copy empty, so a deployment with one is broken (contracts §5.5).
    if (entry.isSymbolicLink()) throw new Error(`${file} is a symbolic link; build without links`);
    if (!entry.isFile()) continue;
    const content = await readFile(file);
    if (file === join(root, "builds.json")) refuseFailedBuild(content.toString(), file);
    output[file] = `${content.length}~${createHash("sha1").update(content).digest("hex")}`;
  }
  return { id: path, path, output };
}

function refuseFailedBuild(text: string, file: string): void {
  const { error, builds: each } = builds.parse(JSON.parse(text));
  const failed = error ?? each?.find((build) => build.error)?.error;
  if (failed) throw new Error(`${file} says that the build failed: ${failed.message ?? "no message"}`);
}

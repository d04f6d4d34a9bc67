/** A second checkout: what a release from another folder, another branch or another machine would run. */
import { cp, mkdir, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { places } from "../engine/places.mjs";

/** Everything that the program, the provider and the policies consist of. */
const SOURCES = [
  "Pulumi.yaml",
  "package.json",
  "tsconfig.json",
  "policies",
  "runner",
  "functions",
  "infra",
  "scripts",
] as const;

/**
 * Copies the sources of a checkout, without what was built from them; the installed packages are shared.
 *
 * @param folder made when it is missing.
 * @param root the checkout; this one unless given.
 * @returns `folder`, to be given as `cwd` to {@link LocalStack}.
 */
export async function copyCheckout(folder: string, root = places().root): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const name of SOURCES) {
    await cp(join(root, name), join(folder, name), {
      recursive: true,
      filter: (source) => basename(source) !== "dist",
    });
  }
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  return folder;
}

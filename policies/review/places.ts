/** Where code stands that a review points to. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { PolicyError } from "../engine/errors.ts";

/**
 * File and line of each tool, `runner/tools/add-note.ts:6`. A tool is found as the export that *is* it, not by its name
 * in the text.
 *
 * @param folder relative to the root, with `/`; every module in it but tests is loaded.
 * @throws PolicyError naming tools that no module of the folder exports.
 */
export async function toolPlaces(
  root: string,
  folder: string,
  tools: readonly { readonly name: string }[],
): Promise<Record<string, string>> {
  const places: Record<string, string> = {};
  const files = (await readdir(join(root, folder))).filter((file) => /(?<!\.test)\.ts$/.test(file)).sort();
  for (const file of files) {
    const exported: Record<string, unknown> = await import(pathToFileURL(join(root, folder, file)).href);
    for (const [name, value] of Object.entries(exported)) {
      const tool = tools.find((one) => one === value);
      if (tool === undefined) continue;
      const lines = (await readFile(join(root, folder, file), "utf8")).split("\n");
      const line = lines.findIndex((text) => new RegExp(`^export const ${name}\\b`).test(text)) + 1;
      places[tool.name] ??= `${folder}/${file}${line > 0 ? `:${line}` : ""}`;
    }
  }
  const lost = tools.filter(({ name }) => places[name] === undefined);
  if (lost.length > 0) {
    const fix = `Export it from a file in ${folder}, so that a review can say where it is`;
    throw new PolicyError(lost.map(({ name }) => ({ place: name, problem: `no file in ${folder} exports it`, fix })));
  }
  return places;
}

/**
 * Checks that what a review says of the code is still there: each file must hold its text.
 *
 * @throws PolicyError naming what is gone.
 */
export async function checkPlaces(root: string, claims: readonly { file: string; text: string }[]): Promise<void> {
  const found = await Promise.all(
    claims.map(async ({ file, text }) => (await readFile(join(root, file), "utf8").catch(() => "")).includes(text)),
  );
  const gone = claims.filter((_, i) => !found[i]);
  if (gone.length === 0) return;
  const fix = "Correct it in policies/review/review-document.ts, and run `npm run policy -- review`";
  throw new PolicyError(
    gone.map(({ file, text }) => ({ place: file, problem: `REVIEW.md relies on ${JSON.stringify(text)} there`, fix })),
  );
}

/**
 * Builds the functions to Vercel's Build Output API v3 (contracts/vercel-functions.md §4.4).
 *
 * The same sources and the same lockfile give the same bytes on every machine: a release pins the digest.
 */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { BUNDLE } from "../runner/bundle.ts";
import { MAX_DURATION_MS } from "./limits.ts";

const here = fileURLToPath(new URL(".", import.meta.url));

/** Where {@link buildFunctions} writes unless it is told otherwise; ignored by git. */
export const DEFAULT_OUT_DIR = join(here, "dist");

const ROUTES = ["drain", "health", "webhook"] as const;

/**
 * How often the queue is drained without an event. Once a minute needs the Pro plan; on Hobby, where a deployment with
 * more than one run a day fails, pass e.g. `"0 5 * * *"` (contracts/vercel-functions.md §4.6).
 */
export const DEFAULT_CRON_SCHEDULE = "* * * * *";

/** Options of {@link buildFunctions}. */
export interface BuildOptions {
  readonly cronSchedule?: string;
}

/**
 * Writes `<outDir>/.vercel/output`, and removes what an earlier build left there. Each file comes by way of a rename, so
 * that a program beside this one, which deploys the same folder, never sees half a file or none.
 *
 * @returns `sha256:<hex>` over the paths and contents of all files
 * @throws BuildFailure of esbuild, with the file and line, when a source does not compile
 */
export async function buildFunctions(
  outDir: string = DEFAULT_OUT_DIR,
  { cronSchedule = DEFAULT_CRON_SCHEDULE }: BuildOptions = {},
): Promise<{ digest: string }> {
  const files = new Map<string, string | Uint8Array>();
  files.set("config.json", json({ version: 3, crons: [{ path: "/api/drain", schedule: cronSchedule }] }));
  for (const [route, contents] of await bundles()) {
    const folder = `functions/api/${route}.func`;
    files.set(`${folder}/.vc-config.json`, json(FUNCTION_CONFIG));
    files.set(`${folder}/index.mjs`, contents);
  }

  const output = join(outDir, ".vercel", "output");
  await mkdir(output, { recursive: true });
  for (const entry of await readdir(output, { recursive: true, withFileTypes: true })) {
    const found = join(entry.parentPath, entry.name);
    if (!entry.isDirectory() && !files.has(relative(output, found))) await rm(found);
  }
  const hash = createHash("sha256");
  for (const [path, contents] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const target = join(output, path);
    await mkdir(dirname(target), { recursive: true });
    const temporary = join(outDir, `.${process.pid}.${randomUUID()}.tmp`);
    await writeFile(temporary, contents, { mode: 0o644 });
    await rename(temporary, target);
    hash.update(`${createHash("sha256").update(contents).digest("hex")}  ${path}\n`);
  }
  return { digest: `sha256:${hash.digest("hex")}` };
}

const FUNCTION_CONFIG = {
  runtime: "nodejs24.x",
  handler: "index.mjs",
  launcherType: "Nodejs",
  // The helpers parse bodies, and a signature is over the raw one.
  shouldAddHelpers: false,
  supportsResponseStreaming: true,
  maxDuration: MAX_DURATION_MS / 1000,
};

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** One bundle a route, by route. Bundled in one call, so that the SDKs are parsed once. */
async function bundles(): Promise<Map<string, Uint8Array>> {
  const { outputFiles } = await build({
    entryPoints: ROUTES.map((route) => ({ in: join(here, "api", `${route}.ts`), out: route })),
    absWorkingDir: here,
    // Nothing is written: it only names the results.
    outdir: here,
    ...BUNDLE,
  });
  return new Map(outputFiles.map(({ path, contents }) => [basename(path, ".js"), contents]));
}

/**
 * Builds what a snapshot carries under `/opt/handrail`: one bundle for both processes, the boot script, the manifest.
 *
 * The same sources and the same lockfile give the same bytes on every machine: the snapshot is addressed by the digest,
 * and a release pins it.
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { BUNDLE } from "./bundle.ts";
import { createManifest, fileDigest } from "./manifest.ts";

/** A file of the runner, as it must lie in {@link INSTALL_DIR} of vm.ts. */
export interface RunnerFile {
  readonly path: "runner.mjs" | "boot.sh" | "manifest.json";
  /** Hex. */
  readonly sha256: string;
  /** In bytes. */
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
}

/** What {@link buildRunner} made. */
export interface RunnerBuild {
  /** `sha256:<hex>`, the runner's digest: what `manifest.json` says and the handover must repeat. */
  readonly digest: string;
  readonly files: RunnerFile[];
}

const here = fileURLToPath(new URL(".", import.meta.url));

/** Where {@link buildRunner} writes unless it is told otherwise; ignored by git. */
export const DEFAULT_OUT_DIR = join(here, "dist");

const MODES = { "runner.mjs": 0o644, "boot.sh": 0o755, "manifest.json": 0o644 } as const;

/**
 * Builds the runner into a folder, which is made when it is missing.
 *
 * @throws BuildFailure of esbuild, with the file and line, when a source does not compile.
 */
export async function buildRunner(outDir: string = DEFAULT_OUT_DIR): Promise<RunnerBuild> {
  const sources = {
    "boot.sh": await readFile(join(here, "boot.sh")),
    "runner.mjs": await bundle(),
  };
  const manifest = createManifest(sources);
  const contents = { ...sources, "manifest.json": Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`) };

  await mkdir(outDir, { recursive: true });
  const files: RunnerFile[] = [];
  for (const path of ["runner.mjs", "boot.sh", "manifest.json"] as const) {
    const content = contents[path];
    const mode = MODES[path];
    // By way of a rename, so that a build beside this one never sees half a file.
    const temporary = join(outDir, `.${path}.${process.pid}.${files.length}.tmp`);
    await writeFile(temporary, content, { mode });
    await rename(temporary, join(outDir, path));
    files.push({ path, sha256: fileDigest(content), size: content.length, mode });
  }
  return { digest: manifest.digest, files };
}

async function bundle(): Promise<Uint8Array> {
  const result = await build({
    entryPoints: [join(here, "main.ts")],
    absWorkingDir: here,
    ...BUNDLE,
  });
  const output = result.outputFiles[0];
  if (output === undefined) throw new Error("esbuild wrote no bundle for runner/main.ts");
  return output.contents;
}

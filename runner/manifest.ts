/** The manifest: which files the runner consists of, and the digest that stands for all of them. */
import { createHash } from "node:crypto";
import { z } from "zod";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** Schema of `manifest.json`, which lies beside the files that it lists. */
export const manifestSchema = z.strictObject({
  version: z.literal(1),
  /** `sha256:<hex>` over the list of files; what a release and the handover call the runner's digest. */
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  /** SHA-256 by file name, of every file but the manifest itself. */
  files: z.record(z.string().regex(/^[A-Za-z0-9._-]+$/), sha256),
});

/** Content of `manifest.json`. */
export type Manifest = z.infer<typeof manifestSchema>;

/** SHA-256 of a file's content, in hex. */
export function fileDigest(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}

/** Makes the manifest of some files. The order in which they are given makes no difference. */
export function createManifest(files: Readonly<Record<string, Uint8Array | string>>): Manifest {
  const digests = Object.fromEntries(
    Object.keys(files)
      .sort()
      .map((name) => [name, fileDigest(files[name] ?? "")]),
  );
  return { version: 1, digest: manifestDigest(digests), files: digests };
}

/** The digest that a list of files must have. */
export function manifestDigest(files: Manifest["files"]): string {
  const lines = Object.keys(files)
    .sort()
    .map((name) => `${files[name]}  ${name}\n`);
  return `sha256:${fileDigest(lines.join(""))}`;
}

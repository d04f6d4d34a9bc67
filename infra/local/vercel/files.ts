import { createHash } from "node:crypto";
import { copyFile, mkdir, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Hono } from "hono";
import { badRequest } from "./http-error.ts";

/** Uploaded files by the SHA-1 of their bytes, on disk. */
export class FileStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws VercelError 400 when the bytes are not those of the digest. */
  async put(sha: string, bytes: Uint8Array): Promise<void> {
    const actual = createHash("sha1").update(bytes).digest("hex");
    if (actual !== sha) {
      throw badRequest(`The uploaded bytes have the SHA-1 ${actual}, not the ${sha} of x-vercel-digest.`);
    }
    await mkdir(this.#folder, { recursive: true });
    // Renamed when complete, since two uploads of one content may run side by side.
    const draft = join(this.#folder, `${sha}.${crypto.randomUUID()}`);
    await writeFile(draft, bytes);
    await rename(draft, join(this.#folder, sha));
  }

  /** Size in bytes of the content with this digest, or undefined when nobody uploaded it. */
  async size(sha: string): Promise<number | undefined> {
    return (await stat(join(this.#folder, sha)).catch(() => undefined))?.size;
  }

  async copyTo(sha: string, path: string): Promise<void> {
    await mkdir(dirname(path), { recursive: true });
    await copyFile(join(this.#folder, sha), path);
  }
}

/** `POST /v2/files`, and `/v2/now/files` as the plugin says it: raw bytes under the digest of a header. */
export function fileRoutes(app: Hono, files: FileStore): void {
  for (const path of ["/:v{v[0-9]+}/files", "/:v{v[0-9]+}/now/files"]) {
    app.post(path, async (c) => {
      const digest = c.req.header("x-vercel-digest") ?? c.req.header("x-now-digest");
      if (!digest || !/^[0-9a-f]{40}$/.test(digest)) {
        throw badRequest("Give the SHA-1 of the file, 40 lower-case hex digits, in the header x-vercel-digest.");
      }
      await files.put(digest, new Uint8Array(await c.req.arrayBuffer()));
      return c.json({ urls: [] });
    });
  }
}

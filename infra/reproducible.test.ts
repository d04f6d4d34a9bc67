import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { places } from "./engine/places.mjs";
import { copyCheckout } from "./local/stack-checkout.ts";

/** As `infra/index.ts` does it. */
const BUILD = `
const [{ buildRunner }, { buildFunctions }] = [await import("./runner/build.ts"), await import("./functions/build.ts")];
const [runner, functions] = await Promise.all([buildRunner("runner/dist"), buildFunctions("functions/dist")]);
console.log(runner.digest, functions.digest);
`;

test("runner and functions have the same digests wherever the checkout lies", async () => {
  const folder = await mkdtemp(join(tmpdir(), "handrail-reproducible-"));
  try {
    const first = await copyCheckout(join(folder, "a"));
    // From the first copy, so that both have the same sources while somebody edits this checkout.
    const second = await copyCheckout(join(folder, "deep", "er", "b c"), first);
    const built = await Promise.all(
      [first, second].map((cwd) => promisify(execFile)(places().node, ["--input-type=module", "-e", BUILD], { cwd })),
    );
    const digests = new Set(built.map(({ stdout }) => stdout));
    expect([...digests]).toEqual([expect.stringMatching(/^sha256:[0-9a-f]{64} sha256:[0-9a-f]{64}\n$/)]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

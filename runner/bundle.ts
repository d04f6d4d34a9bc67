import type { BuildOptions } from "esbuild";

/**
 * How one file for Node is made of sources and dependencies, for the runner and for the functions.
 *
 * The same sources and the same lockfile give the same bytes on every machine, wherever the checkout lies.
 */
export const BUNDLE = {
  bundle: true,
  write: false,
  platform: "node",
  format: "esm",
  target: "node24",
  // Not for size: without it the bundle names its modules by their path on the building machine.
  minify: true,
  keepNames: true,
  legalComments: "none",
  // Some dependencies are CommonJS and require Node's modules, which an ES module cannot do by itself.
  banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  logLevel: "silent",
} satisfies BuildOptions;

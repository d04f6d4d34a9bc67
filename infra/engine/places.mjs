import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout that this file belongs to. */
export const repositoryRoot = fileURLToPath(new URL("../../", import.meta.url)).replace(/[\\/]$/, "");

/** The engine, the SDK and the language host are of one release; package.json pins the `pulumi` package to it. */
export const engineVersion = "3.259.0";

/** The Vercel plugin that `@pulumiverse/vercel` asks for. */
export const vercelPluginVersion = "5.4.1";

/**
 * Where set-up puts things. All of it is ignored by git and can be deleted: the next set-up makes it again.
 *
 * @param {string} [root] the checkout; tests pass their own.
 */
export function places(root = repositoryRoot) {
  const state = join(root, ".handrail");
  const local = join(state, "local");
  return {
    root,
    state,
    /** Holds `pulumi` and, beside an engine that has none, `pulumi-language-nodejs`. */
    engineBin: join(state, "engine", "bin"),
    engine: join(state, "engine", "bin", "pulumi"),
    /** Node 24 of the lockfile: what every script, program and provider runs on. */
    node: join(root, "node_modules", "node", "bin", "node"),
    /** Written last by set-up; says what is in place and how to tell cheaply that it still is. */
    stamp: join(state, "setup.json"),
    lock: join(state, "setup.lock"),
    /** PULUMI_HOME for real backends. */
    home: join(state, "pulumi"),
    local,
    /** PULUMI_HOME of the local cloud: its Vercel plugin may be the stand-in, which must never meet a real account. */
    localHome: join(local, "pulumi"),
  };
}

/**
 * Engines built on this machine, shared by its checkouts.
 *
 * @param {Record<string, string | undefined>} [env]
 */
export function engineCache(env = process.env) {
  return join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), ".cache"), "handrail", "engine");
}

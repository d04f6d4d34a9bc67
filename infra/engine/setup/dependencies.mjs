import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { places } from "../places.mjs";
import { onPath, run } from "./processes.mjs";
import { withHeartbeat } from "./report.mjs";
import { SetupError } from "./setup.mjs";
import { digest } from "./stamp.mjs";

/** Node 24 by the `node` package must answer within this time, in ms. */
const VERSION_TIMEOUT_MS = 20_000;

/**
 * The locked npm packages, Node 24 among them.
 *
 * @param {{ root?: string, env?: Record<string, string | undefined> }} [options]
 * @returns {import("./setup.mjs").Step}
 */
export function dependencies({ root, env = process.env } = {}) {
  const at = places(root);
  const lockfile = join(at.root, "package-lock.json");
  const hidden = join(at.root, "node_modules", ".package-lock.json");
  const clean = cleanEnvironment(env, at.root);
  return {
    name: "dependencies",
    key: () => digest(readFileSync(lockfile), process.platform, process.arch),
    async ensure(report, keepFor) {
      if (!isInstalled(lockfile, hidden)) await install(report, at.root, clean, keepFor);
      await ensureNode(report, at, clean, keepFor);
      return { text: `npm packages as locked, Node ${await nodeVersion(at.node)}`, witnesses: [hidden, at.node] };
    },
  };
}

/**
 * Whether node_modules holds what the lockfile says. npm writes its own copy of the lockfile into node_modules last,
 * so a killed install has none.
 *
 * @param {string} lockfile
 * @param {string} hidden
 */
export function isInstalled(lockfile, hidden) {
  if (!existsSync(hidden)) return false;
  const wanted = packagesOf(lockfile);
  const present = packagesOf(hidden);
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === "" || optional || present[path]?.version === version,
  );
}

/**
 * @param {string} file
 * @returns {Record<string, { version?: string, optional?: boolean }>}
 */
function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages ?? {};
  } catch {
    return {};
  }
}

/**
 * @param {import("./report.mjs").Report} report
 * @param {string} root
 * @param {Record<string, string | undefined>} env
 * @param {(pid: number) => void} keepFor
 */
async function install(report, root, env, keepFor) {
  report.begin("dependencies", "npm ci, the first time about half a minute");
  const { command, args } = npm(env);
  const result = await withHeartbeat(
    report,
    () => "npm ci is at work",
    () => run(command, [...args, "ci", "--loglevel=error", "--no-progress"], { cwd: root, env, onStart: keepFor }),
  );
  if (result.code !== 0) {
    throw new SetupError(`The npm packages could not be installed (npm ci):\n${tail(result.output)}`, "npm ci");
  }
}

/**
 * The `node` package gets its binary by an install script, which npm may have been told not to run.
 *
 * @param {import("./report.mjs").Report} report
 * @param {ReturnType<typeof places>} at
 * @param {Record<string, string | undefined>} env
 * @param {(pid: number) => void} keepFor
 */
async function ensureNode(report, at, env, keepFor) {
  const folder = join(at.root, "node_modules", "node");
  const wanted = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).version;
  if ((await nodeVersion(at.node)) === wanted) return;
  report.begin("dependencies", `fetching Node ${wanted}, which npm was told not to (ignore-scripts, allow-scripts)`);
  const result = await run(process.execPath, ["installArchSpecificPackage"], { cwd: folder, env, onStart: keepFor });
  if ((await nodeVersion(at.node)) === wanted) return;
  throw new SetupError(
    `Node ${wanted} is not in place (${at.node}):\n${tail(result.output) || "its install script left no binary that runs"}`,
    "npm rebuild node --ignore-scripts=false --foreground-scripts",
  );
}

/** @param {string} binary */
async function nodeVersion(binary) {
  const { code, output } = await run(binary, ["--version"], { timeoutMs: VERSION_TIMEOUT_MS });
  return code === 0 ? output.replace(/^v/, "") : undefined;
}

/**
 * npm by a Node that `npm ci` does not delete while it runs: below `npm run`, the first `node` on PATH is the one in
 * node_modules.
 *
 * @param {Record<string, string | undefined>} env
 */
function npm(env) {
  const [node] = onPath("node", env.PATH);
  const script = env.npm_execpath;
  return node && script?.endsWith("npm-cli.js") && existsSync(script)
    ? { command: node, args: [script] }
    : { command: "npm", args: [] };
}

/**
 * Without this checkout's node_modules/.bin on PATH and without what an outer `npm run` says about itself. npm's own
 * configuration (`npm_config_*`) stays, but for the log level of that run.
 *
 * @param {Record<string, string | undefined>} env
 * @param {string} root
 * @returns {Record<string, string | undefined>}
 */
function cleanEnvironment(env, root) {
  const kept = Object.entries(env).filter(([name]) => !/^npm_(lifecycle|package|command|config_loglevel)/.test(name));
  const modules = join(root, "node_modules");
  const path = (env.PATH ?? "").split(":").filter((folder) => !folder.startsWith(modules));
  return { ...Object.fromEntries(kept), PATH: path.join(":") };
}

/** @param {string} output */
function tail(output) {
  return output.split("\n").slice(-15).join("\n");
}

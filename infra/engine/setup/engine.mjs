import { copyFileSync, linkSync, mkdirSync, realpathSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { engineVersion, places } from "../places.mjs";
import { buildEngine, buildKey } from "./build.mjs";
import { isExecutable, onPath, run } from "./processes.mjs";
import { isReachable } from "./reachable.mjs";
import { withHeartbeat } from "./report.mjs";
import { SetupError } from "./setup.mjs";
import { digest, replaceFile } from "./stamp.mjs";

/** `pulumi version` must answer within this time, in ms. */
const VERSION_TIMEOUT_MS = 20_000;

/** A download of about 100 MB that takes longer than this, in ms, is given up for the next source. */
const DOWNLOAD_TIMEOUT_MS = 10 * 60_000;

/** What the `pulumi` npm package downloads first. */
const DOWNLOAD_URL = "https://get.pulumi.com/install.sh";

/**
 * The Pulumi engine with a Node.js language host, at `.handrail/engine/bin`. From the first of these that works: an
 * installed one of at least our version, the one that npm's `pulumi` package has downloaded or can download, one built
 * from source before, a build from source.
 *
 * @param {{ root?: string, env?: Record<string, string | undefined> }} [options]
 * @returns {import("./setup.mjs").Step}
 */
export function engine({ root, env = process.env } = {}) {
  const at = places(root);
  const languageHost = join(at.engineBin, "pulumi-language-nodejs");
  return {
    name: "engine",
    key: () => digest(engineVersion, at.root, buildKey()),
    async ensure(report) {
      mkdirSync(at.engineBin, { recursive: true });
      const found = await findEngine(report, at.root, env);
      if (found.withLanguageHost) {
        // A link: its language hosts are looked for beside the real file.
        place(languageHost, (draft) => symlinkSync(join(dirname(found.binary), "pulumi-language-nodejs"), draft));
        place(at.engine, (draft) => symlinkSync(found.binary, draft));
      } else {
        replaceFile(languageHost, languageHostScript(at), 0o755);
        place(at.engine, (draft) => linkOrCopy(found.binary, draft));
      }
      return { text: `Pulumi ${found.version}, ${found.source}`, witnesses: [at.engine, languageHost] };
    },
  };
}

/**
 * @typedef {object} Engine
 * @property {string} binary
 * @property {string} version
 * @property {string} source for a person: where it comes from.
 * @property {boolean} withLanguageHost whether a `pulumi-language-nodejs` lies beside it.
 */

/**
 * @param {import("./report.mjs").Report} report
 * @param {string} root
 * @param {Record<string, string | undefined>} env
 * @returns {Promise<Engine>}
 */
async function findEngine(report, root, env) {
  const installed = await findInstalled(root, env);
  if (installed) return installed;

  const downloaded = await download(report, root, env);
  if (typeof downloaded !== "string") return downloaded;

  const built = await buildEngine(report, env, async (binary) => (await versionOf(binary)) === engineVersion);
  if (typeof built !== "string") {
    return { ...built, version: engineVersion, withLanguageHost: false };
  }
  throw new SetupError(
    [
      `There is no Pulumi engine of version ${engineVersion} or later (same major) to be had:`,
      "- none with its Node.js language host is installed on PATH or below PULUMI_HOME",
      `- ${downloaded}`,
      `- ${built}`,
    ].join("\n"),
    `curl -fsSL https://get.pulumi.com | sh -s -- --version ${engineVersion}`,
  );
}

/**
 * An engine that is already on this machine, with the language host that belongs to it.
 *
 * @param {string} root
 * @param {Record<string, string | undefined>} env
 * @returns {Promise<Engine | undefined>}
 */
export async function findInstalled(root, env) {
  const home = env.PULUMI_HOME || join(env.HOME || homedir(), ".pulumi");
  const candidates = [
    ...onPath("pulumi", env.PATH, [join(root, "node_modules"), join(root, ".handrail")]).map((file) => ({
      file,
      source: `installed at ${file}`,
    })),
    { file: downloadedBinary(home), source: "downloaded before by the npm package" },
    { file: join(home, "bin", "pulumi"), source: `installed at ${join(home, "bin", "pulumi")}` },
  ];
  for (const { file, source } of candidates) {
    if (!isExecutable(file)) continue;
    const binary = realpathSync(file);
    if (!isExecutable(join(dirname(binary), "pulumi-language-nodejs"))) continue;
    const version = await versionOf(binary);
    if (version && isAtLeast(version, engineVersion)) return { binary, version, source, withLanguageHost: true };
  }
  return undefined;
}

/**
 * Lets npm's `pulumi` package download the engine to where it keeps it for every project of this user.
 *
 * @param {import("./report.mjs").Report} report
 * @param {string} root
 * @param {Record<string, string | undefined>} env
 * @returns {Promise<Engine | string>} why not, when it is a string.
 */
async function download(report, root, env) {
  const unreachable = await isReachable(DOWNLOAD_URL);
  if (unreachable) return `Pulumi's download is out of reach (${unreachable})`;
  report.begin("engine", `downloading Pulumi ${engineVersion}, the first time about a minute`);
  const home = env.PULUMI_HOME || join(env.HOME || homedir(), ".pulumi");
  const result = await withHeartbeat(
    report,
    () => "the npm package pulumi is downloading",
    () =>
      run(places(root).node, [join(root, "node_modules", "pulumi", "run.js"), "version"], {
        env: { ...env, PULUMI_HOME: home, PULUMI_VERSION: engineVersion, PULUMI_SKIP_UPDATE_CHECK: "true" },
        timeoutMs: DOWNLOAD_TIMEOUT_MS,
      }),
  );
  const binary = downloadedBinary(home);
  const version = isExecutable(binary) ? await versionOf(binary) : undefined;
  if (version) return { binary, version, source: "downloaded by the npm package", withLanguageHost: true };
  // A download that was cut leaves a folder that the npm package would take for a whole one.
  rmSync(dirname(dirname(binary)), { recursive: true, force: true });
  return `Pulumi's download failed: ${result.output.split("\n").at(-1)}`;
}

/** @param {string} home */
function downloadedBinary(home) {
  return join(home, "versions", engineVersion, "bin", "pulumi");
}

/**
 * @param {string} binary
 * @returns {Promise<string | undefined>} without a leading v; undefined when it does not run.
 */
export async function versionOf(binary) {
  const { code, output } = await run(binary, ["version"], {
    timeoutMs: VERSION_TIMEOUT_MS,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, PULUMI_SKIP_UPDATE_CHECK: "true" },
  });
  return code === 0 ? /^v?(\d+\.\d+\.\d+\S*)$/m.exec(output)?.[1] : undefined;
}

/**
 * @param {string} version
 * @param {string} wanted
 */
export function isAtLeast(version, wanted) {
  const [have, need] = [version, wanted].map((text) => text.split(/[-+]/)[0]?.split(".").map(Number) ?? []);
  if (!have || !need || have[0] !== need[0]) return false;
  for (const index of [1, 2]) {
    const difference = (have[index] ?? 0) - (need[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  // A pre-release comes before its release.
  return !version.includes("-") || wanted.includes("-");
}

/**
 * Puts a file in place whole or not at all.
 *
 * @param {string} file
 * @param {(draft: string) => void} make
 */
function place(file, make) {
  const draft = `${file}.${process.pid}`;
  rmSync(draft, { force: true });
  make(draft);
  renameSync(draft, file);
  // Renaming one hard link over another of the same file leaves both.
  rmSync(draft, { force: true });
}

/**
 * @param {string} from
 * @param {string} to
 */
function linkOrCopy(from, to) {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}

/** @param {ReturnType<typeof places>} at */
function languageHostScript(at) {
  const main = join(at.root, "infra", "engine", "language-nodejs", "main.ts");
  return `#!/bin/sh\nexec ${shellQuote(at.node)} ${shellQuote(main)} "$@"\n`;
}

/** @param {string} text */
export function shellQuote(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

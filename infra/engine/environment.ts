import { randomBytes } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { isAlive } from "./is-alive.ts";
import { places } from "./places.mjs";

export interface EnvironmentOptions {
  /** What the caller's process has; `process.env` unless a test passes its own. */
  ambient?: NodeJS.ProcessEnv;
  /** Added to the result, and wins over everything; `undefined` removes a variable. */
  env?: NodeJS.ProcessEnv;
  /** Stack of commands that name none. In local mode it is `local` when nothing says otherwise. */
  stack?: string;
  /**
   * State of a local cloud. Given, the result is a local environment whatever backend the caller's names; by default
   * it is `.handrail/local` when the caller's names none. Plugins are shared by all.
   */
  localDir?: string;
}

/** What a running local cloud wrote about itself, as far as the engine and its plugins need it. */
const runningCloud = z.object({
  pid: z.number().int().positive(),
  vercelProxyUrl: z.url(),
  caFile: z.string(),
  vercelToken: z.string(),
  vercelTeamId: z.string(),
});

/**
 * Variables that the engine gets from the caller in local mode, where nothing of a real account may leak in. Against a
 * real backend it gets everything but npm's and the test runner's.
 */
const LOCAL_INHERITED =
  /^(PATH|HOME|USER|LOGNAME|SHELL|TERM|COLORTERM|COLUMNS|LINES|LANG|LANGUAGE|LC_.*|TZ|TMPDIR|CI|NO_COLOR|FORCE_COLOR|XDG_.*|HANDRAIL_.*|PULUMI_(DEBUG|SKIP|EXPERIMENTAL|K8S|OPTION|PARALLEL|STACK).*)$/;
const NEVER_INHERITED = /^(npm_.*|INIT_CWD|NODE_OPTIONS|NODE_PATH|VITEST.*|NODE_ENV)$/i;

/** The secret of local stacks guards nothing but local values; it only has to differ from what anyone else can guess. */
const PASSPHRASE_BYTES = 24;

/** Whether the engine works on a local cloud's state: it is told to, or nobody names a backend of their own. */
export function isLocal({ ambient = process.env, env, localDir }: EnvironmentOptions = {}): boolean {
  if (localDir !== undefined) return true;
  const { PULUMI_BACKEND_URL: backend, PULUMI_ACCESS_TOKEN: token } = { ...ambient, ...env };
  return !backend && !token;
}

/**
 * The environment of the Pulumi engine, and so of the program and the providers that it starts.
 *
 * Without PULUMI_BACKEND_URL and PULUMI_ACCESS_TOKEN it is that of the local cloud: a file backend, a passphrase in a
 * file (the environment holds only its name), a PULUMI_HOME of its own, and, while the local cloud runs, the proxy and
 * the CA by which the Vercel provider reaches it. Otherwise the caller's environment, with this checkout's PULUMI_HOME
 * unless the caller has one.
 *
 * Makes `.handrail/local/{state,pulumi,passphrase}` when they are missing.
 */
export function pulumiEnvironment(options: EnvironmentOptions = {}): Record<string, string> {
  const ambient = options.ambient ?? process.env;
  const at = places();
  const local = isLocal(options);
  const result: NodeJS.ProcessEnv = {
    ...Object.fromEntries(
      Object.entries(ambient).filter(([name]) => !NEVER_INHERITED.test(name) && (!local || LOCAL_INHERITED.test(name))),
    ),
    PATH: [...engineFolders(at), join(at.root, "node_modules", ".bin"), ambient.PATH].filter(Boolean).join(delimiter),
    PULUMI_SKIP_UPDATE_CHECK: "true",
    // Node's fetch passes a proxy by unless it is told; the engine and the Go plugins use it anyway.
    ...(!local && (ambient.HTTPS_PROXY || ambient.https_proxy) && { NODE_USE_ENV_PROXY: "1" }),
    ...(local ? localEnvironment(at, options.localDir ?? at.local) : { PULUMI_HOME: ambient.PULUMI_HOME || at.home }),
    ...(!local && ambient.PULUMI_BACKEND_URL && { PULUMI_BACKEND_URL: withoutSidecars(ambient.PULUMI_BACKEND_URL) }),
    ...(local && { PULUMI_STACK: ambient.PULUMI_STACK || "local" }),
    ...(options.stack !== undefined && { PULUMI_STACK: options.stack }),
    ...options.env,
  };
  return Object.fromEntries(
    Object.entries(result).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** The folder that set-up made and, when `pulumi` in it is a link, the one that its language hosts lie in. */
function engineFolders(at: ReturnType<typeof places>): string[] {
  try {
    return [...new Set([at.engineBin, dirname(realpathSync(at.engine))])];
  } catch {
    return [at.engineBin];
  }
}

function localEnvironment(at: ReturnType<typeof places>, localDir: string): Record<string, string> {
  const state = join(localDir, "state");
  const passphrase = join(localDir, "passphrase");
  mkdirSync(state, { recursive: true });
  mkdirSync(at.localHome, { recursive: true });
  ensurePassphrase(passphrase);
  return {
    PULUMI_HOME: at.localHome,
    PULUMI_BACKEND_URL: withoutSidecars(pathToFileURL(state).href),
    PULUMI_CONFIG_PASSPHRASE_FILE: passphrase,
    // What set-up did not put into this home is not to be had: say so at once instead of trying a download.
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    ...cloudEnvironment(join(localDir, "cloud.json")),
  };
}

/**
 * The URL of a file backend that survives a killed engine.
 *
 * Unless told otherwise, the engine keeps each file's content type and checksum in a `.attrs` file beside it. The file
 * itself comes by a rename, but its `.attrs` is written in place: an engine killed meanwhile leaves it empty, and no
 * command reads the stack any more ("failed to load checkpoint: EOF"; gocloud.dev/blob/fileblob, `setAttrs`).
 *
 * @returns other backends' URLs as they are, and one that says itself what to do with metadata.
 */
function withoutSidecars(url: string): string {
  if (!url.startsWith("file:") || /[?&]metadata=/.test(url)) return url;
  return `${url}${url.includes("?") ? "&" : "?"}metadata=skip`;
}

/** How the Vercel provider, which has no endpoint setting, reaches a local cloud that runs (vercel-provider.md). */
function cloudEnvironment(file: string): Record<string, string> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return {};
  }
  const parsed = runningCloud.safeParse(parseJson(text));
  if (!parsed.success) {
    throw new Error(`${file} does not describe a local cloud (${z.prettifyError(parsed.error)}); delete it`);
  }
  const cloud = parsed.data;
  if (!isAlive(cloud.pid)) return {};
  return {
    HTTPS_PROXY: cloud.vercelProxyUrl,
    NO_PROXY: "127.0.0.1,localhost,::1",
    SSL_CERT_FILE: cloud.caFile,
    VERCEL_API_TOKEN: cloud.vercelToken,
    VERCEL_TEAM: cloud.vercelTeamId,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Makes the passphrase whole or not at all, however many processes come first at once. */
function ensurePassphrase(file: string): void {
  try {
    readFileSync(file);
    return;
  } catch {
    // Not there yet.
  }
  const temporary = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`;
  writeFileSync(temporary, randomBytes(PASSPHRASE_BYTES).toString("base64url"), { mode: 0o600 });
  try {
    linkSync(temporary, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(temporary);
  }
}

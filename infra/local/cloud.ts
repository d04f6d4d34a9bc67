/**
 * The local cloud: Anthropic, the Vercel API with its functions, and Vercel Sandbox with its firewall, on loopback.
 * This file only composes them; each server has its own folder and README.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { acquireLock, type Lock } from "../engine/setup/lock.mjs";
import type { ModelOptions } from "./anthropic/model-brain.ts";
import { startAnthropic } from "./anthropic/server.ts";
import { createAuthority } from "./authority.ts";
import { OriginRegistry } from "./origins.ts";
import { type SandboxApi, startSandboxApi } from "./sandbox/server.ts";
import { startVercelApi } from "./vercel/server.ts";

/** What a program needs to be pointed at the local cloud; `npm run -s local -- --json` prints it. */
export interface LocalEndpoints {
  anthropicBaseUrl: string;
  vercelApiUrl: string;
  /** CONNECT proxy for programs whose Vercel API address is fixed (HTTPS_PROXY, with SSL_CERT_FILE = `caFile`). */
  vercelProxyUrl: string;
  /** PEM file of the authority that signed every certificate of this cloud. */
  caFile: string;
  apiKey: string;
  vercelToken: string;
  vercelTeamId: string;
  vercelProjectId: string;
  /** Stands for `https://vercel.com/api`. */
  sandboxApiUrl: string;
  /** Serves the production deployment. */
  deploymentsUrl: string;
}

export type LogSource = "anthropic" | "vercel" | "function" | "sandbox" | "firewall";

export interface LocalCloudOptions {
  /**
   * Folder for everything that this cloud writes. What an earlier cloud left there is removed, the stack's state
   * included: nothing in it outlives the servers' memory.
   */
  stateDir: string;
  /** Node binary that sandboxes and functions run on. */
  nodeBinary: string;
  /** A real model for agents without a script; without it they repeat what they are told. */
  model?: ModelOptions | undefined;
  /** Called with each line that a part of the cloud logs. */
  onLog?: (source: LogSource, record: Record<string, unknown>) => void;
}

export interface LocalCloud {
  endpoints: LocalEndpoints;
  sandboxes: SandboxApi;
  /** What a host name means to the firewall of this cloud. */
  origins: OriginRegistry;
  /** A certificate for a server of this machine that stands for `hostname`. */
  issue(hostname: string): Promise<{ key: string; cert: string }>;
  close(): Promise<void>;
}

/**
 * Starts every server on ports of the system's choice and writes `<stateDir>/cloud.json`, by which
 * `npm run pulumi` finds them.
 *
 * @throws when another local cloud that still runs has this folder, or it holds what no local cloud has made.
 */
export async function startLocalCloud(o: LocalCloudOptions): Promise<LocalCloud> {
  const lock = await claimFolder(o.stateDir);
  const log =
    (source: LogSource) =>
    (record: Record<string, unknown>): void =>
      o.onLog?.(source, record);
  const authority = await createAuthority();
  const caFile = join(o.stateDir, "ca.pem");
  await writeFile(caFile, authority.caPem);
  const origins = new OriginRegistry();
  const account = {
    apiKey: `sk-ant-api03-local-${randomBytes(24).toString("base64url")}`,
    vercelToken: randomBytes(24).toString("hex").slice(0, 24),
    vercelTeamId: "team_local",
    vercelProjectId: "prj_sandboxes",
  };
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    await rm(join(o.stateDir, "cloud.json"), { force: true });
    for (const end of closers.reverse()) await end();
    lock.release();
  };
  try {
    const anthropic = await startAnthropic({
      apiKey: account.apiKey,
      model: o.model,
      origins,
      tls: await authority.issue(["api.anthropic.com"]),
      log: (message, fields) => log("anthropic")({ message, ...fields }),
    });
    closers.push(anthropic.close);
    origins.set("api.anthropic.com", anthropic.tlsUrl ?? anthropic.url);
    const vercel = await startVercelApi({
      token: account.vercelToken,
      teamId: account.vercelTeamId,
      projectId: account.vercelProjectId,
      authority,
      stateDir: join(o.stateDir, "vercel"),
      nodeBinary: o.nodeBinary,
      functionEnv: { NODE_EXTRA_CA_CERTS: caFile },
      origins,
      log: (source, record) => log(source)(record),
    });
    closers.push(vercel.close);
    const sandboxes = await startSandboxApi({
      checkToken: (token) => token === account.vercelToken || vercel.verifyIdentity(token) !== undefined,
      teamId: account.vercelTeamId,
      projectId: account.vercelProjectId,
      origins,
      authority,
      stateDir: join(o.stateDir, "sandbox"),
      nodeBinary: o.nodeBinary,
      log: (source, record) => log(source)(record),
    });
    closers.push(sandboxes.close);
    const endpoints: LocalEndpoints = {
      anthropicBaseUrl: anthropic.url,
      vercelApiUrl: vercel.url,
      vercelProxyUrl: vercel.proxyUrl,
      caFile,
      ...account,
      sandboxApiUrl: sandboxes.url,
      deploymentsUrl: vercel.deploymentsUrl,
    };
    await writeAtomically(join(o.stateDir, "cloud.json"), JSON.stringify({ pid: process.pid, ...endpoints }, null, 2));
    return { endpoints, sandboxes, origins, issue: (hostname) => authority.issue([hostname]), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Says of a folder that a local cloud has made what is in it, and may remove it. */
const MARK = ".handrail-local-cloud";
const LOCK = "cloud.lock";
/** What set-up and `npm run pulumi` put into the default folder before a cloud has run. */
const OF_THE_ENGINE = new Set(["pulumi", "state", "passphrase"]);

/** Takes a folder for as long as this cloud runs, and empties it. */
async function claimFolder(folder: string): Promise<Lock> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === "EEXIST" ? "it is a file" : (error as Error).message;
    throw new Error(
      `The local cloud cannot keep its state in ${folder}: ${reason}. Name a folder that is new or empty`,
    );
  }
  const lock = await acquireLock(join(folder, LOCK), (pid) => {
    throw new Error(`A local cloud runs already (process ${pid}); end it with Ctrl-C in its terminal or: kill ${pid}`);
  });
  try {
    // A process that finds the lock taken has a draft of its own beside it for a moment.
    const names = (await readdir(folder)).filter((name) => !name.startsWith(LOCK));
    const foreign = names.find((name) => !OF_THE_ENGINE.has(name));
    if (!names.includes(MARK) && foreign !== undefined) {
      throw new Error(
        `The local cloud empties the folder of its state, and ${folder} holds what none has made (${foreign}). ` +
          "Name a folder that is new or empty",
      );
    }
    await writeFile(join(folder, MARK), "The local cloud removes whatever is in this folder when it starts.\n");
    for (const name of names) {
      // Set-up put the plugins there.
      if (name !== "pulumi" && name !== MARK) await rm(join(folder, name), { recursive: true, force: true });
    }
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function writeAtomically(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

/** What the tests of this folder share: an account of their own, and a deployment in one call. */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { createAuthority } from "../authority.ts";
import { startVercelApi, type VercelApi, type VercelApiOptions } from "./server.ts";

export const TOKEN = "localTestToken0123456789abcd";
export const TEAM = "team_local";

export interface LogRecord {
  source: "vercel" | "function";
  record: Record<string, unknown>;
}

/** A JSON answer, looked into by the test that knows its shape. */
// biome-ignore lint/suspicious/noExplicitAny: tests assert on what is in it
type Json = any;

export interface TestAccount extends VercelApi {
  caPem: string;
  stateDir: string;
  logs: LogRecord[];
  /** Calls the API with the token; a body is sent as JSON. */
  call(method: string, path: string, body?: unknown): Promise<{ status: number; json: Json }>;
  /** Uploads files (path below `.vercel/output` → content) and creates a deployment. */
  deploy(project: string, files: Record<string, string>, more?: object): Promise<Json>;
  /** Resolves when a function has printed a line with this text. */
  printed(text: string): Promise<void>;
}

export async function startAccount(options: Partial<VercelApiOptions> = {}): Promise<TestAccount> {
  const stateDir = await mkdtemp(join(tmpdir(), "vercel-"));
  const authority = await createAuthority();
  const logs: LogRecord[] = [];
  const waiting = new Set<() => void>();
  const api = await startVercelApi({
    token: TOKEN,
    teamId: TEAM,
    projectId: "prj_sandboxes",
    authority,
    stateDir,
    log: (source, record) => {
      logs.push({ source, record });
      for (const check of waiting) check();
    },
    ...options,
  });
  onTestFinished(async () => {
    await api.close();
    await rm(stateDir, { recursive: true, force: true });
  });

  const call: TestAccount["call"] = async (method, path, body) => {
    const response = await fetch(api.url + path, {
      method,
      headers: { authorization: `Bearer ${TOKEN}` },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, json: text === "" ? undefined : JSON.parse(text) };
  };
  return {
    ...api,
    caPem: authority.caPem,
    stateDir,
    logs,
    call,
    async deploy(project, files, more) {
      const listed: { file: string; sha: string; size: number }[] = [];
      for (const [path, content] of Object.entries(files)) {
        const sha = createHash("sha1").update(content).digest("hex");
        listed.push({ file: `.vercel/output/${path}`, sha, size: Buffer.byteLength(content) });
        const headers = { authorization: `Bearer ${TOKEN}`, "x-vercel-digest": sha };
        await fetch(`${api.url}/v2/now/files`, { method: "POST", headers, body: content });
      }
      const body = { name: project, project, files: listed, target: "production", ...more };
      const { status, json } = await call("POST", "/v12/now/deployments?skipAutoDetectionConfirmation=1", body);
      if (status !== 200) throw new Error(`deployment refused: ${JSON.stringify(json)}`);
      return json;
    },
    printed(text) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const check = () => {
        if (logs.some(({ source, record }) => source === "function" && String(record.line).includes(text))) resolve();
      };
      waiting.add(check);
      check();
      return promise;
    },
  };
}

/** The files of a Build Output with functions, given as the source of their modules. */
export function output(
  functions: Record<string, string>,
  config: object = {},
  settings: object = {},
): Record<string, string> {
  const files: Record<string, string> = { "config.json": JSON.stringify({ version: 3, ...config }) };
  for (const [name, source] of Object.entries(functions)) {
    files[`functions/${name}.func/index.mjs`] = source;
    files[`functions/${name}.func/.vc-config.json`] = JSON.stringify({
      runtime: "nodejs24.x",
      handler: "index.mjs",
      launcherType: "Nodejs",
      ...settings,
    });
  }
  return files;
}

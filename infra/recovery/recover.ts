/** Recovery as the verbs use it: the engine and the accounts of a stack, unless the caller brings its own. */
import { readFile } from "node:fs/promises";
import { ProxyAgent, fetch as undiciFetch } from "undici";
import { isLocal, pulumiEnvironment } from "../engine/environment.ts";
import { type RunPulumi, runPulumi } from "../engine/pulumi.ts";
import { recoverState, type StateRecoveryOptions } from "./recover-state.ts";
import type { VercelApi } from "./vercel-objects.ts";

export interface RecoveryOptions {
  /** Stack of the default `run`; the environment's unless given. */
  readonly stack?: string;
  /** Gets each line of the result. */
  readonly log?: (line: string) => void;
  /** Runs the engine on the stack. */
  readonly run?: RunPulumi;
  readonly vercel?: StateRecoveryOptions["vercel"];
}

/**
 * Puts a stack in order after an `up` that was killed; to be called before the next one.
 *
 * @returns what was done, in words.
 * @throws when another update is running, or when Vercel or the engine cannot be asked.
 */
export async function recoverPendingOperations(o: RecoveryOptions = {}): Promise<string[]> {
  const run = o.run ?? ((args) => runPulumi(args, o.stack === undefined ? {} : { stack: o.stack }));
  const done = await recoverState({
    run,
    vercel: o.vercel ?? (() => vercelOf(run)),
    locks: isLocal() || process.env.PULUMI_BACKEND_URL?.startsWith("file:") === true,
  });
  for (const line of done) o.log?.(line);
  return done;
}

/** The account of the stack, by the way that the Vercel provider takes: it has no setting for its address either. */
async function vercelOf(run: RunPulumi): Promise<VercelApi> {
  const { HTTPS_PROXY, SSL_CERT_FILE } = pulumiEnvironment();
  const get = async (key: string) => {
    const { code, stdout, stderr } = await run(["config", "get", `handrail:${key}`]);
    if (code !== 0) throw new Error(`the interrupted operations cannot be looked up at Vercel: ${stderr.trim()}`);
    return stdout.trim();
  };
  return {
    baseUrl: "https://api.vercel.com",
    token: await get("vercelToken"),
    teamId: await get("vercelTeamId"),
    fetch: HTTPS_PROXY ? await throughProxy(HTTPS_PROXY, SSL_CERT_FILE) : fetch,
  };
}

/** Node's own fetch knows proxies only when the process was started so. */
async function throughProxy(uri: string, caFile: string | undefined): Promise<typeof fetch> {
  const dispatcher = new ProxyAgent({ uri, ...(caFile && { requestTls: { ca: await readFile(caFile, "utf8") } }) });
  return ((input: string, init: object) => undiciFetch(input, { ...init, dispatcher })) as unknown as typeof fetch;
}

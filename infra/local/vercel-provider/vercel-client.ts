import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { rootCertificates } from "node:tls";
import { Agent, type Dispatcher, EnvHttpProxyAgent, request } from "undici";

/** An answer of the API with a status of 300 or more. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: Record<string, unknown>;

  constructor(status: number, { code, message, ...details }: Record<string, unknown>) {
    super(`${message ?? "the API answered without a message"} (${code ?? "no code"}, ${status})`);
    this.status = status;
    this.code = String(code ?? "");
    this.details = details;
  }
}

export interface CallOptions {
  query?: Record<string, string>;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is. */
  bytes?: Uint8Array;
  headers?: Record<string, string>;
}

/** The plugin's way to the API: fixed addresses, a proxy and a trust store from the environment. */
export interface VercelClient {
  readonly teamId: string | undefined;
  /** @throws ApiError for a status of 300 or more. */
  call<T = Record<string, unknown>>(method: string, path: string, options?: CallOptions): Promise<T>;
  /** GET of one of the addresses beside the API; no authorization goes there. */
  fetchPublic<T>(url: string): Promise<T>;
}

const BASE_URL = "https://api.vercel.com";
const RETRIES_WHEN_LIMITED = 3;
const TIMEOUT_MS = 5 * 60_000;

/**
 * @param env read for HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE, as Go's HTTP client does.
 * @param version reported in the User-Agent.
 */
export function createVercelClient(
  token: string,
  teamId: string | undefined,
  env: NodeJS.ProcessEnv,
  version: string,
): VercelClient {
  const dispatcher = dispatcherFor(env);
  const send = async <T>(url: URL, method: Dispatcher.HttpMethod, options: CallOptions): Promise<T> => {
    const { headers, bytes, body } = options;
    for (let attempt = 0; ; attempt++) {
      const answer = await request(url, {
        dispatcher,
        method,
        headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
        body: bytes ?? (body === undefined ? null : JSON.stringify(body)),
        headersTimeout: TIMEOUT_MS,
        bodyTimeout: TIMEOUT_MS,
      });
      const text = await answer.body.text();
      if (answer.statusCode < 300) return text === "" ? ({} as T) : JSON.parse(text);
      if (answer.statusCode === 429 && attempt < RETRIES_WHEN_LIMITED) {
        await sleep(Number(answer.headers["retry-after"] ?? 1) * 1000);
        continue;
      }
      throw new ApiError(answer.statusCode, errorMembers(text));
    }
  };
  return {
    teamId,
    call(method, path, { query, ...options } = {}) {
      const url = new URL(path, BASE_URL);
      for (const [name, value] of Object.entries({ ...query, ...(teamId && { teamId }) })) {
        url.searchParams.set(name, value);
      }
      const headers = {
        authorization: `Bearer ${token}`,
        "user-agent": `terraform-provider-vercel/${version}`,
        ...options.headers,
      };
      return send(url, method as Dispatcher.HttpMethod, { ...options, headers });
    },
    fetchPublic: (url) => send(new URL(url), "GET", {}),
  };
}

function dispatcherFor(env: NodeJS.ProcessEnv): Dispatcher {
  const extra = env.SSL_CERT_FILE ? readFileSync(env.SSL_CERT_FILE, "utf8") : undefined;
  // Go takes SSL_CERT_FILE instead of the system's own certificates; so does this.
  const tls = { ca: extra === undefined ? [...rootCertificates] : [extra] };
  const httpsProxy = env.HTTPS_PROXY ?? env.https_proxy;
  if (!httpsProxy) return new Agent({ connect: tls });
  return new EnvHttpProxyAgent({
    httpsProxy,
    noProxy: env.NO_PROXY ?? env.no_proxy ?? "",
    connect: tls,
    requestTls: tls,
  });
}

function errorMembers(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text).error ?? {};
  } catch {
    return {};
  }
}

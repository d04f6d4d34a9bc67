/** The HTTP front of all deployments: what Vercel's edge is to a request. */
import { readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { getMimeType } from "hono/utils/mime";
import type { Faults } from "./faults.ts";
import type { FunctionHost } from "./function-host.ts";
import type { IdentityProvider } from "./identity.ts";
import { answerError } from "./platform-error.ts";
import { bypasses, isProtected, type ProtectionAnswer } from "./protection.ts";
import { route } from "./routing.ts";
import type { Deployment, Store } from "./store.ts";

/** Largest request body that a function takes, in bytes. */
const BODY_LIMIT = 4.5 * 1024 * 1024;

export interface FrontOptions {
  store: Store;
  host: FunctionHost;
  identities: IdentityProvider;
  faults: Faults;
  protectionAnswer(): ProtectionAnswer;
}

/** Serves one request: by its Host the deployment, or the youngest production deployment when no name is meant. */
export async function serve(options: FrontOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { store, faults } = options;
  const target = request.url ?? "/";
  const method = request.method ?? "GET";
  const fault = await faults.meet("functions", method, target);
  if (fault?.drop === "request") return void request.socket.destroy();
  if (fault?.status !== undefined) return answerError(response, fault.status, "LOCAL_FAULT");
  if (fault?.drop === "response") cutWhenAnswered(response);

  const hostName = (request.headers.host ?? "").replace(/:\d+$/, "").toLowerCase();
  const named = store.byHost(hostName);
  const fallback = hostName.endsWith(".vercel.app") ? undefined : store.latestProduction();
  const found = named ?? (fallback && { deployment: fallback, productionDomain: true });
  if (!found) return answerError(response, 404, "DEPLOYMENT_NOT_FOUND");

  const { deployment, productionDomain } = found;
  response.setHeader("x-vercel-id", `local1::${crypto.randomUUID()}`);
  const bypass = request.headers["x-vercel-protection-bypass"];
  if (isProtected(deployment, productionDomain) && !bypasses(deployment, String(bypass), target)) {
    return refuse(options.protectionAnswer(), hostName, target, response);
  }
  await answer(options, deployment, request, response);
}

async function answer(
  { host, identities }: FrontOptions,
  deployment: Deployment,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const routed = route(deployment.output, request.method ?? "GET", request.url ?? "/");
  if (routed.kind === "none") return answerError(response, 404, "NOT_FOUND");
  for (const [name, value] of Object.entries(routed.headers)) response.setHeader(name, value);
  if (routed.kind === "status") return void response.writeHead(routed.status).end();
  if (routed.kind === "static") {
    if (!response.hasHeader("content-type")) {
      response.setHeader("content-type", getMimeType(routed.file) ?? "application/octet-stream");
    }
    const body = await readFile(routed.file);
    return void response
      .writeHead(routed.status, { "content-length": body.length })
      .end(request.method === "HEAD" ? undefined : body);
  }

  const body = await readBody(request);
  if (!body) return answerError(response, 413, "FUNCTION_PAYLOAD_TOO_LARGE");
  const { connection: _, "transfer-encoding": __, ...headers } = request.headers;
  const address = request.socket.remoteAddress ?? "127.0.0.1";
  const call = {
    function: routed.name,
    method: request.method ?? "GET",
    target: routed.target,
    headers: {
      ...headers,
      "x-forwarded-for": address,
      "x-real-ip": address,
      "x-forwarded-host": headers.host,
      "x-forwarded-proto": "https",
      "x-vercel-deployment-url": deployment.url,
      "x-vercel-oidc-token": identities.issue(deployment.project, deployment.target ?? "preview"),
    },
    body,
  };
  await host.invoke(deployment, call, response);
}

/** The whole body, or undefined when it is larger than a function takes. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    // Read on to the end, so that the client gets to see the answer; keep nothing.
    if (size <= BODY_LIMIT) chunks.push(chunk);
  }
  return size <= BODY_LIMIT ? Buffer.concat(chunks) : undefined;
}

function refuse(answer: ProtectionAnswer, host: string, target: string, response: ServerResponse): void {
  if (answer === "redirect") {
    const back = encodeURIComponent(`https://${host}${target}`);
    response.writeHead(302, { location: `https://vercel.com/sso-api?url=${back}` }).end();
  } else {
    answerError(response, 401, "AUTHENTICATION_REQUIRED");
  }
}

/** Lets the request have its effect, then cuts the connection instead of answering. */
function cutWhenAnswered(response: ServerResponse): void {
  response.writeHead = () => {
    response.socket?.destroy();
    return response;
  };
}

/**
 * Runs the functions of one deployment: the program of each function process (function-process.ts). It knows nothing
 * until its parent tells it, so the deployment's variables are in no file, argument or readable environment.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { pathToFileURL } from "node:url";
import { getRequestListener } from "@hono/node-server";

/** What the parent sends first. */
export interface LaunchOrder {
  env: Record<string, string>;
  functions: Record<string, { handler: string; environment: Record<string, string> }>;
}

/** What the parent hears: the port once, then each invocation when its response and background work have ended. */
export type LauncherMessage = { type: "listening"; port: number } | { type: "settled"; invocation: string };

/** Headers between parent and launcher; functions do not see them. */
export const FUNCTION_HEADER = "x-local-function";
export const INVOCATION_HEADER = "x-local-invocation";
export const DEADLINE_HEADER = "x-local-deadline";

/** What `@vercel/functions` and `@vercel/oidc` find under `Symbol.for("@vercel/request-context")`. */
interface RequestContext {
  headers: Record<string, string>;
  url: string;
  deadline: number;
  waitUntil(promise: PromiseLike<unknown>): void;
}

type Handler = (request: Request) => Response | Promise<Response>;

const contexts = new AsyncLocalStorage<RequestContext>();
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

function main(): void {
  process.once("message", (order: LaunchOrder) => {
    Object.assign(process.env, order.env);
    Object.assign(globalThis, { [Symbol.for("@vercel/request-context")]: { get: () => contexts.getStore() } });

    const listener = getRequestListener((request) => handle(order, request), { overrideGlobalObjects: false });
    const server = createServer(listener).listen(0, "127.0.0.1", () => {
      tell({ type: "listening", port: (server.address() as AddressInfo).port });
    });
  });
  process.once("disconnect", () => process.exit());
}

async function handle(order: LaunchOrder, incoming: Request): Promise<Response> {
  const headers = new Headers(incoming.headers);
  const take = (name: string): string => {
    const value = headers.get(name) ?? "";
    headers.delete(name);
    return value;
  };
  const name = take(FUNCTION_HEADER);
  const invocation = take(INVOCATION_HEADER);
  const deadline = Number(take(DEADLINE_HEADER));
  const { pathname, search } = new URL(incoming.url);
  const url = `https://${headers.get("x-forwarded-host") ?? headers.get("host")}${pathname}${search}`;
  const request = new Request(url, {
    method: incoming.method,
    headers,
    body: incoming.body,
    ...(incoming.body && { duplex: "half" }),
  });

  const background: PromiseLike<unknown>[] = [];
  const context: RequestContext = {
    headers: Object.fromEntries(headers),
    url,
    deadline,
    waitUntil: (promise) => void background.push(promise),
  };
  try {
    return await contexts.run(context, async () => (await load(order, name, request.method))(request));
  } catch (error) {
    console.error(error);
    return new Response("A server error has occurred\n\nFUNCTION_INVOCATION_FAILED\n", {
      status: 500,
      headers: { "x-vercel-error": "FUNCTION_INVOCATION_FAILED" },
    });
  } finally {
    void settle(background).then(() => tell({ type: "settled", invocation }));
  }
}

/** Waits for background work, also for what that work adds; what fails is logged, as on the platform. */
async function settle(background: PromiseLike<unknown>[]): Promise<void> {
  for (let promise = background.shift(); promise; promise = background.shift()) {
    try {
      await promise;
    } catch (error) {
      console.error(error);
    }
  }
}

/** The Web handler of a function for a method: `export function POST(request)` or `export default { fetch }`. */
async function load(order: LaunchOrder, name: string, method: string): Promise<Handler> {
  const target = order.functions[name];
  if (!target) throw new Error(`this deployment has no function "${name}"`);
  for (const [key, value] of Object.entries(target.environment)) process.env[key] ??= value;
  const module = await import(pathToFileURL(target.handler).href);
  if (typeof module.default?.fetch === "function") return (request) => module.default.fetch(request);
  const handler = module[method] ?? (method === "HEAD" ? module.GET : undefined);
  if (typeof handler === "function") return handler;
  const offered = METHODS.filter((one) => typeof module[one] === "function");
  if (offered.length === 0)
    throw new Error(`"${name}" exports no Web handler: export GET, POST, … or default { fetch }`);
  return () => new Response(null, { status: 405, headers: { allow: offered.join(", ") } });
}

function tell(message: LauncherMessage): void {
  if (process.connected) process.send?.(message);
}

if (process.send) main();

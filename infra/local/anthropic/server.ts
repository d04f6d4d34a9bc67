/** The local Anthropic server: Claude Managed Agents as real, unmodified clients know it. README.md has its doors. */
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import { Agents, agentRoutes } from "./agents.ts";
import { Credentials } from "./auth.ts";
import { Brain } from "./brain.ts";
import { type Clock, createClock, rfc3339 } from "./clock.ts";
import { consoleRoutes, type OriginTable } from "./console.ts";
import { Conversation } from "./conversation.ts";
import { Environments, environmentRoutes } from "./environments.ts";
import { ApiError, badRequest } from "./errors.ts";
import { eventRoutes } from "./events.ts";
import { ALREADY_SENT, Faults, faultMiddleware } from "./faults.ts";
import type { ApiApp, ApiEnv } from "./http.ts";
import { type Ids, randomIds } from "./ids.ts";
import { type Knobs, knobsSchema } from "./knobs.ts";
import { ModelBrain, type ModelOptions } from "./model-brain.ts";
import { describePrincipal, RequestLog } from "./request-log.ts";
import { Sessions, sessionRoutes } from "./sessions.ts";
import { type WebhookEvent, Webhooks } from "./webhooks.ts";
import { workRoutes } from "./work.ts";
import { WorkQueue } from "./work-queue.ts";

/** Where the server reports what it did not expect. Fields never hold a credential. */
export type Log = (message: string, fields?: Record<string, unknown>) => void;

export interface AnthropicOptions {
  /** The workspace's API key: what `ANTHROPIC_API_KEY` would be. */
  apiKey: string;
  /** Filled through `POST /console/origins`. */
  origins: OriginTable;
  /** Also listen with TLS, as PEM. Both listeners serve the same state. */
  tls?: { key: string; cert: string };
  /** The brain of agents that have no script; unless given, they repeat what they are told. */
  model?: ModelOptions | undefined;
  /** Epoch ms. */
  now?: () => number;
  ids?: Ids;
  /** Deviations from the defaults in knobs.ts; `PATCH /console/knobs` changes them later. */
  knobs?: Partial<Knobs>;
  /** What webhooks are sent with. */
  fetch?: typeof fetch;
  log?: Log;
  /** Plain HTTP port; 0, the default, takes a free one. */
  port?: number;
}

export interface AnthropicServer {
  /** `http://127.0.0.1:<port>` */
  url: string;
  /** `https://127.0.0.1:<port>`, when `tls` was given. */
  tlsUrl?: string;
  close(): Promise<void>;
}

const BETA = "managed-agents-2026-04-01";

/** Starts the server on loopback. @throws when the port is taken. */
export async function startAnthropic(o: AnthropicOptions): Promise<AnthropicServer> {
  const clock = createClock(o.now);
  const ids = o.ids ?? randomIds();
  const knobs = knobsSchema.parse(o.knobs ?? {});
  const log = o.log ?? (() => {});
  const requests = new RequestLog();
  const faults = new Faults(ids);
  const auth = new Credentials({ apiKey: o.apiKey, ids, knobs });
  const webhooks = new Webhooks({ clock, ids, knobs, faults, log, fetch: o.fetch ?? fetch });
  const notify = (type: string, id: string) => webhooks.emit(type as WebhookEvent, id);

  const environments = new Environments({ clock, ids, knobs });
  const agents = new Agents({ clock, ids });
  const sessions = new Sessions({ agents, environments, clock, ids });
  const queue = new WorkQueue({ clock, ids, knobs, sessionExists: (id) => sessions.has(id) });
  const brain = new Brain();
  const conversation = new Conversation({
    brain,
    model: o.model && new ModelBrain(o.model),
    clock,
    ids,
    knobs,
    enqueue: (session) => session.selfHosted && queue.enqueueSession(session.environmentId, session.id),
    notify,
  });

  const app: ApiApp = new Hono<ApiEnv>();
  instrument(app, { auth, clock, ids, knobs, log, requests });
  consoleRoutes(app, {
    agents,
    auth,
    brain,
    clock,
    environments,
    faults,
    knobs,
    origins: o.origins,
    queue,
    requests,
    webhooks,
  });
  app.use("/v1/*", faultMiddleware(faults));
  app.use("/v1/*", async (c, next) => {
    if (knobs.requireBetaHeader && !c.req.header("anthropic-beta")?.split(",").includes(BETA)) {
      throw badRequest(`This endpoint needs the header anthropic-beta: ${BETA}`);
    }
    await next();
  });
  const hasLiveSessions = (environmentId: string) =>
    sessions.list().some((session) => session.environmentId === environmentId && session.archivedAt === null);
  environmentRoutes(app, { auth, environments, hasLiveSessions, notify });
  agentRoutes(app, { auth, agents, notify });
  sessionRoutes(app, { auth, sessions, conversation, clock, notify });
  eventRoutes(app, { auth, sessions, conversation, knobs });
  let url = "";
  workRoutes(app, { auth, environments, queue, ids, knobs, baseUrl: () => url });
  elsewhere(app, auth);

  const plain = await listen(createAdaptorServer({ fetch: app.fetch }), o.port ?? 0);
  url = `http://127.0.0.1:${plain.port}`;
  const secure = o.tls
    ? await listen(createAdaptorServer({ fetch: app.fetch, createServer: createTlsServer, serverOptions: o.tls }), 0)
    : undefined;
  return {
    url,
    ...(secure && { tlsUrl: `https://127.0.0.1:${secure.port}` }),
    async close() {
      await Promise.all([plain.close(), secure?.close(), webhooks.close()]);
    },
  };
}

/** Request ids, the request log, credentials, and errors as the API words them: around every route. */
function instrument(
  app: ApiApp,
  o: { auth: Credentials; clock: Clock; ids: Ids; knobs: Knobs; log: Log; requests: RequestLog },
): void {
  const { auth, clock, ids, knobs, log, requests } = o;
  app.use(async (c, next) => {
    const requestId = ids.next("req");
    const principal = auth.identify({
      authorization: c.req.header("authorization"),
      xApiKey: c.req.header("x-api-key"),
    });
    c.set("requestId", requestId);
    c.set("principal", principal);
    await next();
    c.res.headers.set("request-id", requestId);
    c.res.headers.set("anthropic-workspace-id", "wrkspc_01Local");
    if (c.req.path.startsWith("/console/")) return;
    const { incoming } = c.env;
    requests.add({
      at: rfc3339(clock.now()),
      method: c.req.method,
      target: incoming.url ?? "",
      host: c.req.header("host") ?? "",
      status: c.res.headers.has(ALREADY_SENT) ? 0 : c.res.status,
      ...describePrincipal(principal),
      headers: Object.keys(incoming.headers),
      tls: "encrypted" in incoming.socket,
    });
  });

  app.onError((error, c) => {
    const requestId = c.get("requestId");
    let failure = error;
    if (!(failure instanceof ApiError)) {
      log("unexpected error", { requestId, error: error.stack });
      failure = new ApiError(500, "Internal server error");
    }
    const { status, extras } = failure as ApiError;
    const headers = {
      "content-type": "application/json",
      ...(status === 409 && knobs.conflictsAreFinal && { "x-should-retry": "false" }),
      ...extras.headers,
    };
    return new Response(JSON.stringify((failure as ApiError).toBody(requestId)), { status, headers });
  });
}

/** What the real API has and this server does not: the credential is judged all the same. */
function elsewhere(app: ApiApp, auth: Credentials): void {
  app.all("/v1/skills/*", (c) => {
    auth.authorize(c.var.principal, ["apiKey", "environmentKey"]);
    throw new ApiError(404, "Skill not found: this local server has no skills");
  });
  app.all("/v1/memory_stores/*", (c) => {
    auth.authorize(c.var.principal, ["apiKey", "sessionsToken"]);
    throw new ApiError(404, "Memory store not found: this local server has no memory stores");
  });
  app.all("/v1/*", (c) => {
    auth.authorize(c.var.principal, ["apiKey"]);
    throw new ApiError(404, `Not found: this local server does not serve ${c.req.method} ${c.req.path}`);
  });
  app.notFound(() => {
    throw new ApiError(404, "Not found");
  });
}

async function listen(server: ReturnType<typeof createAdaptorServer>, port: number) {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve());
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        // Open event streams would keep the server alive for ever.
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Sessions: store and routes, events apart (`contracts` §2.2). */
import { z } from "zod";
import { mcpServersSchema, resolveTools, toolsSchema } from "./agent-definition.ts";
import type { Agents } from "./agents.ts";
import type { Credentials } from "./auth.ts";
import type { Clock } from "./clock.ts";
import type { Conversation } from "./conversation.ts";
import type { Environments } from "./environments.ts";
import { badRequest, notFound } from "./errors.ts";
import { EventLog } from "./event-log.ts";
import { initialEvents } from "./event-params.ts";
import { type ApiApp, readBody, readQuery } from "./http.ts";
import type { Ids } from "./ids.ts";
import { mergeMetadata, metadataPatchSchema, metadataSchema } from "./metadata.ts";
import { orderQuery, pageQuery, paginate } from "./paging.ts";
import { type Session, sessionToJson } from "./session.ts";

const budgetSchema = z.strictObject({
  type: z.literal("limit"),
  max_list_cost: z.strictObject({ amount: z.string().regex(/^\d+$/), currency: z.literal("USD") }),
});
const createBody = z.strictObject({
  agent: z.union([
    z.string().min(1),
    z.strictObject({ type: z.literal("agent"), id: z.string(), version: z.number().int().positive().optional() }),
    z.strictObject({
      type: z.literal("agent_with_overrides"),
      id: z.string(),
      version: z.number().int().positive().optional(),
      system: z.string().max(100_000).nullish(),
      tools: toolsSchema.optional(),
    }),
  ]),
  environment_id: z.string().min(1),
  title: z.string().nullish(),
  metadata: metadataSchema.optional(),
  initial_events: initialEvents.optional(),
  resources: z.array(z.looseObject({ type: z.string() })).optional(),
  vault_ids: z.array(z.string()).optional(),
  budget: budgetSchema.optional(),
});
const updateBody = z.strictObject({
  title: z.string().nullish(),
  metadata: metadataPatchSchema.nullish(),
  budget: budgetSchema.nullish(),
  agent: z.strictObject({ tools: toolsSchema.optional(), mcp_servers: mcpServersSchema.optional() }).optional(),
});

const timestamp = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const listQuery = z.strictObject({
  ...pageQuery,
  order: orderQuery.default("desc"),
  agent_id: z.string().optional(),
  agent_version: z.coerce.number().int().optional(),
  deployment_id: z.string().optional(),
  memory_store_id: z.string().optional(),
  include_archived: z.stringbool().default(false),
  statuses: z.array(z.enum(["idle", "running", "rescheduling", "terminated"])).optional(),
  "created_at[gt]": timestamp.default(Number.NEGATIVE_INFINITY),
  "created_at[gte]": timestamp.default(Number.NEGATIVE_INFINITY),
  "created_at[lt]": timestamp.default(Number.POSITIVE_INFINITY),
  "created_at[lte]": timestamp.default(Number.POSITIVE_INFINITY),
});

export interface SessionsDeps {
  agents: Agents;
  environments: Environments;
  clock: Clock;
  ids: Ids;
}

export class Sessions {
  readonly #all = new Map<string, Session>();
  readonly #deps: SessionsDeps;
  #seq = 0;

  constructor(deps: SessionsDeps) {
    this.#deps = deps;
  }

  /** @throws ApiError 404 */
  get(id: string): Session {
    const session = this.#all.get(id);
    if (!session) throw notFound(`Session ${id}`);
    return session;
  }

  has(id: string): boolean {
    return this.#all.has(id);
  }

  list(): Session[] {
    return [...this.#all.values()];
  }

  /** An idle session without events. @throws ApiError 400 or 404 about its agent or environment */
  create(body: z.infer<typeof createBody>): Session {
    const environment = this.#deps.environments.get(body.environment_id);
    if (environment.archivedAt !== null) {
      throw badRequest(`Environment ${environment.id} is archived; sessions need another one`, "environment_archived");
    }
    const selfHosted = environment.config.type === "self_hosted";
    if (selfHosted && body.resources && body.resources.length > 0) {
      throw badRequest(
        `Environment ${environment.id} is a self-hosted environment. \`resources\` are not supported with self-hosted environments.`,
      );
    }
    const ref = typeof body.agent === "string" ? { type: "agent" as const, id: body.agent } : body.agent;
    if (this.#deps.agents.get(ref.id).archivedAt !== null) throw badRequest(`Agent ${ref.id} is archived`);
    const agent = this.#deps.agents.snapshot(ref.id, ref.version);
    if (ref.type === "agent_with_overrides") {
      if (ref.system !== undefined) agent.system = ref.system;
      if (ref.tools) agent.tools = resolveTools(ref.tools, agent.mcp_servers);
    }
    const now = this.#deps.clock.now();
    const session: Session = {
      seq: ++this.#seq,
      id: this.#deps.ids.next("sesn"),
      agent,
      environmentId: environment.id,
      selfHosted,
      title: body.title ?? null,
      metadata: mergeMetadata({}, body.metadata ?? {}),
      vaultIds: body.vault_ids ?? [],
      budget: body.budget ?? null,
      status: "idle",
      createdAt: now,
      updatedAt: now,
      archivedAt: null,
      usage: { input_tokens: 0, output_tokens: 0 },
      log: new EventLog(),
      pending: new Map(),
      closed: new Map(),
      inbox: [],
      playback: null,
      lastMessage: "",
      generation: 0,
    };
    this.#all.set(session.id, session);
    return session;
  }

  /** @throws ApiError 400 when tools change while the session is not idle */
  update(session: Session, body: z.infer<typeof updateBody>): void {
    if (session.archivedAt !== null) throw badRequest(`Session ${session.id} is archived and cannot be updated`);
    if (body.agent && session.status !== "idle")
      throw badRequest("agent: can only be changed while the session is idle");
    const metadata = mergeMetadata(session.metadata, body.metadata ?? {});
    if (body.agent) {
      const mcp_servers = body.agent.mcp_servers ?? session.agent.mcp_servers;
      const tools = body.agent.tools ? resolveTools(body.agent.tools, mcp_servers) : session.agent.tools;
      session.agent = { ...session.agent, mcp_servers, tools };
    }
    session.metadata = metadata;
    if (body.title !== undefined) session.title = body.title;
    if (body.budget !== undefined) session.budget = body.budget;
    session.updatedAt = this.#deps.clock.now();
  }

  delete(session: Session): void {
    this.#all.delete(session.id);
  }
}

export interface SessionRoutesDeps {
  auth: Credentials;
  sessions: Sessions;
  conversation: Conversation;
  clock: Clock;
  notify(type: string, sessionId: string): void;
}

export function sessionRoutes(app: ApiApp, deps: SessionRoutesDeps): void {
  const { auth, sessions, conversation, clock, notify } = deps;

  const refuseRunning = (session: Session, verb: string) => {
    if (session.status === "running") {
      throw badRequest(`Session ${session.id} is running and cannot be ${verb}; send a user.interrupt first`);
    }
  };

  app.post("/v1/sessions", async (c) => {
    auth.authorize(c.var.principal, ["apiKey"]);
    const body = await readBody(c, createBody);
    const session = sessions.create(body);
    notify("session.created", session.id);
    if (body.initial_events?.length) conversation.receive(session, body.initial_events);
    return c.json(sessionToJson(session));
  });

  app.get("/v1/sessions", (c) => {
    auth.authorize(c.var.principal, ["apiKey"]);
    const query = readQuery(c, listQuery);
    const found = sessions
      .list()
      .filter((session) => query.include_archived || session.archivedAt === null)
      .filter((session) => query.agent_id === undefined || session.agent.id === query.agent_id)
      .filter((session) => query.agent_version === undefined || session.agent.version === query.agent_version)
      .filter((session) => query.statuses?.includes(session.status) ?? true)
      // Nothing here has a deployment or a memory store.
      .filter(() => query.deployment_id === undefined && query.memory_store_id === undefined)
      .filter(({ createdAt }) => createdAt > query["created_at[gt]"] && createdAt >= query["created_at[gte]"])
      .filter(({ createdAt }) => createdAt < query["created_at[lt]"] && createdAt <= query["created_at[lte]"]);
    const page = paginate(found, query, { order: query.order });
    return c.json({ ...page, data: page.data.map(sessionToJson) });
  });

  app.get("/v1/sessions/:id", (c) => {
    auth.authorize(c.var.principal, ["apiKey", "environmentKey", "sessionsToken"]);
    const session = sessions.get(c.req.param("id"));
    auth.authorize(c.var.principal, ["apiKey", "environmentKey", "sessionsToken"], {
      environmentId: session.environmentId,
      sessionId: session.id,
    });
    return c.json(sessionToJson(session));
  });

  app.post("/v1/sessions/:id", async (c) => {
    auth.authorize(c.var.principal, ["apiKey"]);
    const session = sessions.get(c.req.param("id"));
    sessions.update(session, await readBody(c, updateBody));
    conversation.emit(session, { type: "session.updated", title: session.title, metadata: session.metadata });
    notify("session.updated", session.id);
    return c.json(sessionToJson(session));
  });

  app.post("/v1/sessions/:id/archive", (c) => {
    auth.authorize(c.var.principal, ["apiKey"]);
    const session = sessions.get(c.req.param("id"));
    refuseRunning(session, "archived");
    if (session.archivedAt === null) {
      session.archivedAt = clock.now();
      conversation.terminate(session);
      notify("session.archived", session.id);
    }
    return c.json(sessionToJson(session));
  });

  app.delete("/v1/sessions/:id", (c) => {
    auth.authorize(c.var.principal, ["apiKey"]);
    const session = sessions.get(c.req.param("id"));
    refuseRunning(session, "deleted");
    session.generation += 1;
    conversation.emit(session, { type: "session.deleted" });
    sessions.delete(session);
    session.log.close();
    notify("session.deleted", session.id);
    return c.json({ id: session.id, type: "session_deleted" });
  });
}

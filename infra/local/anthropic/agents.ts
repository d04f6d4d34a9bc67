/** Agents and their versions: store and routes (`contracts` §8). */
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { type AgentSnapshot, type Definition, definitionFields, resolveDefinition } from "./agent-definition.ts";
import type { Credentials } from "./auth.ts";
import { type Clock, rfc3339 } from "./clock.ts";
import { badRequest, conflict, notFound } from "./errors.ts";
import { type ApiApp, readBody, readQuery } from "./http.ts";
import type { Ids } from "./ids.ts";
import { type Metadata, mergeMetadata, metadataPatchSchema, metadataSchema } from "./metadata.ts";
import { type Positioned, pageQuery, paginate } from "./paging.ts";

const createBody = z.strictObject({ ...definitionFields, metadata: metadataSchema.optional() });
const updateBody = z.strictObject({
  ...definitionFields,
  name: definitionFields.name.optional(),
  model: definitionFields.model.optional(),
  metadata: metadataPatchSchema.nullish(),
  version: z.number().int().positive().optional(),
});
const timestamp = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const listQuery = z.strictObject({
  ...pageQuery,
  include_archived: z.stringbool().optional(),
  "created_at[gte]": timestamp.optional(),
  "created_at[lte]": timestamp.optional(),
});
const retrieveQuery = z.strictObject({ version: z.coerce.number().int().positive().optional() });

interface AgentVersion extends Positioned {
  definition: Definition;
  metadata: Metadata;
  updatedAt: number;
}

interface Agent extends Positioned {
  id: string;
  createdAt: number;
  archivedAt: number | null;
  /** Oldest first; `seq` is the version number. */
  versions: AgentVersion[];
}

const latest = (agent: Agent) => agent.versions.at(-1) as AgentVersion;

function toJson(agent: Agent, version = latest(agent)) {
  return {
    id: agent.id,
    type: "agent",
    version: version.seq,
    ...version.definition,
    metadata: version.metadata,
    created_at: rfc3339(agent.createdAt),
    updated_at: rfc3339(version.updatedAt),
    archived_at: agent.archivedAt === null ? null : rfc3339(agent.archivedAt),
  };
}

export class Agents {
  readonly #all = new Map<string, Agent>();
  readonly #deps: { clock: Clock; ids: Ids };
  #seq = 0;

  constructor(deps: { clock: Clock; ids: Ids }) {
    this.#deps = deps;
  }

  /** @throws ApiError 404 */
  get(id: string): Agent {
    const agent = this.#all.get(id);
    if (!agent) throw notFound(`Agent ${id}`);
    return agent;
  }

  /** What a session keeps. @throws ApiError 404 when agent or version do not exist */
  snapshot(id: string, version?: number): AgentSnapshot {
    const agent = this.get(id);
    const found = this.version(agent, version);
    return { id, type: "agent", version: found.seq, ...found.definition };
  }

  version(agent: Agent, version?: number): AgentVersion {
    const found = version === undefined ? latest(agent) : agent.versions[version - 1];
    if (!found) throw notFound(`Agent ${agent.id} version ${version}`);
    return found;
  }

  create(body: z.infer<typeof createBody>): Agent {
    const now = this.#deps.clock.now();
    const agent: Agent = {
      seq: ++this.#seq,
      id: this.#deps.ids.next("agent"),
      createdAt: now,
      archivedAt: null,
      versions: [
        {
          seq: 1,
          definition: resolveDefinition(body),
          metadata: mergeMetadata({}, body.metadata ?? {}),
          updatedAt: now,
        },
      ],
    };
    this.#all.set(agent.id, agent);
    return agent;
  }

  /**
   * Makes a new version, unless nothing changes.
   *
   * @returns whether something changed.
   * @throws ApiError 409 when `version` is given and is not the current one, even if nothing would change.
   */
  update(agent: Agent, { version, metadata, ...patch }: z.infer<typeof updateBody>): boolean {
    if (agent.archivedAt !== null) throw badRequest(`Agent ${agent.id} is archived and cannot be updated`);
    const current = latest(agent);
    if (version !== undefined && version !== current.seq) {
      throw conflict(`Agent ${agent.id} is at version ${current.seq}, not ${version}; read it again and retry`);
    }
    const definition = resolveDefinition(patch, current.definition);
    const merged = mergeMetadata(current.metadata, metadata ?? {});
    if (isDeepStrictEqual([definition, merged], [current.definition, current.metadata])) return false;
    agent.versions.push({ seq: current.seq + 1, definition, metadata: merged, updatedAt: this.#deps.clock.now() });
    return true;
  }

  archive(agent: Agent): void {
    agent.archivedAt ??= this.#deps.clock.now();
  }

  list(): Agent[] {
    return [...this.#all.values()];
  }
}

export function agentRoutes(
  app: ApiApp,
  { auth, agents, notify }: { auth: Credentials; agents: Agents; notify(type: string, agentId: string): void },
): void {
  app.post("/v1/agents", async (c) => {
    auth.authorize(c.var.principal, ["apiKey"]);
    const agent = agents.create(await readBody(c, createBody));
    notify("agent.created", agent.id);
    return c.json(toJson(agent));
  });

  app.get("/v1/agents", (c) => {
    auth.authorize(c.var.principal, ["apiKey"]);
    const query = readQuery(c, listQuery);
    const found = agents
      .list()
      .filter((agent) => query.include_archived || agent.archivedAt === null)
      .filter((agent) => agent.createdAt >= (query["created_at[gte]"] ?? 0))
      .filter((agent) => agent.createdAt <= (query["created_at[lte]"] ?? Number.POSITIVE_INFINITY));
    const { data, next_page } = paginate(found, query);
    return c.json({ data: data.map((agent) => toJson(agent)), next_page });
  });

  app.get("/v1/agents/:id", (c) => {
    auth.authorize(c.var.principal, ["apiKey"]);
    const agent = agents.get(c.req.param("id"));
    return c.json(toJson(agent, agents.version(agent, readQuery(c, retrieveQuery).version)));
  });

  app.post("/v1/agents/:id", async (c) => {
    auth.authorize(c.var.principal, ["apiKey"]);
    const agent = agents.get(c.req.param("id"));
    if (agents.update(agent, await readBody(c, updateBody))) notify("agent.updated", agent.id);
    return c.json(toJson(agent));
  });

  app.post("/v1/agents/:id/archive", (c) => {
    auth.authorize(c.var.principal, ["apiKey"]);
    const agent = agents.get(c.req.param("id"));
    agents.archive(agent);
    notify("agent.archived", agent.id);
    return c.json(toJson(agent));
  });

  app.get("/v1/agents/:id/versions", (c) => {
    auth.authorize(c.var.principal, ["apiKey"]);
    const agent = agents.get(c.req.param("id"));
    const { data, next_page } = paginate(agent.versions, readQuery(c, z.strictObject(pageQuery)), { order: "desc" });
    return c.json({ data: data.map((version) => toJson(agent, version)), next_page });
  });
}

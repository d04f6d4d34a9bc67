/** Environments: store and routes (`contracts` §2.1). */
import { z } from "zod";
import type { Credentials } from "./auth.ts";
import { type Clock, rfc3339 } from "./clock.ts";
import { badRequest, conflict, notFound } from "./errors.ts";
import { type ApiApp, readBody, readQuery } from "./http.ts";
import type { Ids } from "./ids.ts";
import type { Knobs } from "./knobs.ts";
import { type Metadata, mergeMetadata, metadataPatchSchema, metadataSchema } from "./metadata.ts";
import { type Positioned, pageQuery, paginate } from "./paging.ts";

const configSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("self_hosted") }),
  z.strictObject({
    type: z.literal("cloud"),
    networking: z.looseObject({ type: z.enum(["unrestricted", "limited"]) }).nullish(),
    packages: z.record(z.string(), z.unknown()).nullish(),
  }),
]);
type Config = z.infer<typeof configSchema>;

const nameSchema = z.string().min(1).max(256);
const common = {
  config: configSchema.nullish(),
  description: z.string().nullish(),
  scope: z.enum(["organization", "account"]).nullish(),
};
const createBody = z.strictObject({ ...common, name: nameSchema, metadata: metadataSchema.optional() });
const updateBody = z.strictObject({ ...common, name: nameSchema.nullish(), metadata: metadataPatchSchema.optional() });
const listQuery = z.strictObject({ ...pageQuery, include_archived: z.stringbool().optional() });

export interface Environment extends Positioned {
  id: string;
  name: string;
  description: string | null;
  config: Config;
  metadata: Metadata;
  createdAt: number;
  updatedAt: number;
  archivedAt: number | null;
}

const toJson = (environment: Environment) => ({
  id: environment.id,
  type: "environment",
  name: environment.name,
  description: environment.description,
  config: environment.config,
  metadata: environment.metadata,
  scope: "organization",
  created_at: rfc3339(environment.createdAt),
  updated_at: rfc3339(environment.updatedAt),
  archived_at: environment.archivedAt === null ? null : rfc3339(environment.archivedAt),
});

const fullConfig = (config: Config | null | undefined): Config =>
  config?.type === "self_hosted"
    ? config
    : {
        type: "cloud",
        networking: config?.networking ?? { type: "unrestricted" },
        packages: config?.packages ?? { type: "packages", apt: [], cargo: [], gem: [], go: [], npm: [], pip: [] },
      };

export class Environments {
  readonly #all = new Map<string, Environment>();
  readonly #deps: { clock: Clock; ids: Ids; knobs: Knobs };
  #seq = 0;

  constructor(deps: { clock: Clock; ids: Ids; knobs: Knobs }) {
    this.#deps = deps;
  }

  /** @throws ApiError 404 `environment_not_found` */
  get(id: string): Environment {
    const environment = this.#all.get(id);
    if (!environment) throw notFound(`Environment ${id}`, "environment_not_found");
    return environment;
  }

  create(body: z.infer<typeof createBody>): Environment {
    this.#claimName(body.name);
    if (body.scope === "account") throw badRequest("scope: API organizations only have scope `organization`");
    const now = this.#deps.clock.now();
    const environment: Environment = {
      seq: ++this.#seq,
      id: this.#deps.ids.next("env"),
      name: body.name,
      description: body.description ?? null,
      config: fullConfig(body.config),
      metadata: mergeMetadata({}, body.metadata ?? {}),
      createdAt: now,
      updatedAt: now,
      archivedAt: null,
    };
    this.#all.set(environment.id, environment);
    return environment;
  }

  /** Absent keeps, a null description clears, metadata is merged. */
  update(id: string, body: z.infer<typeof updateBody>): Environment {
    const environment = this.get(id);
    if (environment.archivedAt !== null) throw badRequest(`Environment ${id} is archived`, "environment_archived");
    if (body.config && body.config.type !== environment.config.type) {
      throw badRequest(
        `config.type: an environment stays ${environment.config.type}; create another one`,
        "invalid_config_type_change",
      );
    }
    const metadata = mergeMetadata(environment.metadata, body.metadata ?? {}, true);
    if (body.name != null && body.name !== environment.name) this.#claimName(body.name);
    environment.name = body.name ?? environment.name;
    if (body.description !== undefined) environment.description = body.description;
    if (body.config) environment.config = fullConfig(body.config);
    environment.metadata = metadata;
    environment.updatedAt = this.#deps.clock.now();
    return environment;
  }

  /** Final: no updates and no new sessions any more. Archiving twice changes nothing. */
  archive(id: string): Environment {
    const environment = this.get(id);
    if (environment.archivedAt === null) {
      environment.archivedAt = environment.updatedAt = this.#deps.clock.now();
    }
    return environment;
  }

  delete(id: string): void {
    this.#all.delete(this.get(id).id);
  }

  list(includeArchived: boolean): Environment[] {
    return [...this.#all.values()].filter((environment) => includeArchived || environment.archivedAt === null);
  }

  #claimName(name: string): void {
    if (!this.#deps.knobs.uniqueEnvironmentNames) return;
    if (this.list(false).some((environment) => environment.name === name)) {
      throw conflict(`An environment named "${name}" already exists`);
    }
  }
}

export interface EnvironmentRoutesDeps {
  auth: Credentials;
  environments: Environments;
  /** Whether sessions that have not ended use the environment. */
  hasLiveSessions(environmentId: string): boolean;
  notify(type: string, environmentId: string): void;
}

export function environmentRoutes(app: ApiApp, deps: EnvironmentRoutesDeps): void {
  const { auth, environments, notify } = deps;

  app.post("/v1/environments", async (c) => {
    auth.authorize(c.var.principal, ["apiKey"]);
    const environment = environments.create(await readBody(c, createBody));
    notify("environment.created", environment.id);
    return c.json(toJson(environment));
  });

  app.get("/v1/environments", (c) => {
    auth.authorize(c.var.principal, ["apiKey"]);
    const query = readQuery(c, listQuery);
    const { data, next_page } = paginate(environments.list(query.include_archived ?? false), query);
    return c.json({ data: data.map(toJson), next_page });
  });

  app.get("/v1/environments/:id", (c) => {
    auth.authorize(c.var.principal, ["apiKey"]);
    return c.json(toJson(environments.get(c.req.param("id"))));
  });

  app.post("/v1/environments/:id", async (c) => {
    auth.authorize(c.var.principal, ["apiKey"]);
    const environment = environments.update(c.req.param("id"), await readBody(c, updateBody));
    notify("environment.updated", environment.id);
    return c.json(toJson(environment));
  });

  app.post("/v1/environments/:id/archive", (c) => {
    auth.authorize(c.var.principal, ["apiKey"]);
    const environment = environments.archive(c.req.param("id"));
    notify("environment.archived", environment.id);
    return c.json(toJson(environment));
  });

  app.delete("/v1/environments/:id", (c) => {
    auth.authorize(c.var.principal, ["apiKey"]);
    const { id } = environments.get(c.req.param("id"));
    if (deps.hasLiveSessions(id)) throw conflict(`Environment ${id} has sessions; archive it instead of deleting it`);
    environments.delete(id);
    notify("environment.deleted", id);
    return c.json({ id, type: "environment_deleted" });
  });
}

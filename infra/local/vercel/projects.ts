import type { Hono } from "hono";
import { z } from "zod";
import { badRequest, VercelError } from "./http-error.ts";
import { readJson } from "./read-json.ts";
import { newId, type Project, type Store } from "./store.ts";

/** Settings of a project that nobody touched. The booleans must be there: the plugin panics or plans changes without. */
const DEFAULTS = {
  autoAssignCustomDomains: true,
  autoExposeSystemEnvs: true,
  buildCommand: null,
  commandForIgnoringBuildStep: null,
  customerSupportCodeVisibility: false,
  devCommand: null,
  directoryListing: false,
  enableAffectedProjectsDeployments: false,
  framework: null,
  gitForkProtection: true,
  gitLFS: false,
  installCommand: null,
  nodeVersion: "24.x",
  oidcTokenConfig: { enabled: true, issuerMode: "team" },
  outputDirectory: null,
  previewDeploymentsDisabled: false,
  productionDeploymentsFastLane: false,
  protectedSourcemaps: false,
  publicSource: null,
  rootDirectory: null,
  serverlessFunctionZeroConfigFailover: false,
  skewProtectionMaxAge: 0,
  ssoProtection: { deploymentType: "all_except_custom_domains" },
};

/** Members of a project that only the server sets, or that have endpoints of their own. */
const NOT_SETTINGS = ["id", "accountId", "name", "createdAt", "updatedAt", "env", "protectionBypass", "crons"];

const NAME = z
  .string()
  .max(100)
  .regex(/^[a-z0-9](?:[a-z0-9._-]*[a-z0-9_])?$/, "must be lower-case letters, digits, '.', '_' and '-'")
  .refine((name) => !name.includes("---"), "must not contain '---'");

const settings = z.looseObject({
  autoExposeSystemEnvs: z.boolean().nullish(),
  ssoProtection: z
    .object({
      deploymentType: z.enum([
        "all",
        "preview",
        "production",
        "prod_deployment_urls_and_all_previews",
        "all_except_custom_domains",
      ]),
    })
    .nullish(),
  // A repository would make Vercel build: the local cloud only runs what was built before.
  gitRepository: z.null("linking a Git repository is not part of the local cloud; deploy prebuilt output").optional(),
  environmentVariables: z.array(z.unknown()).max(0, "give environment variables as resources of their own").nullish(),
});

export interface ProjectRoutes {
  store: Store;
  teamId: string;
  now: () => number;
  /** Ends whatever runs for the project and forgets its deployments. */
  onDelete(project: Project): Promise<void>;
}

export function createProject(
  store: Store,
  now: number,
  name: string,
  wanted: object = {},
  id = newId("prj_"),
): Project {
  if ([...store.projects.values()].some((project) => project.name === name)) {
    throw new VercelError(409, "conflict", `Project "${name}" already exists, please use a new name.`);
  }
  const project: Project = {
    id,
    name,
    createdAt: now,
    updatedAt: now,
    settings: { ...DEFAULTS, ...withoutServerMembers(wanted) },
    env: [],
    domains: [],
    protectionBypass: new Map(),
    cronsDisabledAt: null,
    production: null,
  };
  store.projects.set(id, project);
  return project;
}

/** `/projects` and `/projects/{idOrName}` in the shapes of v8 to v10, with `protection-bypass` and `crons`. */
export function projectRoutes(app: Hono, { store, teamId, now, onDelete }: ProjectRoutes): void {
  const shape = (project: Project) => ({
    id: project.id,
    accountId: teamId,
    name: project.name,
    createdAt: project.createdAt,
    updatedAt: project.updatedAt,
    ...project.settings,
    crons: { enabledAt: project.createdAt, disabledAt: project.cronsDisabledAt, definitions: crons(project) },
    protectionBypass: Object.fromEntries(project.protectionBypass),
    targets: project.production
      ? { production: { id: project.production.id, url: project.production.url, readyState: "READY" } }
      : {},
  });

  app.get("/:v{v[0-9]+}/projects", (c) => {
    const search = c.req.query("search") ?? "";
    const projects = [...store.projects.values()].filter((project) => project.name.includes(search)).map(shape);
    return c.json({ projects, pagination: { count: projects.length, next: null, prev: null } });
  });

  app.post("/:v{v[0-9]+}/projects", async (c) => {
    const { name, ...wanted } = await readJson(c, settings.extend({ name: NAME }));
    return c.json(shape(createProject(store, now(), name, wanted)));
  });

  app.get("/:v{v[0-9]+}/projects/:project", (c) => c.json(shape(store.project(c.req.param("project")))));

  app.patch("/:v{v[0-9]+}/projects/:project", async (c) => {
    const project = store.project(c.req.param("project"));
    const { name, ...wanted } = await readJson(c, settings.extend({ name: NAME.optional() }));
    if (name !== undefined && name !== project.name) {
      if ([...store.projects.values()].some((other) => other.name === name)) {
        throw new VercelError(409, "conflict", `Project "${name}" already exists, please use a new name.`);
      }
      project.name = name;
    }
    project.settings = { ...project.settings, ...withoutServerMembers(wanted) };
    project.updatedAt = now();
    return c.json(shape(project));
  });

  app.delete("/:v{v[0-9]+}/projects/:project", async (c) => {
    const project = store.project(c.req.param("project"));
    store.projects.delete(project.id);
    await onDelete(project);
    return c.body(null, 204);
  });

  app.patch("/:v{v[0-9]+}/projects/:project/crons", async (c) => {
    const project = store.project(c.req.param("project"));
    const { enabled } = await readJson(c, z.object({ enabled: z.boolean() }));
    project.cronsDisabledAt = enabled ? null : now();
    return c.json(shape(project));
  });

  app.patch("/:v{v[0-9]+}/projects/:project/protection-bypass", async (c) => {
    const project = store.project(c.req.param("project"));
    changeBypass(project, await readJson(c, bypassChange), now());
    return c.json({ protectionBypass: Object.fromEntries(project.protectionBypass) });
  });
}

const SECRET = z.string().regex(/^[A-Za-z0-9]{32}$/, "must be 32 letters and digits");
const bypassChange = z.object({
  generate: z.object({ secret: SECRET.optional(), note: z.string().max(100).optional() }).optional(),
  update: z
    .object({ secret: SECRET, isEnvVar: z.boolean().optional(), note: z.string().max(100).optional() })
    .optional(),
  revoke: z.object({ secret: SECRET, regenerate: z.boolean() }).optional(),
});

function changeBypass(project: Project, change: z.infer<typeof bypassChange>, now: number): void {
  const bypasses = project.protectionBypass;
  const generate = (secret = newSecret(), note?: string) =>
    bypasses.set(secret, {
      createdAt: now,
      createdBy: "local",
      scope: "automation-bypass",
      // Exactly one is what deployments see as VERCEL_AUTOMATION_BYPASS_SECRET; the first becomes it by itself.
      isEnvVar: ![...bypasses.values()].some((other) => other.isEnvVar),
      ...(note !== undefined && { note }),
    });
  const existing = (secret: string) => {
    const bypass = bypasses.get(secret);
    if (!bypass) throw badRequest("The project has no such protection bypass.");
    return bypass;
  };

  if (change.revoke) {
    const { note } = existing(change.revoke.secret);
    bypasses.delete(change.revoke.secret);
    if (change.revoke.regenerate) generate(undefined, note);
  }
  if (change.generate) generate(change.generate.secret, change.generate.note);
  if (change.update) {
    const bypass = existing(change.update.secret);
    if (change.update.isEnvVar) for (const other of bypasses.values()) other.isEnvVar = false;
    bypass.isEnvVar = change.update.isEnvVar ?? bypass.isEnvVar;
    if (change.update.note !== undefined) bypass.note = change.update.note;
  }
}

function newSecret(): string {
  return (newId("") + newId("")).slice(0, 32);
}

function crons(project: Project) {
  return (project.production?.output.config.crons ?? []).map((cron) => ({
    host: `${project.name}.vercel.app`,
    ...cron,
  }));
}

function withoutServerMembers(wanted: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(wanted).filter(([key]) => !NOT_SETTINGS.includes(key)));
}

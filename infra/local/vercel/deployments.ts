import { mkdir, rm } from "node:fs/promises";
import { join, posix } from "node:path";
import type { Hono } from "hono";
import { z } from "zod";
import { readBuildOutput } from "./build-output.ts";
import { environmentOf } from "./env-vars.ts";
import type { FileStore } from "./files.ts";
import { badRequest, VercelError } from "./http-error.ts";
import { readJson } from "./read-json.ts";
import { type Deployment, newId, type Project, type Store } from "./store.ts";

const creation = z.looseObject({
  name: z.string(),
  project: z.string().optional(),
  target: z.enum(["production", "preview", "staging"]).nullish(),
  meta: z.record(z.string(), z.string()).optional(),
  env: z.record(z.string(), z.string()).nullish(),
  gitSource: z.never("deploying from a Git reference is not part of the local cloud; give files").optional(),
  files: z
    .array(
      z.object({
        file: z.string().min(1),
        sha: z.string().regex(/^[0-9a-f]{40}$/, "must be a SHA-1 in hex"),
        size: z.number().int().nonnegative(),
        mode: z.number().int().optional(),
      }),
    )
    .min(1, "must not be empty"),
});

export interface DeploymentRoutes {
  store: Store;
  files: FileStore;
  /** Folder that gets one folder a deployment. */
  folder: string;
  now: () => number;
  /** System variables of a deployment that is about to exist. */
  systemVariables(deployment: Omit<Deployment, "env">): Record<string, string>;
  /** Called when `replaced` has just left production. */
  onReplaced(replaced: Deployment): void;
  /** Called when a host name begins to lead to a deployment. */
  onHost(host: string): void;
  onDelete(deployment: Deployment): Promise<void>;
}

/** `/deployments`, and `/now/deployments` as the plugin says it: created ready, since all builds are done before. */
export function deploymentRoutes(app: Hono, routes: DeploymentRoutes): void {
  const { store } = routes;
  const shape = (deployment: Deployment) => ({
    id: deployment.id,
    uid: deployment.id,
    name: deployment.project.name,
    projectId: deployment.project.id,
    url: deployment.url,
    alias: deployment.target === "production" ? store.productionHosts(deployment.project) : [],
    // A boolean: the plugin does not parse the timestamp that some versions of this endpoint give.
    aliasAssigned: true,
    aliasError: null,
    readyState: "READY",
    status: "READY",
    readySubstate: deployment.project.production === deployment ? "PROMOTED" : "STAGED",
    target: deployment.target,
    meta: deployment.meta,
    gitSource: {},
    createdAt: deployment.createdAt,
    created: deployment.createdAt,
    ready: deployment.createdAt,
    crons: deployment.output.config.crons ?? [],
    functions: [...deployment.output.functions.keys()],
  });

  for (const base of ["/:v{v[0-9]+}/deployments", "/:v{v[0-9]+}/now/deployments"]) {
    app.post(base, async (c) => c.json(shape(await createDeployment(routes, await readJson(c, creation)))));

    app.get(base, (c) => {
      const { projectId, target } = c.req.query();
      const deployments = [...store.deployments.values()]
        .filter((one) => !projectId || one.project.id === projectId)
        .filter((one) => !target || (one.target ?? "preview") === target)
        .sort((a, b) => b.createdAt - a.createdAt)
        .map(shape);
      return c.json({ deployments, pagination: { count: deployments.length, next: null, prev: null } });
    });

    app.get(`${base}/:deployment`, (c) => c.json(shape(store.deployment(c.req.param("deployment")))));

    app.delete(`${base}/:deployment`, async (c) => {
      const deployment = store.deployment(c.req.param("deployment"));
      await removeDeployment(routes, deployment);
      return c.json({ uid: deployment.id, state: "DELETED" });
    });
  }
}

/** Forgets a deployment and everything that leads to it, and removes its files. */
export async function removeDeployment(
  { store, folder, onDelete }: Pick<DeploymentRoutes, "store" | "folder" | "onDelete">,
  deployment: Deployment,
): Promise<void> {
  store.deployments.delete(deployment.id);
  for (const [host, alias] of store.aliases) if (alias.deployment === deployment) store.aliases.delete(host);
  if (deployment.project.production === deployment) deployment.project.production = null;
  await onDelete(deployment);
  await rm(join(folder, deployment.id), { recursive: true, force: true });
}

async function createDeployment(routes: DeploymentRoutes, wanted: z.infer<typeof creation>): Promise<Deployment> {
  const { store, files, folder, now } = routes;
  const project = store.project(wanted.project ?? wanted.name);
  for (const { file } of wanted.files) {
    if (posix.normalize(file) !== file || posix.isAbsolute(file) || file.startsWith("../") || file.includes("\0")) {
      throw badRequest(`"${file}" is not a path inside the deployment.`);
    }
  }
  const missing: string[] = [];
  for (const { sha, size, file } of wanted.files) {
    const actual = await files.size(sha);
    if (actual === undefined) missing.push(sha);
    else if (actual !== size) throw badRequest(`"${file}" has ${actual} bytes, not the ${size} that were declared.`);
  }
  if (missing.length > 0)
    throw new VercelError(400, "missing_files", "Missing files", { missing: [...new Set(missing)] });

  const id = newId("dpl_");
  const root = join(folder, id);
  await mkdir(root, { recursive: true });
  try {
    for (const { file, sha } of wanted.files) await files.copyTo(sha, join(root, file));
    const draft: Omit<Deployment, "env"> = {
      id,
      project,
      url: `${project.name}-${newId("").slice(0, 9).toLowerCase()}.vercel.app`,
      target: wanted.target === "production" || isFirst(store, project) ? "production" : null,
      meta: wanted.meta ?? {},
      createdAt: now(),
      output: await readBuildOutput(root),
    };
    const env = {
      ...environmentOf(project, draft.target ?? "preview"),
      ...wanted.env,
      ...routes.systemVariables(draft),
    };
    const deployment: Deployment = { ...draft, env };
    store.deployments.set(id, deployment);
    routes.onHost(deployment.url);
    if (deployment.target === "production") {
      const replaced = project.production;
      project.production = deployment;
      for (const host of store.productionHosts(project)) routes.onHost(host);
      if (replaced) routes.onReplaced(replaced);
    }
    return deployment;
  } catch (error) {
    await rm(root, { recursive: true, force: true });
    throw error;
  }
}

/** Whatever was asked for, the first deployment of a project goes to production. */
function isFirst(store: Store, project: Project): boolean {
  return ![...store.deployments.values()].some((one) => one.project === project);
}

import type { Hono } from "hono";
import { z } from "zod";
import { notFound, VercelError } from "./http-error.ts";
import { readJson } from "./read-json.ts";
import { type Domain, newId, type Project, type Store } from "./store.ts";

const HOST = z.hostname().toLowerCase();
const domainSettings = z.object({
  gitBranch: z.string().nullish(),
  redirect: HOST.nullish(),
  redirectStatusCode: z.union([z.literal(301), z.literal(302), z.literal(307), z.literal(308)]).nullish(),
});

export interface NameRoutes {
  store: Store;
  now: () => number;
  /** Called when a host name begins to lead to a deployment. */
  onHost(host: string): void;
}

/** `/projects/{idOrName}/domains` and `/aliases`: the names that deployments are served under, verified at once. */
export function nameRoutes(app: Hono, { store, now, onHost }: NameRoutes): void {
  const shape = (project: Project, domain: Domain) => ({
    ...domain,
    apexName: domain.name.split(".").slice(-2).join("."),
    projectId: project.id,
    updatedAt: domain.createdAt,
    verified: true,
    verification: [],
  });
  const find = (project: Project, name: string): Domain => {
    const found = project.domains.find((domain) => domain.name === name);
    if (!found) throw notFound("Domain");
    return found;
  };

  app.get("/:v{v[0-9]+}/projects/:project/domains", (c) => {
    const project = store.project(c.req.param("project"));
    return c.json({ domains: project.domains.map((domain) => shape(project, domain)) });
  });

  app.post("/:v{v[0-9]+}/projects/:project/domains", async (c) => {
    const project = store.project(c.req.param("project"));
    const { name, ...settings } = await readJson(c, domainSettings.extend({ name: HOST }));
    const owner = [...store.projects.values()].find((one) => one.domains.some((domain) => domain.name === name));
    if (owner) {
      const code = owner === project ? "domain_already_exists" : "domain_already_in_use";
      throw new VercelError(409, code, `"${name}" is already a domain of project "${owner.name}".`);
    }
    const domain: Domain = {
      name,
      gitBranch: settings.gitBranch ?? null,
      redirect: settings.redirect ?? null,
      redirectStatusCode: settings.redirectStatusCode ?? null,
      createdAt: now(),
    };
    project.domains.push(domain);
    onHost(name);
    return c.json(shape(project, domain));
  });

  app.get("/:v{v[0-9]+}/projects/:project/domains/:domain", (c) => {
    const project = store.project(c.req.param("project"));
    return c.json(shape(project, find(project, c.req.param("domain"))));
  });

  app.patch("/:v{v[0-9]+}/projects/:project/domains/:domain", async (c) => {
    const project = store.project(c.req.param("project"));
    const domain = find(project, c.req.param("domain"));
    Object.assign(domain, await readJson(c, domainSettings));
    return c.json(shape(project, domain));
  });

  app.delete("/:v{v[0-9]+}/projects/:project/domains/:domain", (c) => {
    const project = store.project(c.req.param("project"));
    const domain = find(project, c.req.param("domain"));
    project.domains = project.domains.filter((one) => one !== domain);
    return c.json({});
  });

  app.post("/:v{v[0-9]+}/deployments/:deployment/aliases", async (c) => {
    const deployment = store.deployment(c.req.param("deployment"));
    const { alias } = await readJson(c, z.object({ alias: HOST }));
    const uid = newId("als_");
    store.aliases.set(alias, { uid, deployment });
    onHost(alias);
    return c.json({ uid, alias, created: new Date(now()).toISOString() });
  });

  app.get("/:v{v[0-9]+}/aliases/:alias", (c) => {
    const wanted = c.req.param("alias");
    const found = [...store.aliases].find(([alias, { uid }]) => alias === wanted || uid === wanted);
    if (!found) throw notFound("Alias");
    const [alias, { uid, deployment }] = found;
    return c.json({ uid, alias, deploymentId: deployment.id, projectId: deployment.project.id });
  });

  app.delete("/:v{v[0-9]+}/aliases/:alias", (c) => {
    const wanted = c.req.param("alias");
    const found = [...store.aliases].find(([alias, { uid }]) => alias === wanted || uid === wanted);
    if (!found) throw notFound("Alias");
    store.aliases.delete(found[0]);
    return c.json({ status: "SUCCESS" });
  });
}

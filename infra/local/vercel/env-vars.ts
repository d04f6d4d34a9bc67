import { createHash } from "node:crypto";
import type { Hono } from "hono";
import { z } from "zod";
import { notFound, VercelError } from "./http-error.ts";
import { readJson } from "./read-json.ts";
import { type EnvVar, newId, type Project, type Store, type Target } from "./store.ts";

const TARGET = z.enum(["production", "preview", "development"]);
const targets = z.union([TARGET.transform((one) => [one]), z.array(TARGET).min(1)]);

const fields = {
  key: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be letters, digits and '_', not starting with a digit"),
  value: z.string().max(65_536),
  target: targets,
  type: z.enum(["plain", "encrypted", "sensitive", "system"]),
  gitBranch: z.string().nullish(),
  comment: z.string().max(500).nullish(),
  customEnvironmentIds: z.array(z.string()).max(0, "custom environments are not part of the local cloud").nullish(),
};
const envVar = z.object(fields);
const envVarChange = envVar.partial();

/**
 * `/projects/{idOrName}/env`. A sensitive value goes in and never comes out; an encrypted one comes out in clear only
 * from the single variable and with `decrypt=true` from the list (contracts/vercel-provider.md §5.4, §5.8.3).
 */
export function envVarRoutes(app: Hono, { store, now }: { store: Store; now: () => number }): void {
  const find = (project: Project, id: string): EnvVar => {
    const found = project.env.find((one) => one.id === id);
    if (!found) throw notFound("Environment variable");
    return found;
  };

  app.get("/:v{v[0-9]+}/projects/:project/env", (c) => {
    const project = store.project(c.req.param("project"));
    const decrypt = c.req.query("decrypt") === "true";
    const envs = project.env.map((one) => shape(one, decrypt));
    return c.json({ envs, pagination: { count: envs.length, next: null, prev: null } });
  });

  app.post("/:v{v[0-9]+}/projects/:project/env", async (c) => {
    const project = store.project(c.req.param("project"));
    const body = await readJson(c, z.union([envVar, z.array(envVar).min(1)]));
    const upsert = c.req.query("upsert") === "true";
    if (!Array.isArray(body)) return c.json({ created: shape(put(project, body, upsert, now()), false), failed: [] });

    const created: object[] = [];
    const failed: object[] = [];
    for (const one of body) {
      try {
        created.push(shape(put(project, one, upsert, now()), false));
      } catch (error) {
        if (!(error instanceof VercelError)) throw error;
        failed.push(error.body);
      }
    }
    return c.json({ created, failed });
  });

  app.get("/:v{v[0-9]+}/projects/:project/env/:id", (c) =>
    c.json(shape(find(store.project(c.req.param("project")), c.req.param("id")), true)),
  );

  app.patch("/:v{v[0-9]+}/projects/:project/env/:id", async (c) => {
    const project = store.project(c.req.param("project"));
    const variable = find(project, c.req.param("id"));
    const { gitBranch, comment, customEnvironmentIds: _, ...change } = await readJson(c, envVarChange);
    const changed: EnvVar = {
      ...variable,
      ...change,
      comment: comment ?? variable.comment,
      ...(gitBranch && { gitBranch }),
      updatedAt: now(),
    };
    refuse(project, changed);
    Object.assign(variable, changed);
    return c.json(shape(variable, false));
  });

  app.delete("/:v{v[0-9]+}/projects/:project/env/:id", (c) => {
    const project = store.project(c.req.param("project"));
    const variable = find(project, c.req.param("id"));
    project.env = project.env.filter((one) => one !== variable);
    return c.json(shape(variable, false));
  });
}

/** The values that a deployment for `target` gets. */
export function environmentOf(project: Project, target: Target): Record<string, string> {
  const meant = project.env.filter((one) => one.target.includes(target) && one.gitBranch === undefined);
  return Object.fromEntries(meant.map(({ key, value }) => [key, value]));
}

function put(project: Project, wanted: z.infer<typeof envVar>, upsert: boolean, now: number): EnvVar {
  const { gitBranch, comment, customEnvironmentIds: _, ...rest } = wanted;
  const variable: EnvVar = {
    id: newId("env"),
    ...rest,
    comment: comment ?? "",
    ...(gitBranch && { gitBranch }),
    createdAt: now,
    updatedAt: now,
  };
  const same = upsert ? project.env.find((one) => conflicts(one, variable)) : undefined;
  if (same) return Object.assign(same, { ...variable, id: same.id, createdAt: same.createdAt });
  refuse(project, variable);
  project.env.push(variable);
  return variable;
}

function refuse(project: Project, variable: EnvVar): void {
  if (variable.type === "sensitive" && variable.target.includes("development")) {
    throw new VercelError(
      400,
      "bad_request",
      `You cannot set a Sensitive Environment Variable's target to development (${variable.key}).`,
    );
  }
  const other = project.env.find((one) => one.id !== variable.id && conflicts(one, variable));
  if (other) {
    throw new VercelError(
      400,
      "ENV_CONFLICT",
      `A variable with the name \`${variable.key}\` already exists for the target ${variable.target.join(", ")} on branch ${variable.gitBranch ?? "undefined"}`,
      { envVarId: other.id, envVarKey: variable.key, target: variable.target, gitBranch: variable.gitBranch ?? null },
    );
  }
}

function conflicts(one: EnvVar, other: EnvVar): boolean {
  return (
    one.key === other.key &&
    one.gitBranch === other.gitBranch &&
    one.target.some((target) => other.target.includes(target))
  );
}

function shape({ value, ...variable }: EnvVar, decrypt: boolean) {
  const readable =
    variable.type === "plain" || variable.type === "system" || (variable.type === "encrypted" && decrypt);
  return {
    ...variable,
    value: readable ? value : variable.type === "sensitive" ? "" : ciphertext(variable.id, variable.updatedAt),
    decrypted: readable,
    customEnvironmentIds: [],
    configurationId: null,
  };
}

/** Stands for the encrypted value; derived from anything but the value. */
function ciphertext(id: string, updatedAt: number): string {
  return createHash("sha256").update(`${id}@${updatedAt}`).digest("base64");
}

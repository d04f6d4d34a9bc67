import { createHash, timingSafeEqual } from "node:crypto";
import type { Hono } from "hono";
import { z } from "zod";
import { notFound, VercelError } from "./http-error.ts";
import { readJson } from "./read-json.ts";
import { newId, type Store } from "./store.ts";

export interface Account {
  token: string;
  teamId: string;
  teamSlug: string;
}

/** Refuses every request without the account's token, or for a team that it is not of. Register it first. */
export function requireToken(app: Hono, { token, teamId, teamSlug }: Account): void {
  const expected = digest(`Bearer ${token}`);
  app.use(async (c, next) => {
    const given = c.req.header("authorization");
    if (given === undefined) {
      throw new VercelError(401, "forbidden", "The request is missing an authentication token", { missingToken: true });
    }
    if (!timingSafeEqual(digest(given), expected)) {
      throw new VercelError(403, "forbidden", "Not authorized", { invalidToken: true });
    }
    const { teamId: team, slug } = c.req.query();
    if ((team !== undefined && team !== teamId) || (slug !== undefined && slug !== teamSlug)) {
      throw new VercelError(403, "forbidden", `You don't have permission to access the team "${team ?? slug}".`);
    }
    await next();
  });
}

/** `/teams`, `/user` and `/webhooks` (account webhooks: kept, never called). */
export function accountRoutes(app: Hono, { teamId, teamSlug }: Account, store: Store, now: () => number): void {
  const team = { id: teamId, slug: teamSlug, name: teamSlug, sensitiveEnvironmentVariablePolicy: "default" };

  app.get("/v2/user", (c) => c.json({ user: { id: "usr_local", username: "local", email: "local@handrail.example" } }));
  app.get("/v2/teams", (c) => c.json({ teams: [team], pagination: { count: 1, next: null, prev: null } }));
  app.get("/v2/teams/:team", (c) => {
    const wanted = c.req.param("team");
    if (wanted !== teamId && wanted !== teamSlug) throw notFound("Team");
    return c.json(team);
  });

  app.post("/v1/webhooks", async (c) => {
    const schema = z.object({
      url: z.url(),
      events: z.array(z.string()).min(1),
      projectIds: z.array(z.string()).optional(),
    });
    const webhook = { id: newId("hook_"), ...(await readJson(c, schema)), secret: newId(""), createdAt: now() };
    store.webhooks.set(webhook.id, webhook);
    return c.json({ ...webhook, ownerId: teamId });
  });
  app.get("/v1/webhooks/:id", (c) => {
    const webhook = store.webhooks.get(c.req.param("id"));
    if (!webhook) throw notFound("Webhook");
    const { secret: _, ...rest } = webhook;
    return c.json({ ...rest, ownerId: teamId });
  });
  app.delete("/v1/webhooks/:id", (c) => {
    if (!store.webhooks.delete(c.req.param("id"))) throw notFound("Webhook");
    return c.body(null, 204);
  });
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

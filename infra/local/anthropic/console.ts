/** The local doors: what a person does in Anthropic's Console, and what only a local server can offer. See README.md. */
import { z } from "zod";
import { HOST_NAME } from "../origins.ts";
import type { Agents } from "./agents.ts";
import type { Credentials } from "./auth.ts";
import { type Brain, scriptSchema } from "./brain.ts";
import { type Clock, rfc3339 } from "./clock.ts";
import type { Environments } from "./environments.ts";
import { ApiError, notFound } from "./errors.ts";
import { type Faults, faultSchema } from "./faults.ts";
import { type ApiApp, readBody } from "./http.ts";
import { type Knobs, knobsSchema } from "./knobs.ts";
import type { RequestLog } from "./request-log.ts";
import { SILENT_WEBHOOK_EVENTS, WEBHOOK_EVENTS, type WebhookEndpoint, type Webhooks } from "./webhooks.ts";
import { workToJson } from "./work-item.ts";
import type { WorkQueue } from "./work-queue.ts";

/** What the console needs of the table of local host names. */
export interface OriginTable {
  set(host: string, url: string): void;
  list(): { host: string; url: string }[];
}

const LOOPBACK = new Set(["127.0.0.1", "localhost", "[::1]"]);

const emptyBody = z.strictObject({});
const httpUrl = z.url({ protocol: /^https?$/, error: "must be an http or https URL", abort: true });
const webhookBody = z.strictObject({
  url: httpUrl.refine(
    (text) => {
      const { protocol, hostname } = new URL(text);
      return protocol === "https:" || LOOPBACK.has(hostname);
    },
    { error: "must be https; http is only allowed to loopback", abort: true },
  ),
  events: z.array(z.enum([...WEBHOOK_EVENTS, ...SILENT_WEBHOOK_EVENTS])).min(1),
});
const webhookPatch = z.strictObject({ disabled: z.literal(false) });
const originBody = z.strictObject({
  host: z.string().regex(HOST_NAME, "must be a lower-case DNS name without scheme or port"),
  url: httpUrl.refine(
    (text) => new URL(text).pathname === "/" && !new URL(text).search,
    "must be an origin without a path",
  ),
});
const clockBody = z.strictObject({ advanceMs: z.number().int().nonnegative() });
const knobsPatch = z.strictObject(
  Object.fromEntries(
    Object.entries(knobsSchema.shape).map(([name, schema]) => [name, schema.removeDefault().optional()]),
  ),
) as z.ZodType<Partial<Knobs>>;

export interface ConsoleDeps {
  agents: Agents;
  auth: Credentials;
  brain: Brain;
  clock: Clock;
  environments: Environments;
  faults: Faults;
  knobs: Knobs;
  origins: OriginTable;
  queue: WorkQueue;
  requests: RequestLog;
  webhooks: Webhooks;
}

const endpointToJson = ({ secret: _, failingSince, ...endpoint }: WebhookEndpoint) => ({
  ...endpoint,
  failingSince: failingSince === null ? null : rfc3339(failingSince),
});

export function consoleRoutes(app: ApiApp, deps: ConsoleDeps): void {
  const { agents, auth, brain, clock, environments, faults, knobs, origins, queue, requests, webhooks } = deps;

  // Guests reach this server under the API's name, through the firewall. The doors are for the machine's own people.
  app.use("/console/*", async (c, next) => {
    if (!LOOPBACK.has(new URL(c.req.url).hostname)) throw new ApiError(404, "Not found");
    await next();
  });

  app.post("/console/environments/:id/keys", async (c) => {
    await readBody(c, emptyBody);
    const { id, key } = auth.mintEnvironmentKey(environments.get(c.req.param("id")).id, clock.now());
    return c.json({ id, key });
  });

  app.get("/console/environments/:id/keys", (c) => {
    const keys = auth.environmentKeys(environments.get(c.req.param("id")).id);
    return c.json({ data: keys.map(({ id, createdAt }) => ({ id, created_at: rfc3339(createdAt) })) });
  });

  app.delete("/console/environments/:id/keys/:key", (c) => {
    const key = c.req.param("key");
    if (!auth.revokeEnvironmentKey(c.req.param("id"), key)) throw notFound(`Environment key ${key}`);
    return c.json({ id: key, revoked: true });
  });

  app.post("/console/environments/:id/healthchecks", (c) =>
    c.json(workToJson(queue.enqueueHealthcheck(environments.get(c.req.param("id")).id))),
  );

  app.put("/console/agents/:id/script", async (c) => {
    const { turns } = await readBody(c, scriptSchema);
    brain.setScript(agents.snapshot(c.req.param("id")), turns);
    return c.json({ agent_id: c.req.param("id"), turns: turns.length });
  });

  app.post("/console/webhooks", async (c) => {
    const { url, events } = await readBody(c, webhookBody);
    const { id, secret } = webhooks.register(url, events);
    return c.json({ id, secret });
  });

  app.get("/console/webhooks", (c) => c.json({ data: webhooks.list().map(endpointToJson) }));

  const endpointOf = (id: string) => {
    const endpoint = webhooks.get(id);
    if (!endpoint) throw notFound(`Webhook endpoint ${id}`);
    return endpoint;
  };

  app.get("/console/webhooks/:id", (c) => c.json(endpointToJson(endpointOf(c.req.param("id")))));

  app.patch("/console/webhooks/:id", async (c) => {
    const endpoint = endpointOf(c.req.param("id"));
    await readBody(c, webhookPatch);
    webhooks.enable(endpoint);
    return c.json(endpointToJson(endpoint));
  });

  app.delete("/console/webhooks/:id", (c) => {
    const { id } = endpointOf(c.req.param("id"));
    webhooks.remove(id);
    return c.json({ id, deleted: true });
  });

  app.post("/console/origins", async (c) => {
    const { host, url } = await readBody(c, originBody);
    origins.set(host, url);
    return c.json({ host, url: new URL(url).origin });
  });

  app.get("/console/origins", (c) => c.json({ data: origins.list() }));

  app.post("/console/faults", async (c) => c.json({ id: faults.add(await readBody(c, faultSchema)).id }));
  app.get("/console/faults", (c) => c.json({ data: faults.list() }));
  app.delete("/console/faults", (c) => {
    faults.clear();
    return c.json({ deleted: true });
  });
  app.delete("/console/faults/:id", (c) => {
    const id = c.req.param("id");
    if (!faults.remove(id)) throw notFound(`Fault ${id}`);
    return c.json({ id, deleted: true });
  });

  app.get("/console/clock", (c) => c.json({ now: rfc3339(clock.now()) }));
  app.post("/console/clock", async (c) => {
    clock.advance((await readBody(c, clockBody)).advanceMs);
    return c.json({ now: rfc3339(clock.now()) });
  });

  app.get("/console/knobs", (c) => c.json(knobs));
  app.patch("/console/knobs", async (c) => c.json(Object.assign(knobs, await readBody(c, knobsPatch))));

  app.get("/console/requests", (c) => c.json({ data: requests.list() }));
  app.delete("/console/requests", (c) => {
    requests.clear();
    return c.json({ deleted: true });
  });
}

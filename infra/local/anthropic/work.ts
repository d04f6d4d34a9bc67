/** The work queue over HTTP (`contracts` §3). */
import { z } from "zod";
import type { Credentials } from "./auth.ts";
import type { Environments } from "./environments.ts";
import { type ApiApp, type ApiContext, readBody, readQuery } from "./http.ts";
import type { Ids } from "./ids.ts";
import type { Knobs } from "./knobs.ts";
import { mergeMetadata, metadataPatchSchema } from "./metadata.ts";
import { pageQuery, paginate } from "./paging.ts";
import { type WorkItem, workToJson } from "./work-item.ts";
import type { WorkQueue } from "./work-queue.ts";

const pollQuery = z.strictObject({
  block_ms: z.coerce
    .number()
    .int()
    .min(1, "must be between 1 and 999")
    .max(999, "must be between 1 and 999")
    .optional(),
  reclaim_older_than_ms: z.coerce.number().int().nonnegative().optional(),
});
const heartbeatQuery = z.strictObject({
  expected_last_heartbeat: z.string().optional(),
  desired_ttl_seconds: z.coerce.number().positive().optional(),
});
const stopBody = z.strictObject({ force: z.boolean().optional() });
const updateBody = z.strictObject({ metadata: metadataPatchSchema });

export interface WorkRoutesDeps {
  auth: Credentials;
  environments: Environments;
  queue: WorkQueue;
  ids: Ids;
  knobs: Knobs;
  /** Where this server can be reached: the secret tells it to workers. */
  baseUrl(): string;
}

export function workRoutes(app: ApiApp, deps: WorkRoutesDeps): void {
  const { auth, environments, queue, knobs } = deps;
  const WORKER = () =>
    knobs.apiKeyOnWorkQueue
      ? (["apiKey", "environmentKey", "sessionsToken"] as const)
      : (["environmentKey", "sessionsToken"] as const);

  /** Checks class and scope before anything is looked up, so that a foreign credential learns nothing. */
  const enter = (c: ApiContext, allow: Parameters<Credentials["authorize"]>[1]) => {
    const environmentId = c.req.param("id") as string;
    const workId = c.req.param("work");
    auth.authorize(c.var.principal, allow, { environmentId, ...(workId !== undefined && { workId }) });
    environments.get(environmentId);
    return { environmentId, workId: workId as string };
  };

  /** What only the poll answer carries: the claim's own token among others that a worker has no use for. */
  const secretOf = (item: WorkItem): string | null => {
    if (knobs.secrets === "absent" || item.data.type !== "session") return null;
    const payload = {
      sessions_token: auth.issueSessionsToken(item),
      api_base_url: deps.baseUrl(),
      mcp_proxy_token: deps.ids.secret("sk-ant-mcp-", 32),
      telemetry_token: deps.ids.secret("sk-ant-otl-", 32),
    };
    return Buffer.from(JSON.stringify(payload)).toString("base64url");
  };

  app.get("/v1/environments/:id/work/poll", async (c) => {
    const { environmentId } = enter(c, knobs.apiKeyOnWorkQueue ? ["apiKey", "environmentKey"] : ["environmentKey"]);
    const query = readQuery(c, pollQuery);
    const item = await queue.poll(environmentId, {
      blockMs: query.block_ms,
      reclaimOlderThanMs: query.reclaim_older_than_ms,
      workerId: c.req.header("anthropic-worker-id"),
      signal: c.req.raw.signal,
    });
    return c.json(item && workToJson(item, secretOf(item)));
  });

  app.get("/v1/environments/:id/work/stats", (c) => {
    const { environmentId } = enter(c, ["apiKey", "environmentKey"]);
    return c.json(queue.stats(environmentId));
  });

  app.get("/v1/environments/:id/work", (c) => {
    const { environmentId } = enter(c, ["environmentKey"]);
    const { data, next_page } = paginate(queue.list(environmentId), readQuery(c, z.strictObject(pageQuery)));
    return c.json({ data: data.map((item) => workToJson(item)), next_page });
  });

  app.get("/v1/environments/:id/work/:work", (c) => {
    const { environmentId, workId } = enter(c, ["apiKey"]);
    return c.json(workToJson(queue.get(environmentId, workId)));
  });

  app.post("/v1/environments/:id/work/:work", async (c) => {
    const { environmentId, workId } = enter(c, ["apiKey"]);
    const item = queue.get(environmentId, workId);
    item.metadata = mergeMetadata(item.metadata, (await readBody(c, updateBody)).metadata);
    return c.json(workToJson(item));
  });

  app.post("/v1/environments/:id/work/:work/ack", (c) => {
    const { environmentId, workId } = enter(c, WORKER());
    return c.json(workToJson(queue.ack(environmentId, workId)));
  });

  app.post("/v1/environments/:id/work/:work/heartbeat", (c) => {
    const { environmentId, workId } = enter(c, WORKER());
    const query = readQuery(c, heartbeatQuery);
    const item = queue.heartbeat(environmentId, workId, query.expected_last_heartbeat, query.desired_ttl_seconds);
    return c.json({
      type: "work_heartbeat",
      last_heartbeat: item.latestHeartbeat ?? "",
      lease_extended: item.state !== "stopped",
      state: item.state,
      ttl_seconds: queue.ttlSeconds(item),
    });
  });

  app.post("/v1/environments/:id/work/:work/stop", async (c) => {
    const { environmentId, workId } = enter(c, ["apiKey", "environmentKey", "sessionsToken"]);
    const { force } = await readBody(c, stopBody);
    return c.json(workToJson(queue.stop(environmentId, workId, force)));
  });
}

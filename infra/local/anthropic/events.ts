/** The events of a session over HTTP: send, list, stream (`contracts` §2.3). */
import { z } from "zod";
import type { Credentials } from "./auth.ts";
import type { Conversation } from "./conversation.ts";
import { ApiError } from "./errors.ts";
import { sendBody } from "./event-params.ts";
import { type ApiApp, type ApiContext, readBody, readQuery } from "./http.ts";
import type { Knobs } from "./knobs.ts";
import { orderQuery, pageQuery, paginate } from "./paging.ts";
import type { Session } from "./session.ts";
import type { Sessions } from "./sessions.ts";
import { eventStream } from "./sse.ts";

const timestamp = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const listQuery = z.strictObject({
  ...pageQuery,
  order: orderQuery.default("asc"),
  types: z.array(z.string()).optional(),
  "created_at[gt]": timestamp.default(Number.NEGATIVE_INFINITY),
  "created_at[gte]": timestamp.default(Number.NEGATIVE_INFINITY),
  "created_at[lt]": timestamp.default(Number.POSITIVE_INFINITY),
  "created_at[lte]": timestamp.default(Number.POSITIVE_INFINITY),
});
const streamQuery = z.strictObject({
  event_deltas: z
    .array(z.enum(["agent.message", "agent.thinking"], "event_deltas: must be agent.message or agent.thinking"))
    .default([]),
});

const RESULTS = new Set(["user.custom_tool_result", "user.tool_result"]);
const CLASSES = ["apiKey", "environmentKey", "sessionsToken"] as const;

export interface EventRoutesDeps {
  auth: Credentials;
  sessions: Sessions;
  conversation: Conversation;
  knobs: Knobs;
}

export function eventRoutes(app: ApiApp, { auth, sessions, conversation, knobs }: EventRoutesDeps): void {
  const open = (c: ApiContext): Session => {
    auth.authorize(c.var.principal, CLASSES);
    const session = sessions.get(c.req.param("id") as string);
    auth.authorize(c.var.principal, CLASSES, { environmentId: session.environmentId, sessionId: session.id });
    return session;
  };

  app.post("/v1/sessions/:id/events", async (c) => {
    const session = open(c);
    const { events } = await readBody(c, sendBody);
    if (knobs.workerEvents === "results" && c.var.principal?.class !== "apiKey") {
      const other = events.find(({ type }) => !RESULTS.has(type));
      if (other) throw new ApiError(403, `This credential is not allowed to send ${other.type}`);
    }
    return c.json({ data: conversation.receive(session, events) });
  });

  app.get("/v1/sessions/:id/events", (c) => {
    const session = open(c);
    const query = readQuery(c, listQuery);
    const found = session.log
      .history()
      .filter(({ event }) => query.types?.includes(event.type) ?? true)
      .filter(({ event }) => {
        const at = event.processed_at === null ? Number.MAX_VALUE : Date.parse(event.processed_at);
        return (
          at > query["created_at[gt]"] &&
          at >= query["created_at[gte]"] &&
          at < query["created_at[lt]"] &&
          at <= query["created_at[lte]"]
        );
      });
    const { data, next_page } = paginate(found, query, { order: query.order, defaultLimit: 1000 });
    return c.json({ data: data.map(({ event }) => event), next_page });
  });

  app.get("/v1/sessions/:id/events/stream", (c) => {
    const session = open(c);
    const { event_deltas: deltas } = readQuery(c, streamQuery);
    return eventStream({
      pingMs: knobs.pingMs,
      subscribe: ({ send, end }) => session.log.subscribe({ deltas, send, end }),
    });
  });
}

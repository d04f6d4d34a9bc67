/** Work items as the queue hands them out, and the secret that comes with them (contract §3 and §4). */
import { z } from "zod";

const id = z.string().regex(/^[A-Za-z0-9_-]{1,110}$/);

/**
 * The fields that the control plane reads. Real items carry more, among them who started the session: zod drops what is
 * not named here, so that it cannot reach a log.
 */
export const workItemSchema = z.object({
  /** Equals the session's id in production and comes again each turn: never a once-only key. */
  id,
  data: z.object({ type: z.string().optional(), id: z.string() }),
  /** Only a poll returns it, and only where Anthropic issues one. */
  secret: z.string().nullish(),
});

export type WorkItem = z.infer<typeof workItemSchema>;

/** The id of what a poll returned, when at least that can be used. */
export function workItemId(item: unknown): string | undefined {
  return z.object({ id }).safeParse(item).data?.id;
}

/** A work item that is a session's turn. */
export interface SessionWork {
  readonly workId: string;
  readonly sessionId: string;
  readonly secret: string | undefined;
}

/** The session's work in an item, or undefined when the item is something else, e.g. a healthcheck. */
export function sessionWork(item: WorkItem): SessionWork | undefined {
  if (item.data.type !== "session" || !id.safeParse(item.data.id).success) return undefined;
  return { workId: item.id, sessionId: item.data.id, secret: item.secret ?? undefined };
}

/**
 * Takes the sessions token out of an item's secret: base64url of JSON, padded or not. The other tokens that the secret
 * bundles are for nobody here and are dropped.
 *
 * @returns undefined when there is no secret, or none that holds a token
 */
export function sessionsToken(secret: string | undefined): string | undefined {
  if (secret === undefined) return undefined;
  try {
    const json: unknown = JSON.parse(Buffer.from(secret, "base64url").toString("utf8"));
    return z.object({ sessions_token: z.string().min(1) }).parse(json).sessions_token;
  } catch {
    return undefined;
  }
}

/**
 * `POST /api/webhook`: Anthropic's events (contract §6).
 *
 * | what arrives                                        | answer                                                      |
 * |-----------------------------------------------------|-------------------------------------------------------------|
 * | a signature that is missing, malformed, old or wrong | 401, and nothing is claimed                                |
 * | `session.status_run_started`                        | the queue is drained; 200 when all of it was handed over, else 503, so that the sender tries again |
 * | `session.status_idled`, `session.status_terminated` | the session's sandbox is removed when its runner exited; 200 |
 * | any other event                                     | 200, ignored                                                |
 * | anything, while a gate is open                      | 503, naming the gate                                        |
 *
 * The event says that a session started, not whose: a workspace's endpoint sees the sessions of all its environments.
 * So it is only the occasion to look at the own queue, which most deliveries find empty (traps.md 7).
 */
import { Anthropic } from "@anthropic-ai/sdk";
import { z } from "zod";
import { answer, unavailable } from "./answer.ts";
import { type DrainReport, handedOver } from "./drain.ts";
import { SIGNING_KEY_GATE } from "./gates.ts";
import { errorMessage, type Log } from "./log.ts";

/** Events are about 300 bytes. Nobody who is not verified yet makes us read more than this. */
const MAX_BODY_BYTES = 64 * 1024;

/** What the webhook works with. */
export interface WebhookDeps {
  /** Undefined while its gate is open. */
  readonly signingKey: string | undefined;
  /** Why no session can be served now; undefined when nothing is in the way. */
  readonly obstacle: string | undefined;
  readonly drain: () => Promise<DrainReport>;
  readonly reap: (sessionId: string) => Promise<boolean>;
  readonly log: Log;
}

const event = z.object({ data: z.object({ type: z.string(), id: z.string() }) });

/** Answers one delivery. Rejects only on a bug; whoever calls makes a 503 of that. */
export async function handleWebhook(request: Request, deps: WebhookDeps): Promise<Response> {
  const { signingKey, log } = deps;
  if (signingKey === undefined) return unavailable(SIGNING_KEY_GATE);

  const body = await readBody(request);
  if (body === undefined) return answer(413, { status: "refused", message: "the body is too large for an event" });
  const verified = verify(body, request.headers, signingKey);
  if (!verified.ok) {
    log.warn("webhook.refused", { reason: verified.reason });
    return answer(401, { status: "refused", message: "the signature is missing or not valid" });
  }

  const parsed = event.safeParse(verified.event);
  if (!parsed.success) {
    log.warn("webhook.unknown_shape", { delivery: request.headers.get("webhook-id") });
    return answer(200, { status: "ignored" });
  }
  const { type, id } = parsed.data.data;
  switch (type) {
    case "session.status_run_started":
      return await drained(deps);
    case "session.status_idled":
    case "session.status_terminated":
      return answer(200, { status: "seen", removed: await reaped(id, deps) });
    default:
      return answer(200, { status: "ignored" });
  }
}

/**
 * Drains the queue and answers with what came of it. The cron route answers the same. The answer counts and says no
 * reasons: they may quote what an API said, and the log has them.
 */
export async function drained(deps: Pick<WebhookDeps, "obstacle" | "drain">): Promise<Response> {
  if (deps.obstacle !== undefined) return unavailable(deps.obstacle);
  const report = await deps.drain();
  const { started, refused, left, skipped } = report;
  const counts = { started: started.length, refused: refused.length, left: left.length, skipped };
  if (handedOver(report)) return answer(200, { status: "drained", ...counts });
  const message = report.cutShort ?? "work was left in the queue and comes again: the log says which and why";
  return answer(503, { status: "unavailable", message, ...counts });
}

/** A sandbox that is not removed now is found by the next sweep: no reason to have the event sent again. */
async function reaped(sessionId: string, { reap, log }: WebhookDeps): Promise<boolean> {
  try {
    return await reap(sessionId);
  } catch (error) {
    log.warn("sandbox.reap_failed", { session: sessionId, error: errorMessage(error) });
    return false;
  }
}

/** The raw body, or undefined when it is larger than an event can be. */
async function readBody(request: Request): Promise<string | undefined> {
  if (Number(request.headers.get("content-length") ?? 0) > MAX_BODY_BYTES) return undefined;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

type Verified = { ok: true; event: unknown } | { ok: false; reason: string };

/** The SDK's own check of the signature and of the timestamp (± 5 minutes). Whatever it throws means 401. */
function verify(body: string, headers: Headers, key: string): Verified {
  try {
    return { ok: true, event: webhooks.unwrap(body, { headers: Object.fromEntries(headers), key }) };
  } catch (error) {
    return { ok: false, reason: errorMessage(error) };
  }
}

/** Verifies only. It is given a credential so that the SDK does not look for one, and never sends it. */
const { webhooks } = new Anthropic({ authToken: "not-used", logLevel: "off" }).beta;

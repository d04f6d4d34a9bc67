/**
 * `GET /api/drain`: the safety net. A webhook event that was lost three times never comes again (traps.md 2), so the
 * queue is drained and sandboxes are swept on a schedule as well. Runs may overlap and be repeated: polls are atomic.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { answer } from "./answer.ts";
import { errorMessage, type Log } from "./log.ts";
import { drained, type WebhookDeps } from "./webhook.ts";

/** What the cron route works with. */
export interface CronDeps extends Pick<WebhookDeps, "obstacle" | "drain"> {
  readonly secret: string;
  /** Removes the sandboxes whose runner exited; returns how many. */
  readonly sweep: () => Promise<number>;
  /** Warns when somebody else takes work from the queue; never rejects. */
  readonly lookForOthers: () => Promise<void>;
  readonly log: Log;
}

/** Answers one cron call. Vercel sends `Authorization: Bearer <CRON_SECRET>` (vercel-functions.md §4.6). */
export async function handleCron(request: Request, deps: CronDeps): Promise<Response> {
  if (!matches(request.headers.get("authorization") ?? "", `Bearer ${deps.secret}`)) {
    return answer(401, { status: "refused", message: "send Authorization: Bearer <CRON_SECRET>" });
  }
  // Before the drain: a sandbox that is removed here makes room for the next one of its session. Not behind the
  // obstacle: what runs must end even when nothing new may start.
  await deps.sweep().catch((error) => deps.log.warn("sandbox.sweep_failed", { error: errorMessage(error) }));
  const response = await drained(deps);
  // After the drain's polls, so that this deployment is one of the workers that the queue saw.
  await deps.lookForOthers();
  return response;
}

/** Compares digests, so that neither content nor length of the secret shows in the time. */
function matches(given: string, expected: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

/** What the real API leaves undocumented, or what differs by organisation, made settable. */
import { z } from "zod";

export const knobsSchema = z.strictObject({
  /** Lease of an active item, seconds; the worker beats at half of it, at least 1 s and at most 30 s apart. */
  leaseTtlSeconds: z.number().positive().default(300),
  /** How long an acknowledged item may stay without its first heartbeat before it is queued again, seconds. */
  startTtlSeconds: z.number().positive().default(300),
  /** `session`: a work item carries its session's own id, and comes again each time (observed). `work`: ids of its own. */
  workIds: z.enum(["session", "work"]).default("session"),
  /** `absent`: poll answers `secret: null`, as in organisations without the feature. */
  secrets: z.enum(["issued", "absent"]).default("issued"),
  /** When a sessions token ends: with its item's stop, already with the next claim of the item, or never. */
  sessionsTokenDies: z.enum(["stop", "claim", "never"]).default("stop"),
  /** Status for a known credential of a class that the route does not accept. */
  wrongClassStatus: z.union([z.literal(401), z.literal(403)]).default(403),
  /** Whether poll, ack and heartbeat accept an API key. */
  apiKeyOnWorkQueue: z.boolean().default(false),
  /** Which events an environment key or a sessions token may send: everything, or only tool results. */
  workerEvents: z.enum(["any", "results"]).default("any"),
  /** Whether a heartbeat on a claimed item that nobody acknowledged is 412 or starts the lease. */
  heartbeatBeforeAck: z.enum(["refuse", "accept"]).default("refuse"),
  /** Whether a result for a call that an interrupt ended is recorded, without resuming the turn, or 400. */
  interruptedResults: z.enum(["accept", "refuse"]).default("accept"),
  /** Whether a tool result or confirmation that resumes a session queues work when no live item exists. */
  enqueueOnResult: z.boolean().default(false),
  /** Whether a 409 says `x-should-retry: false`; without it the SDK sends the request twice more before it gives up. */
  conflictsAreFinal: z.boolean().default(true),
  /** Whether two unarchived environments of one name are 409. */
  uniqueEnvironmentNames: z.boolean().default(true),
  /** Whether `/v1` requires `anthropic-beta: managed-agents-2026-04-01`. */
  requireBetaHeader: z.boolean().default(false),
  /** Pause before each turn of the brain, ms. */
  thinkMs: z.number().nonnegative().default(0),
  /** Distance of the SSE heartbeats, ms. */
  pingMs: z.number().positive().default(15_000),
  /** Factor on the documented webhook backoff of 5 to 120 s. 1 is the real thing. */
  webhookBackoffScale: z.number().nonnegative().default(0.02),
  /** How long a webhook endpoint may take to answer, ms. */
  webhookTimeoutMs: z.number().positive().default(10_000),
  /** How long an endpoint may only fail before it is disabled, ms; one 2xx starts anew. */
  webhookDisableAfterMs: z
    .number()
    .positive()
    .default(24 * 3_600_000),
});

/** Read at every use, so that a change through `/console/knobs` applies at once. */
export type Knobs = z.infer<typeof knobsSchema>;

/** Faults on demand: what goes wrong with matching requests, streams and webhooks, and how often. */
import type { MiddlewareHandler } from "hono";
import { z } from "zod";
import { ApiError } from "./errors.ts";
import type { ApiContext, ApiEnv } from "./http.ts";
import type { Ids } from "./ids.ts";

const regex = z.string().transform((source, context) => {
  try {
    return new RegExp(source);
  } catch {
    context.issues.push({ code: "custom", message: "is not a regular expression", input: source });
    return z.NEVER;
  }
});

const afterEvents = z.number().int().nonnegative().default(0);

export const faultSchema = z.strictObject({
  match: z
    .strictObject({
      /** Method of the request. */
      method: z.string().optional(),
      /** Regular expression over path and query, as they were sent. */
      path: regex.optional(),
      /** Webhook faults: the event type. */
      event: z.string().optional(),
    })
    .default({}),
  action: z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("drop") }),
    z.strictObject({ type: z.literal("drop_response") }),
    z.strictObject({ type: z.literal("delay"), ms: z.number().nonnegative() }),
    z.strictObject({
      type: z.literal("status"),
      status: z.number().int().min(400).max(599),
      message: z.string().default("Injected fault"),
      headers: z.record(z.string(), z.string()).default({}),
    }),
    z.strictObject({ type: z.literal("cut"), afterEvents }),
    z.strictObject({ type: z.literal("sse_error"), afterEvents }),
    z.strictObject({ type: z.literal("webhook_drop") }),
    z.strictObject({ type: z.literal("webhook_duplicate") }),
    z.strictObject({ type: z.literal("webhook_delay"), ms: z.number().nonnegative() }),
  ]),
  /** How often it strikes before it is gone. */
  times: z.number().int().positive().default(1),
});

type FaultInput = z.infer<typeof faultSchema>;
export type FaultAction = FaultInput["action"];
export interface Fault extends FaultInput {
  id: string;
}

export class Faults {
  readonly #ids: Ids;
  readonly #faults = new Map<string, Fault>();

  constructor(ids: Ids) {
    this.#ids = ids;
  }

  add(input: FaultInput): Fault {
    const fault = { ...input, id: this.#ids.next("fault") };
    this.#faults.set(fault.id, fault);
    return fault;
  }

  list(): object[] {
    return [...this.#faults.values()].map((fault) => ({
      ...fault,
      match: { ...fault.match, path: fault.match.path?.source },
    }));
  }

  remove(id: string): boolean {
    return this.#faults.delete(id);
  }

  clear(): void {
    this.#faults.clear();
  }

  /** The first webhook fault of that type for the event; it is used up by one. */
  takeWebhook(type: FaultAction["type"], event: string): FaultAction | undefined {
    return this.#take(({ match, action }) => action.type === type && (match.event ?? event) === event);
  }

  /** The first fault for a request; it is used up by one. */
  takeRequest(method: string, target: string): FaultAction | undefined {
    return this.#take(
      ({ match, action }) =>
        !action.type.startsWith("webhook_") &&
        (match.method ?? method).toUpperCase() === method &&
        (match.path?.test(target) ?? true),
    );
  }

  #take(matches: (fault: Fault) => boolean): FaultAction | undefined {
    for (const fault of this.#faults.values()) {
      if (!matches(fault)) continue;
      fault.times -= 1;
      if (fault.times === 0) this.#faults.delete(fault.id);
      return fault.action;
    }
    return undefined;
  }
}

/** The adaptor sends nothing for a response with this header (its own such constant is shared, and would collect ours). */
export const ALREADY_SENT = "x-hono-already-sent";

function hangUp(c: ApiContext): Response {
  c.env.outgoing.destroy();
  return new Response(null, { headers: { [ALREADY_SENT]: "true" } });
}

/** Breaks the connection once everything that was written so far, the head included, is on its way. */
function breakOnceSent(outgoing: ApiContext["env"]["outgoing"]): void {
  if (outgoing.headersSent && outgoing.writableLength === 0) outgoing.destroy();
  else if (!outgoing.destroyed) setImmediate(breakOnceSent, outgoing);
}

/** Lets `count` events (not pings) of a stream through, then ends it: with an `error` frame, or without a word. */
function breakOff(stream: ReadableStream<Uint8Array>, count: number, lastWords: string | null, cut: () => void) {
  let left = count;
  let over = false;
  const decoder = new TextDecoder();
  return stream.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      // Each chunk is one frame: that is how eventStream writes them.
      transform(chunk, controller) {
        if (over) return;
        controller.enqueue(chunk);
        if (!decoder.decode(chunk).startsWith("event: ping")) left -= 1;
        if (left > 0) return;
        over = true;
        if (lastWords === null) {
          cut();
          return;
        }
        controller.enqueue(new TextEncoder().encode(lastWords));
        controller.terminate();
      },
    }),
  );
}

/** Applies request faults before and after the routes. The console itself is never faulty. */
export function faultMiddleware(faults: Faults): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const action = faults.takeRequest(c.req.method, c.env.incoming.url ?? "");
    switch (action?.type) {
      case "drop":
        return hangUp(c);
      case "delay":
        await new Promise((resolve) => setTimeout(resolve, action.ms));
        return next();
      case "status":
        throw new ApiError(action.status, action.message, { headers: action.headers });
      case "drop_response":
        await next();
        c.res = hangUp(c);
        return;
      case "cut":
      case "sse_error": {
        await next();
        if (!c.res.body || !c.res.headers.get("content-type")?.startsWith("text/event-stream")) return;
        const error = { type: "overloaded_error", message: "Injected fault" };
        const words = `event: error\ndata: ${JSON.stringify({ type: "error", error })}\n\n`;
        const lastWords = action.type === "sse_error" ? words : null;
        const body = breakOff(c.res.body, action.afterEvents, lastWords, () => breakOnceSent(c.env.outgoing));
        c.res = new Response(body, c.res);
        return;
      }
      default:
        return next();
    }
  };
}

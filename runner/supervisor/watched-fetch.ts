/**
 * The supervisor's `fetch` for the SDK, watched: what the six routes answer decides how the run ends, and what the event
 * routes bring is shown to the observer. Nothing is changed on the way.
 */
import { z } from "zod";
import type { BrokeredFetch, BrokeredInit } from "../fetch/brokered-fetch.ts";
import type { Handover } from "../handover.ts";
import { eventStream } from "./event-stream.ts";

/** The six routes that a runner needs (contracts/claude-managed-agents.md §4.2). */
export type Route = "heartbeat" | "stop" | "session" | "history" | "stream" | "send";

/** What {@link watchFetch} reports to. */
export interface TrafficListener {
  /** One of the six routes refused, before the SDK sees it; `detail` is the beginning of the answer. */
  refused(route: Route, status: number, detail: string): void;
  /** A heartbeat that was accepted says that the item is to be stopped. */
  stopRequested(): void;
  /** An event of the history or the stream. */
  event(value: unknown, source: "history" | "stream"): void;
  /** Whether the result of a call was accepted. */
  resultSent(callId: string, status: number, detail: string): void;
}

const heartbeatSchema = z.object({ state: z.string(), lease_extended: z.boolean() });
const historySchema = z.object({ data: z.array(z.unknown()) });
const sentSchema = z.object({
  events: z.array(z.object({ tool_use_id: z.string().optional(), custom_tool_use_id: z.string().optional() })),
});

/** How much the stream may run ahead of the SDK, which does not read while a tool runs. */
const STREAM_BUFFER_BYTES = 8 * 1024 * 1024;

/** How much of a refusal is kept: enough for the sentence in which the firewall names the policy. */
const DETAIL_CHARS = 500;

/** Names the route of a request, or undefined for one that a runner has no business with. */
export function routeOf(
  method: string,
  pathname: string,
  { environmentId, workId, sessionId }: Pick<Handover, "environmentId" | "workId" | "sessionId">,
): Route | undefined {
  const work = `/v1/environments/${environmentId}/work/${workId}`;
  const session = `/v1/sessions/${sessionId}`;
  switch (`${method} ${pathname}`) {
    case `POST ${work}/heartbeat`:
      return "heartbeat";
    case `POST ${work}/stop`:
      return "stop";
    case `GET ${session}`:
      return "session";
    case `GET ${session}/events`:
      return "history";
    case `GET ${session}/events/stream`:
      return "stream";
    case `POST ${session}/events`:
      return "send";
    default:
      return undefined;
  }
}

/** Wraps the supervisor's brokered `fetch` for one work item. */
export function watchFetch(fetch: BrokeredFetch, handover: Handover, listener: TrafficListener): BrokeredFetch {
  const base = new URL(handover.anthropicBaseUrl).pathname.replace(/\/$/, "");
  return async (input, init = {}) => {
    const response = await fetch(input, init);
    const { pathname } = new URL(input);
    const route = pathname.startsWith(base)
      ? routeOf(init.method ?? "GET", pathname.slice(base.length), handover)
      : undefined;
    if (route === undefined) return response;
    if (!response.ok) {
      const { copy, text } = await read(response);
      const detail = text.slice(0, DETAIL_CHARS);
      listener.refused(route, response.status, detail);
      if (route === "send") for (const id of answeredCalls(init)) listener.resultSent(id, response.status, detail);
      return copy;
    }
    if (route === "send") for (const id of answeredCalls(init)) listener.resultSent(id, response.status, "");
    if (route === "heartbeat") {
      const { copy, value } = await read(response);
      const beat = heartbeatSchema.safeParse(value);
      if (beat.success && (!beat.data.lease_extended || beat.data.state.startsWith("stop"))) listener.stopRequested();
      return copy;
    }
    if (route === "history") {
      const { copy, value } = await read(response);
      for (const event of historySchema.safeParse(value).data?.data ?? []) listener.event(event, "history");
      return copy;
    }
    if (route === "stream" && response.body !== null) {
      const seen = eventStream((event) => listener.event(event, "stream"), STREAM_BUFFER_BYTES);
      return new Response(response.body.pipeThrough(seen), answer(response));
    }
    return response;
  };
}

/** Ids of the calls whose results a request carries. */
function answeredCalls({ body }: BrokeredInit): string[] {
  const sent = typeof body === "string" ? sentSchema.safeParse(JSON.parse(body)).data : undefined;
  const ids = (sent?.events ?? []).map((event) => event.tool_use_id ?? event.custom_tool_use_id);
  return ids.filter((id) => id !== undefined);
}

/** Reads an answer, and returns it as if it had not been read. */
async function read(response: Response): Promise<{ copy: Response; text: string; value: unknown }> {
  const text = await response.text();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const empty = [101, 204, 205, 304].includes(response.status);
  return { copy: new Response(empty ? null : text, answer(response)), text, value };
}

function answer({ status, statusText, headers }: Response): ResponseInit {
  const copied = new Headers([...headers]);
  // The body was decoded on the way.
  copied.delete("content-encoding");
  copied.delete("content-length");
  return { status, statusText, headers: copied };
}

/**
 * A session of the demo as a client drives it: the real SDK, the agent's script set through the console door, events
 * followed as they come.
 */
import type Anthropic from "@anthropic-ai/sdk";
import type { Turn } from "./task.ts";

type Events = Anthropic["beta"]["sessions"]["events"];
export type SessionEvent = Awaited<ReturnType<Events["list"]>>["data"][number];

export interface Answer {
  name: string;
  text: string;
  isError: boolean;
  /** Milliseconds from the call to its result. */
  tookMs: number;
}

export interface DemoSession {
  id: string;
  /** Runs the turns to the end and returns the answers of their calls, in the order of the calls. */
  play(message: string, turns: Turn[]): Promise<Answer[]>;
  /** The whole transcript. */
  events(): Promise<SessionEvent[]>;
}

export interface SessionOptions {
  client: Anthropic;
  /** Sets the script that the brain plays for this agent (a door of the local Anthropic server). */
  setScript(turns: Turn[]): Promise<void>;
  agentId: string;
  environmentId: string;
  metadata: Record<string, string>;
  /** Follows the events; each is given once. */
  onEvent?: (event: SessionEvent) => void;
  /** Gives up when a turn has not ended after so long, in milliseconds. */
  timeoutMs: number;
}

function resultText(event: SessionEvent): string {
  if (event.type !== "user.custom_tool_result") return "";
  return (event.content ?? []).map((block) => (block.type === "text" ? block.text : `[${block.type}]`)).join("");
}

/** Answers to the calls of `calls`, taken from a transcript. */
function answersIn(events: SessionEvent[], after: number): Answer[] {
  const results = new Map(
    events.flatMap((event) =>
      event.type === "user.custom_tool_result" ? [[event.custom_tool_use_id, event] as const] : [],
    ),
  );
  return events.slice(after).flatMap((event) => {
    if (event.type !== "agent.custom_tool_use") return [];
    const result = results.get(event.id);
    const tookMs = Date.parse(result?.processed_at ?? "") - Date.parse(event.processed_at);
    return result ? [{ name: event.name, text: resultText(result), isError: result.is_error === true, tookMs }] : [];
  });
}

async function wholeTranscript(client: Anthropic, sessionId: string): Promise<SessionEvent[]> {
  const events: SessionEvent[] = [];
  for await (const event of client.beta.sessions.events.list(sessionId, { limit: 1000 })) events.push(event);
  return events;
}

function ended(event: SessionEvent): boolean {
  if (event.type === "session.status_terminated") return true;
  return event.type === "session.status_idle" && event.stop_reason.type !== "requires_action";
}

/** Opens a session; it idles until its first message. */
export async function openSession(o: SessionOptions): Promise<DemoSession> {
  const session = await o.client.beta.sessions.create({
    agent: o.agentId,
    environment_id: o.environmentId,
    metadata: o.metadata,
  });
  const seen = new Set<string>();

  async function play(message: string, turns: Turn[]): Promise<Answer[]> {
    await o.setScript(turns);
    const before = (await wholeTranscript(o.client, session.id)).length;
    const limit = AbortSignal.timeout(o.timeoutMs);
    // The stream first, then the message: what is emitted in between is not replayed.
    const stream = await o.client.beta.sessions.events.stream(session.id, {}, { signal: limit });
    await o.client.beta.sessions.events.send(session.id, {
      events: [{ type: "user.message", content: [{ type: "text", text: message }] }],
    });
    try {
      for await (const event of stream) {
        if (!("id" in event) || seen.has(event.id)) continue;
        seen.add(event.id);
        o.onEvent?.(event as SessionEvent);
        if (ended(event as SessionEvent)) break;
      }
    } catch (error) {
      if (!limit.aborted) throw error;
    }
    if (limit.aborted) {
      const last = (await wholeTranscript(o.client, session.id)).at(-1);
      throw new Error(
        `session ${session.id} did not end its turn in ${o.timeoutMs / 1000} s; its last event is ${last?.type}`,
      );
    }
    return answersIn(await wholeTranscript(o.client, session.id), before);
  }

  return { id: session.id, play, events: () => wholeTranscript(o.client, session.id) };
}

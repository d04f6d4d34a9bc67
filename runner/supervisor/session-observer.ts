/**
 * Follows a session's events beside the SDK's runner, which reads them one at a time and not while a tool runs.
 *
 * It notices what the runner would miss or ignore: an interrupt during a call (traps.md 17), and a call that no tool of
 * this runner answers (traps.md 18). It costs no request of its own: it sees what the runner's requests bring.
 */
import { z } from "zod";

/** A tool call as the observer knows it. */
export interface ObservedCall {
  readonly id: string;
  readonly name: string;
  /** Decides which event answers it. */
  readonly type: "agent.tool_use" | "agent.custom_tool_use";
}

/** What {@link SessionObserver} reports to. */
export interface SessionListener {
  /** The user interrupted while these calls were open. */
  interrupted(calls: readonly string[]): void;
  /** The session waits for the answer to a call of a tool that is not served here. Once a call. */
  unserved(call: ObservedCall): void;
}

// Only what is read here; events have many more fields, and more types than this SDK knows.
const eventSchema = z.object({
  type: z.string(),
  id: z.string().optional(),
  name: z.string().optional(),
  evaluated_permission: z.string().nullish(),
  tool_use_id: z.string().optional(),
  custom_tool_use_id: z.string().optional(),
  result: z.string().optional(),
  stop_reason: z.object({ type: z.string(), event_ids: z.array(z.string()).optional() }).nullish(),
});

type SessionEvent = z.infer<typeof eventSchema>;

/** Sees each event of history and stream, in any number and order of repetitions. */
export class SessionObserver {
  readonly #served: ReadonlySet<string>;
  readonly #listener: SessionListener;
  readonly #open = new Map<string, ObservedCall & { permission: string }>();
  readonly #answered = new Set<string>();
  readonly #interrupts = new Set<string>();
  readonly #reported = new Set<string>();

  constructor(served: ReadonlySet<string>, listener: SessionListener) {
    this.#served = served;
    this.#listener = listener;
  }

  /** The kind of call that an id stands for; custom tools are what this project defines. */
  callType(id: string): ObservedCall["type"] {
    return this.#open.get(id)?.type ?? "agent.custom_tool_use";
  }

  /**
   * Takes one event. What is not an event is ignored: the SDK's runner is the one that complains.
   *
   * @param source an interrupt in the history is over; one on the stream ends what runs.
   */
  ingest(value: unknown, source: "history" | "stream"): void {
    const parsed = eventSchema.safeParse(value);
    if (!parsed.success) return;
    const event = parsed.data;
    switch (event.type) {
      case "agent.tool_use":
      case "agent.custom_tool_use":
        this.#opened(event, event.type);
        break;
      case "user.tool_result":
      case "user.custom_tool_result":
        this.#closed(event.tool_use_id ?? event.custom_tool_use_id);
        break;
      case "user.tool_confirmation":
        this.#confirmed(event);
        break;
      case "user.interrupt":
        this.#interrupted(event, source);
        break;
      case "session.status_idle":
        if (event.stop_reason?.type !== "requires_action") return;
        for (const id of event.stop_reason.event_ids ?? []) this.#waitedFor(id);
    }
  }

  #opened({ id, name, evaluated_permission }: SessionEvent, type: ObservedCall["type"]): void {
    if (id === undefined || name === undefined || this.#answered.has(id) || this.#open.has(id)) return;
    this.#open.set(id, { id, name, type, permission: evaluated_permission ?? "allow" });
  }

  #closed(id: string | undefined): void {
    if (id === undefined) return;
    this.#answered.add(id);
    this.#open.delete(id);
  }

  #confirmed({ tool_use_id: id, result }: SessionEvent): void {
    const call = id === undefined ? undefined : this.#open.get(id);
    if (call === undefined) return;
    if (result === "allow") {
      call.permission = "allow";
      this.#waitedFor(call.id);
    } else this.#closed(call.id);
  }

  #interrupted({ id }: SessionEvent, source: "history" | "stream"): void {
    // Every event that a client sends comes twice, when it is queued and when it is processed.
    if (id === undefined || this.#interrupts.has(id)) return;
    this.#interrupts.add(id);
    if (source === "stream") this.#listener.interrupted([...this.#open.keys()]);
  }

  #waitedFor(id: string): void {
    const call = this.#open.get(id);
    if (call === undefined || this.#served.has(call.name) || call.permission !== "allow") return;
    if (this.#reported.has(id)) return;
    this.#reported.add(id);
    this.#listener.unserved({ id, name: call.name, type: call.type });
  }
}

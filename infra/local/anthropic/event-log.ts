/** The events of one session: what `list` shows and what open streams are told. */
import type { Positioned } from "./paging.ts";

export interface SessionEvent {
  id: string;
  type: string;
  /** RFC 3339, or null while a client's event waits for its turn. */
  processed_at: string | null;
  [field: string]: unknown;
}

/** A frame for streams only (`event_start`, `event_delta`): never part of the history, no id. */
export interface StreamFrame {
  type: string;
  [field: string]: unknown;
}

export interface Subscriber {
  /** Which event types it wants deltas of. */
  deltas: readonly string[];
  send(frame: StreamFrame): void;
  end(): void;
}

export class EventLog {
  readonly #processed: (Positioned & { event: SessionEvent })[] = [];
  readonly #queued = new Map<string, SessionEvent>();
  readonly #subscribers = new Set<Subscriber>();

  /** Announces a client's event that waits; it is announced again, under the same id, by {@link append}. */
  queue(event: SessionEvent): void {
    this.#queued.set(event.id, event);
    this.#tell(event);
  }

  /** Adds a processed event to the history. */
  append(event: SessionEvent): void {
    this.#queued.delete(event.id);
    this.#processed.push({ seq: this.#processed.length + 1, event });
    this.#tell(event);
  }

  /** Streams `text` of the event that follows to those who asked for deltas of its type. */
  preview(event: { id: string; type: string }, text: string): void {
    const audience = [...this.#subscribers].filter(({ deltas }) => deltas.includes(event.type));
    for (const { send } of audience) {
      send({ type: "event_start", event: { id: event.id, type: event.type } });
      for (const piece of text.match(/[\s\S]{1,40}/g) ?? []) {
        const delta = { type: "content_delta", index: 0, content: { type: "text", text: piece } };
        send({ type: "event_delta", event_id: event.id, delta });
      }
    }
  }

  /** Processed events in the order of processing, then those that wait. */
  history(): (Positioned & { event: SessionEvent })[] {
    const waiting = [...this.#queued.values()].map((event, i) => ({ seq: this.#processed.length + 1 + i, event }));
    return [...this.#processed, ...waiting];
  }

  /** From now on, `subscriber` hears every event. @returns a function that ends it. */
  subscribe(subscriber: Subscriber): () => void {
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }

  /** Ends every open stream, after which nobody can open another: the session is deleted. */
  close(): void {
    for (const subscriber of this.#subscribers) subscriber.end();
    this.#subscribers.clear();
  }

  #tell(event: SessionEvent): void {
    for (const subscriber of [...this.#subscribers]) subscriber.send(event);
  }
}

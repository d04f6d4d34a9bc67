/**
 * What a session does with the events it is sent: statuses, turns of the brain, tool calls that wait for results,
 * interrupts (`contracts` §5). One instance serves all sessions; the state is in {@link Session}.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { findTool } from "./agent-definition.ts";
import type { Brain, Turn } from "./brain.ts";
import { type Clock, rfc3339 } from "./clock.ts";
import { badRequest } from "./errors.ts";
import type { SessionEvent } from "./event-log.ts";
import type { EventParams } from "./event-params.ts";
import type { Ids } from "./ids.ts";
import type { Knobs } from "./knobs.ts";
import type { ModelBrain, ModelTurn } from "./model-brain.ts";
import type { PendingCall, Session } from "./session.ts";

export interface ConversationDeps {
  brain: Brain;
  /** Answers for agents without a script; without it they echo. */
  model?: Pick<ModelBrain, "next"> | undefined;
  clock: Clock;
  ids: Ids;
  knobs: Knobs;
  /** Queues work for the session unless a live item exists. */
  enqueue(session: Session): void;
  /** Announces a webhook event about the session. */
  notify(type: string, sessionId: string): void;
}

/** All other events of clients are announced twice: when they are queued, and when they are processed. */
const PROCESSED_ON_RECEIPT: ReadonlySet<string> = new Set([
  "user.custom_tool_result",
  "user.tool_result",
  "user.define_outcome",
]);

const textOf = (content: readonly { type: string; text?: string }[]) =>
  content.flatMap((block) => (block.type === "text" ? [block.text] : [])).join("\n");

const answeredId = (event: EventParams): string | undefined => {
  if (event.type === "user.custom_tool_result") return event.custom_tool_use_id;
  return event.type === "user.tool_result" ? event.tool_use_id : undefined;
};

export class Conversation {
  readonly #deps: ConversationDeps;

  constructor(deps: ConversationDeps) {
    this.#deps = deps;
  }

  /**
   * Takes the events of one request: all of them, or none.
   *
   * @returns the events as they were received, with ids.
   * @throws ApiError 400 naming the event that the session cannot take now.
   */
  receive(session: Session, params: readonly EventParams[]): SessionEvent[] {
    this.#check(session, params);
    const received: SessionEvent[] = [];
    let resumed = false;
    let late = false;
    for (const param of params) {
      const onReceipt = PROCESSED_ON_RECEIPT.has(param.type);
      const id = this.#deps.ids.next("sevt");
      const event: SessionEvent = { id, ...param, processed_at: onReceipt ? this.#now() : null };
      received.push(event);
      if (!onReceipt) session.log.queue(event);
      const answer = this.#take(session, param, event);
      resumed ||= answer === "awaited";
      late ||= answer === "late";
    }
    session.updatedAt = this.#deps.clock.now();
    if (session.pending.size > 0) {
      if (resumed) this.#idle(session, { type: "requires_action", event_ids: [...session.pending.keys()] });
    } else if (session.inbox.length > 0 && session.status !== "running") {
      this.#deps.enqueue(session);
      this.#run(session);
      this.#think(session, !resumed);
    } else if (resumed) {
      if (this.#deps.knobs.enqueueOnResult) this.#deps.enqueue(session);
      this.#run(session);
      this.#think(session, false);
    } else if (late && session.status === "idle") {
      // A worker that retried an interrupted call waits for a sign that the turn is over.
      this.#idle(session, { type: "end_turn" });
    }
    return received;
  }

  /** Ends the session: no further events, open calls are moot. */
  terminate(session: Session): void {
    session.generation += 1;
    session.status = "terminated";
    session.pending.clear();
    this.#emit(session, { type: "session.status_terminated" });
    this.#deps.notify("session.status_terminated", session.id);
  }

  /** Adds an event that the server itself causes. */
  emit(session: Session, event: { type: string; [field: string]: unknown }): void {
    this.#emit(session, event);
  }

  /** Refuses the whole request when one event does not fit the state that the ones before it leave. */
  #check(session: Session, params: readonly EventParams[]): void {
    if (session.archivedAt !== null) throw badRequest("Cannot send events to archived session");
    if (session.status === "terminated") throw badRequest("Cannot send events to terminated session");
    const open = new Map([...session.pending].map(([id, call]) => [id, { ...call }]));
    const answered = new Set<string>();
    params.forEach((event, i) => {
      const refuse = (why: string) => badRequest(`Invalid ${event.type} event at events[${i}]: ${why}`);
      switch (event.type) {
        case "user.interrupt":
          open.clear();
          break;
        case "user.message":
        case "user.define_outcome":
        case "system.message":
          if (event.type === "system.message" && i !== params.length - 1) throw refuse("it must be the last event");
          if (open.size > 0) {
            throw refuse(
              `waiting on responses to events [${[...open.keys()].join(", ")}]; only \`user.tool_confirmation\`, ` +
                "`user.custom_tool_result`, `user.tool_result`, or `user.interrupt` may be sent",
            );
          }
          break;
        case "user.tool_confirmation": {
          const call = open.get(event.tool_use_id);
          if (!call?.awaitsConfirmation) throw refuse(`no tool use ${event.tool_use_id} waits for a confirmation`);
          if (event.deny_message != null && event.result !== "deny") throw refuse("deny_message needs result `deny`");
          call.awaitsConfirmation = false;
          if (event.result === "deny") open.delete(event.tool_use_id);
          break;
        }
        default: {
          const id = answeredId(event) as string;
          const call = open.get(id);
          const closed = session.closed.get(id);
          const expects = (type: PendingCall["type"]) =>
            type === "agent.tool_use" ? "user.tool_result" : "user.custom_tool_result";
          if (answered.has(id) || closed?.by === "result") throw refuse(`tool use ${id} already has a result`);
          const late = closed?.by === "interrupt" && this.#deps.knobs.interruptedResults === "accept";
          const type = call?.type ?? (late ? closed.type : undefined);
          if (!type) throw refuse(`no tool use ${id} waits for a result`);
          if (expects(type) !== event.type) throw refuse(`tool use ${id} is answered by \`${expects(type)}\``);
          if (call?.awaitsConfirmation) throw refuse(`tool use ${id} waits for a \`user.tool_confirmation\``);
          answered.add(id);
          open.delete(id);
        }
      }
    });
  }

  /** Applies one checked event. @returns what its answer was, if it was one: to an open call, or to an interrupted one. */
  #take(session: Session, param: EventParams, event: SessionEvent): "awaited" | "late" | undefined {
    switch (param.type) {
      case "user.message":
        session.inbox.push(event);
        return;
      case "user.define_outcome":
        session.log.append(event);
        session.inbox.push(event);
        return;
      case "system.message":
        // It belongs behind the message that it was sent with.
        if (session.inbox.length > 0) session.inbox.push(event);
        else session.log.append({ ...event, processed_at: this.#now() });
        return;
      case "user.interrupt":
        this.#interrupt(session, event);
        return;
      case "user.tool_confirmation": {
        session.log.append({ ...event, processed_at: this.#now() });
        const call = session.pending.get(param.tool_use_id);
        if (call) call.awaitsConfirmation = false;
        if (param.result === "allow") return;
        this.#close(session, param.tool_use_id, "denial");
        const denial = { type: "text", text: param.deny_message ?? "The user denied this call." };
        this.#emit(session, {
          type: "agent.tool_result",
          tool_use_id: param.tool_use_id,
          content: [denial],
          is_error: true,
        });
        return "awaited";
      }
      default: {
        const id = answeredId(param) as string;
        const waited = session.pending.has(id);
        session.log.append(event);
        this.#close(session, id, "result");
        return waited ? "awaited" : "late";
      }
    }
  }

  #close(session: Session, id: string, by: "result" | "interrupt" | "denial"): void {
    const type = session.pending.get(id)?.type ?? session.closed.get(id)?.type ?? "agent.custom_tool_use";
    session.pending.delete(id);
    session.closed.set(id, { by, type });
  }

  /** Ends the turn. A session that was stuck on calls nobody served gets its work queued again (`contracts` §5.3). */
  #interrupt(session: Session, event: SessionEvent): void {
    const stuck = session.pending.size > 0;
    const active = stuck || session.status === "running";
    session.generation += 1;
    for (const id of [...session.pending.keys()]) this.#close(session, id, "interrupt");
    if (active) this.#deps.enqueue(session);
    if (stuck) this.#run(session);
    session.log.append({ ...event, processed_at: this.#now() });
    if (active) this.#idle(session, { type: "end_turn" });
  }

  #run(session: Session): void {
    if (session.status === "running") return;
    session.status = "running";
    this.#emit(session, { type: "session.status_running" });
    this.#deps.notify("session.status_run_started", session.id);
    this.#deps.notify("session.running", session.id);
  }

  #idle(session: Session, reason: { type: string; event_ids?: string[] }): void {
    const parked = reason.type === "requires_action";
    session.status = "idle";
    this.#emit(session, { type: "session.status_idle", stop_reason: reason, stop_details: null });
    this.#deps.notify("session.status_idled", session.id);
    this.#deps.notify(parked ? "session.requires_action" : "session.idled", session.id);
  }

  /** Lets the brain play turns until it waits for results or has nothing more to do. */
  #think(session: Session, newMessage: boolean): void {
    const { generation } = session;
    if (newMessage) this.#readInbox(session);
    void (async () => {
      for (;;) {
        // Also with a pause of 0: the request that caused this is answered before the session moves on.
        await sleep(this.#deps.knobs.thinkMs);
        if (session.generation !== generation) return;
        let turn: Turn | ModelTurn | null;
        try {
          turn = await this.#next(session);
        } catch (error) {
          if (session.generation === generation) this.#fail(session, (error as Error).message);
          return;
        }
        if (session.generation !== generation) return;
        if (turn) {
          if (this.#play(session, turn)) return;
        } else if (session.inbox.length > 0) {
          this.#readInbox(session);
        } else {
          this.#idle(session, { type: "end_turn" });
          return;
        }
      }
    })();
  }

  async #next(session: Session): Promise<Turn | ModelTurn | null> {
    const { brain, model } = this.#deps;
    if (!session.playback) return null;
    if (model && !brain.hasScript(session.agent.id)) return model.next(session);
    return brain.next(session.playback, session.lastMessage);
  }

  #readInbox(session: Session): void {
    for (const message of session.inbox.splice(0)) {
      // An outcome was processed on receipt.
      if (message.type !== "user.define_outcome") session.log.append({ ...message, processed_at: this.#now() });
      if (message.type === "user.message")
        session.lastMessage = textOf(message.content as { type: string; text?: string }[]);
      else if (message.type === "user.define_outcome") session.lastMessage = message.description as string;
    }
    session.playback = this.#deps.brain.begin(session.agent.id, session.playback);
  }

  /** @returns whether the session is idle now. */
  #play(session: Session, turn: Turn | ModelTurn): boolean {
    const start = this.#emit(session, { type: "span.model_request_start" });
    if (turn.say !== undefined) {
      const id = this.#deps.ids.next("sevt");
      session.log.preview({ id, type: "agent.message" }, turn.say);
      this.#emit(session, { id, type: "agent.message", content: [{ type: "text", text: turn.say }] });
    }
    const unknown = turn.call?.find(({ name }) => !findTool(session.agent.tools, name));
    for (const { name, input } of unknown ? [] : (turn.call ?? [])) {
      const tool = findTool(session.agent.tools, name) as NonNullable<ReturnType<typeof findTool>>;
      const builtIn = tool.eventType === "agent.tool_use";
      const event = this.#emit(session, {
        type: tool.eventType,
        name,
        input,
        ...(builtIn && { evaluated_permission: tool.permission }),
      });
      session.pending.set(event.id, { type: tool.eventType, awaitsConfirmation: tool.permission === "ask" });
    }
    const usage = "usage" in turn ? turn.usage : { input_tokens: 100, output_tokens: 20 };
    session.usage.input_tokens += usage.input_tokens;
    session.usage.output_tokens += usage.output_tokens;
    this.#emit(session, {
      type: "span.model_request_end",
      model_request_start_id: start.id,
      is_error: unknown !== undefined,
      model_usage: { ...usage, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
    });
    if (unknown) {
      const known = `the tools of this session's agent (version ${session.agent.version})`;
      this.#fail(session, `The script calls "${unknown.name}", which is not among ${known}`);
      return true;
    }
    if (session.pending.size === 0) return false;
    this.#idle(session, { type: "requires_action", event_ids: [...session.pending.keys()] });
    return true;
  }

  #fail(session: Session, message: string): void {
    const retry = { retry_status: { type: "exhausted" } };
    this.#emit(session, { type: "session.error", error: { type: "model_request_failed_error", message, ...retry } });
    this.#idle(session, { type: "retries_exhausted" });
  }

  #emit(session: Session, event: { id?: string; type: string; [field: string]: unknown }): SessionEvent {
    const complete = { id: this.#deps.ids.next("sevt"), ...event, processed_at: this.#now() };
    session.updatedAt = this.#deps.clock.now();
    session.log.append(complete);
    return complete;
  }

  #now(): string {
    return rfc3339(this.#deps.clock.now());
  }
}

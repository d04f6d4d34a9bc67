/** The six routes of the Anthropic API that a runner uses, for tests: one session, scripted by the test. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Handover } from "../handover.ts";
import { type Route, routeOf } from "../supervisor/watched-fetch.ts";

/** An event of the session; fields as in contracts/claude-managed-agents.md §5.1. */
export interface FakeEvent {
  readonly id: string;
  readonly type: string;
  readonly [field: string]: unknown;
}

/** A result that the runner posted. */
export interface PostedResult {
  readonly type: string;
  readonly custom_tool_use_id?: string;
  readonly tool_use_id?: string;
  readonly is_error?: boolean;
  readonly content: { type: string; text: string }[];
}

/** Status and body instead of the usual answer; undefined: the usual one. */
type Fault = (route: Route, body: unknown) => { status: number; body?: unknown } | undefined;

/** A fake session and its work item. */
export class FakeAnthropic {
  static async start(ids: Pick<Handover, "environmentId" | "workId" | "sessionId">): Promise<FakeAnthropic> {
    const fake = new FakeAnthropic(ids);
    await new Promise<void>((resolve) => fake.#server.listen(0, "127.0.0.1", resolve));
    return fake;
  }

  /** Every request: `METHOD /path`. */
  readonly requests: string[] = [];
  /** Headers of every request. */
  readonly headers: IncomingMessage["headers"][] = [];
  /** Every result that was accepted, in order. */
  readonly results: PostedResult[] = [];
  /** Every result that was sent, accepted or not. */
  readonly attempts: PostedResult[] = [];
  stops = 0;
  /** How many heartbeats came. */
  heartbeats = 0;
  /** What heartbeats answer. */
  heartbeat = { state: "active", lease_extended: true, ttl_seconds: 2 };
  fault: Fault = () => undefined;

  readonly #ids: Pick<Handover, "environmentId" | "workId" | "sessionId">;
  readonly #events: FakeEvent[] = [];
  readonly #streams = new Set<ServerResponse>();
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  #calls = 0;

  private constructor(ids: Pick<Handover, "environmentId" | "workId" | "sessionId">) {
    this.#ids = ids;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Claude calls a tool. Returns the call's id. */
  call(name: string, input: unknown = {}, type = "agent.custom_tool_use"): string {
    const id = `sevt_call${++this.#calls}`;
    this.emit({ id, type, name, input });
    return id;
  }

  /** The session parks until these calls are answered. */
  waitFor(...ids: string[]): void {
    this.emit({
      id: `sevt_idle${Math.random()}`,
      type: "session.status_idle",
      stop_reason: { type: "requires_action", event_ids: ids },
    });
  }

  /** The turn ends. */
  endTurn(): void {
    this.emit({ id: `sevt_end${Math.random()}`, type: "session.status_idle", stop_reason: { type: "end_turn" } });
  }

  emit(event: FakeEvent): void {
    const processed = { processed_at: new Date().toISOString(), ...event };
    this.#events.push(processed);
    for (const stream of this.#streams) stream.write(`event: ${event.type}\ndata: ${JSON.stringify(processed)}\n\n`);
  }

  /** Cuts every open stream, as a network does. */
  cut(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  /** Resolves with the result of a call, once it was accepted. */
  async result(id: string): Promise<{ text: string; is_error: boolean | undefined }> {
    for (;;) {
      const found = this.results.find((result) => (result.custom_tool_use_id ?? result.tool_use_id) === id);
      if (found) return { text: found.content.map(({ text }) => text).join(""), is_error: found.is_error };
      await sleep(5);
    }
  }

  /** Resolves once a request like this was seen. */
  async seen(pattern: RegExp): Promise<void> {
    while (!this.requests.some((request) => pattern.test(request))) await sleep(5);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? "/", "http://fake");
    this.requests.push(`${request.method} ${pathname}`);
    this.headers.push(request.headers);
    let text = "";
    for await (const chunk of request.setEncoding("utf8")) text += chunk;
    const body = text === "" ? undefined : JSON.parse(text);
    const route = routeOf(request.method ?? "", pathname, this.#ids);
    if (route === undefined) return json(response, 404, error("not_found_error", pathname));
    if (route === "send") this.attempts.push(...body.events);
    const fault = this.fault(route, body);
    if (fault) return json(response, fault.status, fault.body ?? error("invalid_request_error", "a fault of the test"));
    switch (route) {
      case "heartbeat":
        this.heartbeats++;
        return json(response, 200, {
          type: "work_heartbeat",
          last_heartbeat: new Date().toISOString(),
          ...this.heartbeat,
        });
      case "stop":
        this.stops++;
        return json(response, 200, { id: this.#ids.workId, type: "work", state: "stopped" });
      case "session":
        return json(response, 200, {
          id: this.#ids.sessionId,
          type: "session",
          status: "running",
          agent: { type: "agent", skills: [], tools: [] },
          resources: [],
          metadata: {},
        });
      case "history":
        return json(response, 200, { data: this.#events, next_page: null });
      case "stream":
        response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
        this.#streams.add(response);
        response.on("close", () => this.#streams.delete(response));
        return;
      case "send":
        this.results.push(...body.events);
        json(response, 200, { data: body.events });
        for (const event of body.events) this.emit({ id: `sevt_result${Math.random()}`, ...event });
    }
  }
}

function error(type: string, message: string) {
  return { type: "error", error: { type, message } };
}

function json(response: ServerResponse, status: number, body: unknown): void {
  // Without it the SDK tries a 409 and others again, which only takes time here.
  response
    .writeHead(status, { "content-type": "application/json", "x-should-retry": "false" })
    .end(JSON.stringify(body));
}

/** Webhook endpoints of the workspace, and the sender (`contracts` §6). */
import { setTimeout as sleep } from "node:timers/promises";
import { Webhook } from "standardwebhooks";
import { type Clock, rfc3339 } from "./clock.ts";
import type { Faults } from "./faults.ts";
import type { Ids } from "./ids.ts";
import type { Knobs } from "./knobs.ts";

/** What an endpoint can subscribe to: of the SDK's union, the events that this server has a cause for. */
export const WEBHOOK_EVENTS = [
  "session.created",
  "session.updated",
  "session.running",
  "session.idled",
  "session.requires_action",
  "session.archived",
  "session.deleted",
  "session.status_run_started",
  "session.status_idled",
  "session.status_terminated",
  "environment.created",
  "environment.updated",
  "environment.archived",
  "environment.deleted",
  "agent.created",
  "agent.updated",
  "agent.archived",
] as const;
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

/** Part of the SDK's union and accepted in a subscription, but nothing here causes them. */
export const SILENT_WEBHOOK_EVENTS = [
  "session.pending",
  "session.budget_reached",
  "session.status_rescheduled",
  "session.thread_created",
  "session.thread_idled",
  "session.thread_terminated",
  "session.outcome_evaluation_ended",
] as const;

const ATTEMPTS = 3;
const BACKOFF_MS = [5_000, 120_000] as const;
const KEPT_DELIVERIES = 200;

/** One attempt to deliver one event. */
export interface Delivery {
  eventId: string;
  type: string;
  attempt: number;
  at: string;
  /** The answer's status, or why there was none. */
  outcome: number | "timeout" | "unreachable" | "dropped";
}

export interface WebhookEndpoint {
  id: string;
  url: string;
  events: readonly string[];
  secret: string;
  disabled: null | { reason: string; at: string };
  /** Since when nothing but failures came back, epoch ms. */
  failingSince: number | null;
  deliveries: Delivery[];
}

export interface WebhooksDeps {
  clock: Clock;
  ids: Ids;
  knobs: Knobs;
  faults: Faults;
  fetch: typeof fetch;
  log(message: string, fields?: Record<string, unknown>): void;
}

export class Webhooks {
  readonly #deps: WebhooksDeps;
  readonly #endpoints = new Map<string, WebhookEndpoint>();
  readonly #closing = new AbortController();
  readonly #inFlight = new Set<Promise<void>>();

  constructor(deps: WebhooksDeps) {
    this.#deps = deps;
  }

  /** The secret is URL-safe base64, as the Console gives it: TypeScript's verifier refuses its `-` and `_` as they are. */
  register(url: string, events: readonly string[]): WebhookEndpoint {
    const endpoint: WebhookEndpoint = {
      id: this.#deps.ids.next("wh"),
      url,
      events,
      secret: this.#deps.ids.secret("whsec_", 32),
      disabled: null,
      failingSince: null,
      deliveries: [],
    };
    this.#endpoints.set(endpoint.id, endpoint);
    return endpoint;
  }

  get(id: string): WebhookEndpoint | undefined {
    return this.#endpoints.get(id);
  }

  list(): WebhookEndpoint[] {
    return [...this.#endpoints.values()];
  }

  remove(id: string): boolean {
    return this.#endpoints.delete(id);
  }

  /** What was emitted while it was disabled stays lost. */
  enable(endpoint: WebhookEndpoint): void {
    endpoint.disabled = null;
    endpoint.failingSince = null;
  }

  /** Sends the event to every endpoint that is subscribed now, at once and independently. */
  emit(type: WebhookEvent, resourceId: string): void {
    const event = {
      type: "event",
      id: this.#deps.ids.next("whe"),
      created_at: rfc3339(this.#deps.clock.wall()),
      data: { type, id: resourceId, organization_id: "org_01Local", workspace_id: "wrkspc_01Local" },
    };
    const body = JSON.stringify(event);
    for (const endpoint of this.#endpoints.values()) {
      if (endpoint.disabled || !endpoint.events.includes(type)) continue;
      const copies = this.#deps.faults.takeWebhook("webhook_duplicate", type) ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) this.#track(this.#deliver(endpoint, type, event.id, body));
    }
  }

  /** Resolves when no delivery is under way, retries included. */
  async settled(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
  }

  /** Drops what is under way. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.settled();
  }

  #track(delivery: Promise<void>): void {
    const tracked = delivery
      .catch((error) => {
        if (!this.#closing.signal.aborted) this.#deps.log("webhook delivery failed", { error: String(error) });
      })
      .finally(() => this.#inFlight.delete(tracked));
    this.#inFlight.add(tracked);
  }

  async #deliver(endpoint: WebhookEndpoint, type: string, eventId: string, body: string): Promise<void> {
    const delayed = this.#deps.faults.takeWebhook("webhook_delay", type);
    if (delayed?.type === "webhook_delay") await sleep(delayed.ms, undefined, { signal: this.#closing.signal });
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      if (attempt > 1) {
        const [least, most] = BACKOFF_MS;
        const backoff = (least + Math.random() * (most - least)) * this.#deps.knobs.webhookBackoffScale;
        await sleep(backoff, undefined, { signal: this.#closing.signal });
      }
      if (endpoint.disabled || !this.#endpoints.has(endpoint.id)) return;
      const outcome = this.#deps.faults.takeWebhook("webhook_drop", type)
        ? ("dropped" as const)
        : await this.#attempt(endpoint, eventId, body);
      this.#record(endpoint, { eventId, type, attempt, at: rfc3339(this.#deps.clock.wall()), outcome });
      if (this.#judge(endpoint, outcome)) return;
    }
  }

  async #attempt(endpoint: WebhookEndpoint, eventId: string, body: string): Promise<Delivery["outcome"]> {
    const stamp = new Date(this.#deps.clock.wall());
    const key = endpoint.secret.slice("whsec_".length).replaceAll("-", "+").replaceAll("_", "/");
    const timeout = AbortSignal.timeout(this.#deps.knobs.webhookTimeoutMs);
    try {
      const response = await this.#deps.fetch(endpoint.url, {
        method: "POST",
        body,
        redirect: "manual",
        headers: {
          "content-type": "application/json",
          "user-agent": "Anthropic/Webhooks",
          "webhook-id": eventId,
          "webhook-timestamp": String(Math.floor(stamp.getTime() / 1000)),
          "webhook-signature": new Webhook(key).sign(eventId, stamp, body),
        },
        signal: AbortSignal.any([timeout, this.#closing.signal]),
      });
      await response.body?.cancel();
      return response.status;
    } catch (error) {
      this.#closing.signal.throwIfAborted();
      if (timeout.aborted) return "timeout";
      this.#deps.log("webhook endpoint unreachable", { url: endpoint.url, error: String(error) });
      return "unreachable";
    }
  }

  /** @returns whether this delivery is over. */
  #judge(endpoint: WebhookEndpoint, outcome: Delivery["outcome"]): boolean {
    const now = this.#deps.clock.now();
    if (typeof outcome === "number" && outcome >= 200 && outcome < 300) {
      endpoint.failingSince = null;
      return true;
    }
    if (typeof outcome === "number" && outcome >= 300 && outcome < 400) {
      this.#disable(endpoint, `the endpoint answered with a redirect (${outcome})`);
      return true;
    }
    endpoint.failingSince ??= now;
    if (now - endpoint.failingSince >= this.#deps.knobs.webhookDisableAfterMs) {
      this.#disable(endpoint, "deliveries have only failed for too long");
      return true;
    }
    return false;
  }

  #disable(endpoint: WebhookEndpoint, reason: string): void {
    endpoint.disabled = { reason, at: rfc3339(this.#deps.clock.wall()) };
    this.#deps.log("webhook endpoint disabled", { url: endpoint.url, reason });
  }

  #record(endpoint: WebhookEndpoint, delivery: Delivery): void {
    endpoint.deliveries.push(delivery);
    if (endpoint.deliveries.length > KEPT_DELIVERIES) endpoint.deliveries.shift();
  }
}

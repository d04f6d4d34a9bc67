/** The work queue of all environments: claims, leases, stops (`contracts` §3). Lapses are applied whenever it is asked. */
import { EventEmitter, once } from "node:events";
import type { Clock } from "./clock.ts";
import { ApiError, conflict, notFound } from "./errors.ts";
import type { Ids } from "./ids.ts";
import type { Knobs } from "./knobs.ts";
import type { WorkItem } from "./work-item.ts";

const DEFAULT_RECLAIM_MS = 5000;
const WORKER_SEEN_MS = 30_000;
/** Bounds of `desired_ttl_seconds` are not documented; a clone of the API clamps to these. */
const TTL_BOUNDS = [10, 600] as const;

export interface PollOptions {
  /** 1 to 999: how long to wait for an item. Absent: do not wait. */
  blockMs?: number | undefined;
  reclaimOlderThanMs?: number | undefined;
  workerId?: string | undefined;
  signal?: AbortSignal | undefined;
}

export class WorkQueue {
  readonly #clock: Clock;
  readonly #ids: Ids;
  readonly #knobs: Knobs;
  readonly #sessionExists: (sessionId: string) => boolean;
  readonly #items = new Map<string, WorkItem>();
  readonly #polls = new Map<string, { workers: Map<string, number>; anonymousAt: number }>();
  readonly #arrivals = new EventEmitter().setMaxListeners(0);
  #seq = 0;
  #heartbeats = 0;

  constructor(o: { clock: Clock; ids: Ids; knobs: Knobs; sessionExists: (sessionId: string) => boolean }) {
    this.#clock = o.clock;
    this.#ids = o.ids;
    this.#knobs = o.knobs;
    this.#sessionExists = o.sessionExists;
  }

  /** Queues work for a session, unless an item of it is still live: the worker that serves it will see the events. */
  enqueueSession(environmentId: string, sessionId: string): void {
    this.#lapse();
    for (const item of this.#items.values()) {
      if (item.data.type !== "session" || item.data.id !== sessionId || item.state === "stopped") continue;
      item.wantedAgain = item.state === "stopping";
      return;
    }
    const id = this.#knobs.workIds === "session" ? sessionId : this.#ids.next("work");
    this.#add(id, environmentId, { type: "session", id: sessionId });
  }

  /** Queues an opaque item such as the platform's own probes. */
  enqueueHealthcheck(environmentId: string): WorkItem {
    const id = this.#ids.next("work");
    return this.#add(id, environmentId, { type: "healthcheck", id });
  }

  #add(id: string, environmentId: string, data: WorkItem["data"]): WorkItem {
    const now = this.#clock.now();
    const old = this.#items.get(id);
    if (old) old.replaced = true;
    this.#items.delete(id);
    const item: WorkItem = {
      seq: ++this.#seq,
      id,
      environmentId,
      data,
      state: "queued",
      metadata: {},
      createdAt: now,
      queuedAt: now,
      polledAt: null,
      claims: 0,
      acknowledgedAt: null,
      startedAt: null,
      latestHeartbeat: null,
      leaseUntil: null,
      desiredTtlSeconds: null,
      stopRequestedAt: null,
      stoppedAt: null,
      replaced: false,
      wantedAgain: false,
    };
    this.#items.set(id, item);
    this.#arrivals.emit(environmentId);
    return item;
  }

  /**
   * Claims the oldest waiting item, or one that was claimed longer than `reclaimOlderThanMs` ago and never acknowledged.
   *
   * @throws ApiError 404 when the item's session is gone; the entry is consumed, so the next poll may find another.
   */
  async poll(environmentId: string, o: PollOptions = {}): Promise<WorkItem | null> {
    const polls = this.#pollsOf(environmentId);
    if (o.workerId) polls.workers.set(o.workerId, this.#clock.now());
    else polls.anonymousAt = this.#clock.now();
    const found = this.#claim(environmentId, o);
    if (found || !o.blockMs) return found;
    const enough = AbortSignal.any([AbortSignal.timeout(o.blockMs), ...(o.signal ? [o.signal] : [])]);
    for (;;) {
      try {
        await once(this.#arrivals, environmentId, { signal: enough });
      } catch {
        // The wait is over. A claim for a caller who left would be lost to everyone until it is reclaimed.
        return o.signal?.aborted ? null : this.#claim(environmentId, o);
      }
      const item = o.signal?.aborted ? null : this.#claim(environmentId, o);
      if (item || enough.aborted) return item;
    }
  }

  #claim(environmentId: string, o: PollOptions): WorkItem | null {
    this.#lapse();
    const now = this.#clock.now();
    const reclaimBefore = now - (o.reclaimOlderThanMs ?? DEFAULT_RECLAIM_MS);
    const item = this.#queued(environmentId).find(({ polledAt }) => polledAt === null || polledAt <= reclaimBefore);
    if (!item) return null;
    if (item.data.type === "session" && !this.#sessionExists(item.data.id)) {
      this.#end(item);
      throw new ApiError(404, `EnvironmentInstance not found for session ${item.data.id}`);
    }
    item.polledAt = now;
    item.claims += 1;
    return item;
  }

  /** Takes the item out of the queue: `queued` to `starting`. Acknowledging twice changes nothing. */
  ack(environmentId: string, workId: string): WorkItem {
    const item = this.get(environmentId, workId);
    if (item.state === "queued") {
      if (item.polledAt === null)
        throw conflict(`Work item ${workId} has not been polled; poll it before acknowledging`);
      item.state = "starting";
      item.acknowledgedAt = this.#clock.now();
      item.leaseUntil = item.acknowledgedAt + this.#knobs.startTtlSeconds * 1000;
    } else if (item.state === "stopped") {
      throw conflict(`Work item ${workId} is already stopped`);
    }
    return item;
  }

  /**
   * Extends the lease when `expected` is the last heartbeat, or `NO_HEARTBEAT` and there was none; undefined skips the
   * comparison, as does an item that is stopping or stopped.
   *
   * @throws ApiError 412 `heartbeat_precondition_failed` with the state as the server holds it.
   */
  heartbeat(environmentId: string, workId: string, expected?: string, desiredTtlSeconds?: number): WorkItem {
    const item = this.get(environmentId, workId);
    if (item.state === "stopped") return item;
    if (item.state !== "stopping") {
      const unclaimed =
        item.state === "queued" && (this.#knobs.heartbeatBeforeAck === "refuse" || item.polledAt === null);
      const matches = expected === undefined || expected === (item.latestHeartbeat ?? "NO_HEARTBEAT");
      if (unclaimed || !matches) throw this.#preconditionFailed(item, expected);
      if (item.state !== "active") {
        item.state = "active";
        item.startedAt = this.#clock.now();
      }
    }
    const now = this.#clock.now();
    if (desiredTtlSeconds !== undefined) {
      item.desiredTtlSeconds = Math.min(Math.max(desiredTtlSeconds, TTL_BOUNDS[0]), TTL_BOUNDS[1]);
    }
    item.latestHeartbeat = this.#heartbeatStamp(now);
    item.leaseUntil = now + this.ttlSeconds(item) * 1000;
    return item;
  }

  /** Length of the item's lease. */
  ttlSeconds(item: WorkItem): number {
    return item.desiredTtlSeconds ?? this.#knobs.leaseTtlSeconds;
  }

  /** Microseconds that no two heartbeats share, so that an echo which was parsed and printed again does not match. */
  #heartbeatStamp(now: number): string {
    const micros = String(this.#heartbeats++ % 1000).padStart(3, "0");
    return new Date(now).toISOString().replace("Z", `${micros}+00:00`);
  }

  #preconditionFailed(item: WorkItem, expected: string | undefined): ApiError {
    return new ApiError(
      412,
      `expected_last_heartbeat is ${expected ?? "absent"}, but the lease of ${item.id} (${item.state}) says otherwise: ` +
        "another worker may hold it",
      {
        type: "invalid_request_error",
        details: {
          error_code: "heartbeat_precondition_failed",
          current_state: {
            state: item.state,
            ttl_seconds: this.ttlSeconds(item),
            last_heartbeat: item.latestHeartbeat,
            lease_extended: false,
          },
        },
      },
    );
  }

  /**
   * Asks the worker to stop, which it learns from its next heartbeat; `force`, or an item that nobody serves: stops it.
   *
   * @throws ApiError 409 when it is stopped already.
   */
  stop(environmentId: string, workId: string, force = false): WorkItem {
    const item = this.get(environmentId, workId);
    if (item.state === "stopped") throw conflict(`Work item ${workId} is already stopped`);
    const now = this.#clock.now();
    item.stopRequestedAt ??= now;
    if (force || item.state === "queued") {
      this.#end(item);
    } else {
      item.state = "stopping";
    }
    return item;
  }

  #end(item: WorkItem): void {
    item.state = "stopped";
    item.stoppedAt = this.#clock.now();
    item.leaseUntil = null;
    if (item.wantedAgain) this.enqueueSession(item.environmentId, item.data.id);
  }

  /** @throws ApiError 404 */
  get(environmentId: string, workId: string): WorkItem {
    this.#lapse();
    const item = this.#items.get(workId);
    if (item?.environmentId !== environmentId) throw notFound(`Work item ${workId}`);
    return item;
  }

  /** Every item of the environment, oldest first. */
  list(environmentId: string): WorkItem[] {
    this.#lapse();
    return [...this.#items.values()].filter((item) => item.environmentId === environmentId);
  }

  stats(environmentId: string): object {
    this.#lapse();
    const queued = this.#queued(environmentId);
    const waiting = queued.filter((item) => item.polledAt === null);
    const { workers, anonymousAt } = this.#pollsOf(environmentId);
    const since = this.#clock.now() - WORKER_SEEN_MS;
    const seen = [...workers.values()].filter((at) => at >= since).length;
    const oldest = queued[0];
    return {
      type: "work_queue_stats",
      depth: waiting.length,
      pending: queued.length - waiting.length,
      oldest_queued_at: oldest ? new Date(oldest.queuedAt).toISOString() : null,
      workers_polling: seen === 0 && anonymousAt >= since ? null : seen,
    };
  }

  #queued(environmentId: string): WorkItem[] {
    return [...this.#items.values()]
      .filter((item) => item.environmentId === environmentId && item.state === "queued")
      .sort((a, b) => a.queuedAt - b.queuedAt || a.seq - b.seq);
  }

  #pollsOf(environmentId: string) {
    let polls = this.#polls.get(environmentId);
    if (!polls) {
      polls = { workers: new Map(), anonymousAt: Number.NEGATIVE_INFINITY };
      this.#polls.set(environmentId, polls);
    }
    return polls;
  }

  /** An item whose lease ran out goes back to the queue for another worker; one that was stopping is stopped. */
  #lapse(): void {
    const now = this.#clock.now();
    for (const item of this.#items.values()) {
      if (item.leaseUntil === null || item.leaseUntil > now) continue;
      item.leaseUntil = null;
      if (item.state === "stopping") {
        this.#end(item);
        continue;
      }
      item.state = "queued";
      item.queuedAt = now;
      item.polledAt = item.acknowledgedAt = item.startedAt = item.latestHeartbeat = null;
      this.#arrivals.emit(item.environmentId);
    }
  }
}

/** One entry of an environment's work queue, and how the API shows it. */
import { rfc3339 } from "./clock.ts";
import type { Metadata } from "./metadata.ts";
import type { Positioned } from "./paging.ts";

export type WorkState = "queued" | "starting" | "active" | "stopping" | "stopped";

export interface WorkItem extends Positioned {
  id: string;
  environmentId: string;
  data: { type: "session" | "healthcheck"; id: string };
  state: WorkState;
  metadata: Metadata;
  /** Epoch ms, as all times here. */
  createdAt: number;
  /** When it was queued last: on creation, and again when a lease lapsed. */
  queuedAt: number;
  /** When a poll handed it out; null while it waits. */
  polledAt: number | null;
  /** How often it was handed out. */
  claims: number;
  acknowledgedAt: number | null;
  startedAt: number | null;
  /** The string that the next heartbeat must echo byte by byte. */
  latestHeartbeat: string | null;
  /** The end of the lease, while starting, active or stopping. */
  leaseUntil: number | null;
  /** What a heartbeat asked for, or null for the server's own lease. */
  desiredTtlSeconds: number | null;
  stopRequestedAt: number | null;
  stoppedAt: number | null;
  /** A newer item carries the same id now. */
  replaced: boolean;
  /** The session has something to run, but this item was stopping: its stop queues the next one. */
  wantedAgain: boolean;
}

const time = (ms: number | null) => (ms === null ? null : rfc3339(ms));

/** `secret` is only ever filled in by poll. `actor` is sent by the real API too, undocumented and personal. */
export const workToJson = (item: WorkItem, secret: string | null = null) => ({
  id: item.id,
  type: "work",
  environment_id: item.environmentId,
  data: item.data,
  state: item.state,
  metadata: item.metadata,
  secret,
  created_at: rfc3339(item.createdAt),
  acknowledged_at: time(item.acknowledgedAt),
  started_at: time(item.startedAt),
  latest_heartbeat_at: item.latestHeartbeat,
  stop_requested_at: time(item.stopRequestedAt),
  stopped_at: time(item.stoppedAt),
  actor: { type: "user", id: "user_01LocalPerson", name: "Pat Example", email_address: "pat.person@people.example" },
});

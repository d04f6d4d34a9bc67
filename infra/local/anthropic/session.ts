/** A session as the server keeps it, and how the API shows it (`contracts` §2.2). */
import type { AgentSnapshot } from "./agent-definition.ts";
import type { Playback } from "./brain.ts";
import { rfc3339 } from "./clock.ts";
import type { EventLog } from "./event-log.ts";
import type { Metadata } from "./metadata.ts";
import type { Positioned } from "./paging.ts";

export type SessionStatus = "idle" | "running" | "rescheduling" | "terminated";

/** A tool call that the session waits for. */
export interface PendingCall {
  type: "agent.custom_tool_use" | "agent.tool_use";
  /** It may only be answered after a `user.tool_confirmation` allowed it. */
  awaitsConfirmation: boolean;
}

export interface Session extends Positioned {
  id: string;
  /** The agent as it was on creation: later versions do not touch the session. */
  agent: AgentSnapshot;
  environmentId: string;
  /** Whether tool calls go to the environment's work queue. */
  selfHosted: boolean;
  title: string | null;
  metadata: Metadata;
  vaultIds: string[];
  budget: unknown;
  status: SessionStatus;
  createdAt: number;
  updatedAt: number;
  archivedAt: number | null;
  usage: { input_tokens: number; output_tokens: number };
  log: EventLog;
  /** Calls without a result, by the id of their event. */
  pending: Map<string, PendingCall>;
  /** Calls that need no result any more. */
  closed: Map<string, { by: "result" | "interrupt" | "denial"; type: PendingCall["type"] }>;
  /** Messages that arrived while the session was running, oldest first. */
  inbox: { id: string; type: string; [field: string]: unknown }[];
  playback: Playback | null;
  /** Text of the latest message: what the echo repeats. */
  lastMessage: string;
  /** Counts interrupts and ends: a brain that was thinking meanwhile drops what it thought. */
  generation: number;
}

export const sessionToJson = (session: Session) => ({
  id: session.id,
  type: "session",
  status: session.status,
  agent: session.agent,
  environment_id: session.environmentId,
  title: session.title,
  metadata: session.metadata,
  resources: [],
  vault_ids: session.vaultIds,
  outcome_evaluations: [],
  stats: { active_seconds: 0, duration_seconds: Math.max(0, (session.updatedAt - session.createdAt) / 1000) },
  usage: session.usage,
  budget: session.budget,
  created_at: rfc3339(session.createdAt),
  updated_at: rfc3339(session.updatedAt),
  archived_at: session.archivedAt === null ? null : rfc3339(session.archivedAt),
  deployment_id: null,
});

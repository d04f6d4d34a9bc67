/** Sandboxes and sessions as this server keeps them, and as the API shows them (contracts/vercel-sandbox-api.md §2.4). */
import type { NetworkPolicy } from "@vercel/sandbox";
import type { Firewall } from "../firewall/firewall.ts";
import type { Command } from "./command.ts";
import { DEFAULT_CWD } from "./disk.ts";
import type { StartedMachine } from "./host.ts";
import { redactPolicy, summarisePolicy } from "./policy-wire.ts";
import type { Snapshot } from "./snapshots.ts";

export const REGION = "iad1";
const MEMORY_PER_VCPU = 2048;

export type Status = "pending" | "running" | "stopping" | "stopped" | "failed" | "aborted" | "snapshotting";

/** One run of a machine. Times are epoch ms, durations ms. */
export interface Session {
  id: string;
  sandbox: Sandbox;
  status: Status;
  timeout: number;
  vcpus: number;
  policy: NetworkPolicy;
  requestedAt: number;
  startedAt?: number;
  requestedStopAt?: number;
  stoppedAt?: number;
  updatedAt: number;
  sourceSnapshotId?: string;
  snapshottedAt?: number;
  commands: Map<string, Command>;
  /** While it runs. */
  live?: { started: StartedMachine; firewall: Firewall; disarm(): void };
  /** The stop under way, so that everybody waits for the same one. */
  ending?: Promise<Snapshot | undefined>;
}

/** A named sandbox, which outlives its sessions. */
export interface Sandbox {
  name: string;
  projectId: string;
  persistent: boolean;
  timeout: number;
  vcpus: number;
  policy: NetworkPolicy;
  env: Record<string, string>;
  tags: Record<string, string> | undefined;
  runtime?: string;
  image?: string;
  snapshotExpiration?: number;
  keepLastSnapshots?: { count: number; expiration?: number; deleteEvicted?: boolean };
  sourceSnapshotId?: string;
  currentSnapshotId?: string;
  createdAt: number;
  updatedAt: number;
  statusUpdatedAt: number;
  session: Session;
}

export function showSession(session: Session) {
  const { id, status, timeout, vcpus, requestedAt, updatedAt } = session;
  return {
    id,
    status,
    timeout,
    vcpus,
    memory: vcpus * MEMORY_PER_VCPU,
    region: REGION,
    runtime: session.sandbox.runtime,
    requestedAt,
    createdAt: requestedAt,
    updatedAt,
    startedAt: session.startedAt,
    requestedStopAt: session.requestedStopAt,
    stoppedAt: session.stoppedAt,
    snapshottedAt: session.snapshottedAt,
    duration: session.stoppedAt !== undefined ? session.stoppedAt - (session.startedAt ?? requestedAt) : undefined,
    sourceSnapshotId: session.sourceSnapshotId,
    cwd: DEFAULT_CWD,
    networkPolicy: redactPolicy(session.policy),
  };
}

export function showSandbox(sandbox: Sandbox) {
  const { name, persistent, timeout, vcpus, tags, createdAt, updatedAt, statusUpdatedAt, session } = sandbox;
  return {
    name,
    persistent,
    timeout,
    vcpus,
    memory: vcpus * MEMORY_PER_VCPU,
    region: REGION,
    runtime: sandbox.runtime,
    image: sandbox.image,
    networkPolicy: summarisePolicy(sandbox.policy),
    createdAt,
    updatedAt,
    statusUpdatedAt,
    currentSessionId: session.id,
    currentSnapshotId: sandbox.currentSnapshotId,
    status: session.status,
    cwd: DEFAULT_CWD,
    tags,
    snapshotExpiration: sandbox.snapshotExpiration,
    keepLastSnapshots: sandbox.keepLastSnapshots,
  };
}

export function showCommand({ id, name, args, cwd, sessionId, exitCode, durationMs, startedAt }: Command) {
  return { id, name, args, cwd, sessionId, exitCode, durationMs, startedAt };
}

export function showSnapshot(snapshot: Snapshot) {
  const { projectId: _project, sandbox: _sandbox, digest: _digest, ...shown } = snapshot;
  return { ...shown, region: REGION };
}

/**
 * `GET /api/health`: what this deployment is made of, for the stack's `EgressPolicy` to read back and for people.
 * Anybody may read it: it holds digests, ids and which gates are open, and no secret.
 */
import { answer } from "./answer.ts";
import type { Config } from "./config.ts";
import { type GateState, gate } from "./gates.ts";
import type { SnapshotState } from "./snapshot-watch.ts";

/** Body of a health answer. */
export interface Health {
  /** `ok`: serves. `waiting`: a gate is open. `refusing`: something is wrong with the deployment; `problem` says what. */
  readonly status: "ok" | "waiting" | "refusing";
  readonly problem?: string;
  /** Digest of the lock in this bundle: the policy that is really enforced. */
  readonly policyDigest: string;
  readonly runnerDigest: string;
  readonly snapshotId: string;
  /** Whether the snapshot still exists; looked up at most once a minute, and no reason for another status. */
  readonly snapshot: SnapshotState["snapshot"];
  /** RFC 3339; absent when it does not expire or is not known. */
  readonly snapshotExpiresAt?: string;
  readonly environmentId: string;
  readonly gates: { readonly environmentKey: GateState; readonly webhookSigningKey: GateState };
}

/** The health of a deployment. 200 also while gates are open; 503 when it refuses to serve. */
export function handleHealth(
  config: Config,
  policyDigest: string,
  problem: string | undefined,
  { snapshot, expiresAt }: SnapshotState,
): Response {
  const gates = { environmentKey: gate(config.environmentKey), webhookSigningKey: gate(config.webhookSigningKey) };
  const waiting = Object.values(gates).includes("open");
  const health: Health = {
    status: problem !== undefined ? "refusing" : waiting ? "waiting" : "ok",
    ...(problem !== undefined ? { problem } : {}),
    policyDigest,
    runnerDigest: config.runnerDigest,
    snapshotId: config.snapshotId,
    snapshot,
    ...(expiresAt !== undefined ? { snapshotExpiresAt: expiresAt.toISOString() } : {}),
    environmentId: config.environmentId,
    gates,
  };
  return answer(problem === undefined ? 200 : 503, health);
}

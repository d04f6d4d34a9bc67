/**
 * Whether the snapshot that sessions start from still exists. Snapshots expire (traps.md 40), and that is to be found
 * before work is claimed, not by a claim that then fails.
 */
import { statusOf } from "./anthropic.ts";
import { errorMessage, type Log } from "./log.ts";

/** What is known of the snapshot. `unknown`: the API could not be asked. */
export interface SnapshotState {
  readonly snapshot: "present" | "missing" | "unknown";
  /** When it will expire, where it does. */
  readonly expiresAt?: Date;
}

/** The part of a snapshot that is looked at; `Snapshot` of `@vercel/sandbox` has it. */
export interface SnapshotLike {
  /** `created`: usable. `deleted` and `failed` are not. */
  readonly status: string;
  readonly expiresAt: Date | undefined;
}

/** Looks at the snapshot, at most once every {@link FRESH_MS} an instance. */
export interface SnapshotWatch {
  /** Never rejects. */
  look(): Promise<SnapshotState>;
}

/** How long an answer holds, in ms: short, for a snapshot may be deleted; long enough that deliveries stay cheap. */
export const FRESH_MS = 60_000;

/** Longer than this nobody waits, in ms: a health check must stay quick. */
const LOOK_LIMIT_MS = 3000;

/**
 * Makes the watch of one instance.
 *
 * @param o.get fetches the snapshot; rejects with the API's status when there is none
 */
export function snapshotWatch(o: {
  get: (signal: AbortSignal) => Promise<SnapshotLike>;
  now: () => number;
  log: Log;
}): SnapshotWatch {
  let latest: { readonly at: number; readonly state: Promise<SnapshotState> } | undefined;

  async function ask(): Promise<SnapshotState> {
    try {
      const { status, expiresAt } = await o.get(AbortSignal.timeout(LOOK_LIMIT_MS));
      const expires = expiresAt === undefined ? {} : { expiresAt };
      return { snapshot: status === "created" ? "present" : "missing", ...expires };
    } catch (error) {
      const status = statusOf(error);
      if (status === 404 || status === 410) return { snapshot: "missing" };
      o.log.warn("snapshot.unknown", { status, error: errorMessage(error) });
      return { snapshot: "unknown" };
    }
  }

  return {
    async look() {
      const now = o.now();
      if (latest === undefined || now - latest.at >= FRESH_MS) latest = { at: now, state: ask() };
      const state = await latest.state;
      const expired = state.expiresAt !== undefined && state.expiresAt.getTime() <= now;
      return expired ? { ...state, snapshot: "missing" } : state;
    },
  };
}

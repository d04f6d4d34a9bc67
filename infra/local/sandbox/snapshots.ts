import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { ApiError, notFound } from "./api-error.ts";
import { measureDisk, removeDisk } from "./disk.ts";

/** A kept disk. Times are epoch ms. */
export interface Snapshot {
  id: string;
  sourceSessionId: string;
  /** Project and name of the sandbox it was taken of. */
  projectId: string;
  sandbox: string;
  status: "created" | "deleted";
  digest: string;
  sizeBytes: number;
  createdAt: number;
  updatedAt: number;
  /** Absent when it never expires. */
  expiresAt?: number;
  lastUsedAt?: number;
  creationMethod: "manual" | "auto";
}

/** Snapshots of one server, below a folder of its own. */
export interface SnapshotStore {
  /** Takes over the disk of a machine that has stopped. */
  keep(snapshot: Omit<Snapshot, "status" | "digest" | "sizeBytes" | "updatedAt">, disk: string): Promise<Snapshot>;
  /** @throws ApiError 404 */
  get(id: string): Snapshot;
  /**
   * Disk of a snapshot that can still be started.
   *
   * @throws ApiError 410 `snapshot_not_found` when it is unknown, deleted or expired.
   */
  disk(id: string): string;
  list(projectId: string, sandbox?: string): Snapshot[];
  delete(id: string): Promise<Snapshot>;
}

/** @param now Epoch ms. */
export function createSnapshotStore(folder: string, now: () => number): SnapshotStore {
  const all = new Map<string, Snapshot>();
  const diskOf = (id: string) => join(folder, id, "disk");

  function get(id: string): Snapshot {
    const snapshot = all.get(id);
    if (!snapshot) throw notFound(`Snapshot ${id}`);
    return snapshot;
  }

  return {
    get,
    async keep(details, disk) {
      await mkdir(join(folder, details.id), { recursive: true, mode: 0o700 });
      await rename(disk, diskOf(details.id));
      const measured = await measureDisk(diskOf(details.id));
      const snapshot: Snapshot = { ...details, ...measured, status: "created", updatedAt: now() };
      all.set(snapshot.id, snapshot);
      return snapshot;
    },
    disk(id) {
      const snapshot = all.get(id);
      const usable = snapshot?.status === "created" && (snapshot.expiresAt ?? Number.POSITIVE_INFINITY) > now();
      if (!usable) throw new ApiError(410, "snapshot_not_found", `Snapshot ${id} does not exist any more.`);
      snapshot.lastUsedAt = now();
      return diskOf(id);
    },
    list: (projectId, sandbox) =>
      [...all.values()].filter(
        (each) =>
          each.status === "created" &&
          each.projectId === projectId &&
          (sandbox === undefined || each.sandbox === sandbox),
      ),
    async delete(id) {
      const snapshot = get(id);
      snapshot.status = "deleted";
      snapshot.updatedAt = now();
      await removeDisk(diskOf(id));
      await rm(join(folder, id), { recursive: true, force: true });
      return snapshot;
    },
  };
}

/**
 * The lock that an EgressPolicy's state carries, so that the next plan can compare: packed, since nobody reads it there
 * and a plan should not be made longer by it. `base64 -d | gunzip` shows it.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { type Lock, parseLock } from "../../policies/engine/lock.ts";

/** Packs a lock for the state. */
export function packLock(lock: Lock): string {
  return gzipSync(JSON.stringify(lock), { level: 9 }).toString("base64");
}

/** The lock of the state; null where there is none, or none that this version reads. */
export function unpackLock(packed: string | undefined): Lock | null {
  if (packed === undefined) return null;
  try {
    return parseLock(JSON.parse(gunzipSync(Buffer.from(packed, "base64")).toString("utf8")));
  } catch {
    return null;
  }
}

/** The committed lock of an agent, if it is the one with this digest; null otherwise. */
export async function committedLock(projectDir: string, agent: string, digest: string): Promise<Lock | null> {
  try {
    const lock = parseLock(JSON.parse(await readFile(join(projectDir, "policies", `${agent}.lock.json`), "utf8")));
    return lock.digest === digest ? lock : null;
  } catch {
    return null;
  }
}

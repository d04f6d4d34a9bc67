import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Time between two looks at a lock that another process holds, in ms. */
const POLL_MS = 200;

/**
 * Holds `file` for this process; waits while a living process holds it. A lock whose holder is gone (killed midway) is
 * taken over. The holder is known by pid and start time, since pids are used again.
 *
 * @param {string} file
 * @param {(holder: number) => void} [onWait] called once with the pid that is waited for.
 * @returns {Promise<() => void>} releases the lock.
 */
export async function acquireLock(file, onWait) {
  mkdirSync(dirname(file), { recursive: true });
  const own = JSON.stringify({ pid: process.pid, started: startTime(process.pid) });
  const draft = `${file}.${process.pid}`;
  let announced = false;
  for (;;) {
    // Linked in whole: nobody ever sees a lock without its holder.
    writeFileSync(draft, own);
    try {
      linkSync(draft, file);
      rmSync(draft);
      return () => {
        if (read(file) === own) unlinkSync(file);
      };
    } catch (error) {
      rmSync(draft, { force: true });
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") throw error;
    }
    const held = read(file);
    if (held === undefined) continue;
    const holder = livingHolder(held);
    if (holder === undefined) {
      bury(file, held);
      continue;
    }
    if (!announced) onWait?.(holder);
    announced = true;
    await sleep(POLL_MS);
  }
}

/**
 * Removes a lock left behind, unless another process has replaced it since it was read.
 *
 * @param {string} file
 * @param {string} held
 */
function bury(file, held) {
  const grave = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, grave);
  } catch {
    return;
  }
  if (read(grave) !== held) {
    try {
      linkSync(grave, file);
    } catch {
      // A third one has it now.
    }
  }
  rmSync(grave, { force: true });
}

/**
 * @param {string} content
 * @returns {number | undefined} pid
 */
function livingHolder(content) {
  /** @type {{ pid?: unknown, started?: unknown }} */
  let holder;
  try {
    holder = JSON.parse(content);
  } catch {
    return undefined;
  }
  const { pid, started } = holder;
  if (typeof pid !== "number") return undefined;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EPERM") return undefined;
  }
  return started === startTime(pid) ? pid : undefined;
}

/**
 * When the process started, in ticks since boot (field 22 of /proc/<pid>/stat); undefined where there is no /proc.
 *
 * @param {number} pid
 */
function startTime(pid) {
  const stat = read(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

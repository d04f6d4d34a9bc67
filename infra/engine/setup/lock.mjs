import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Time between two looks at a lock that another process holds, in ms. */
const POLL_MS = 200;

/**
 * @typedef {object} Lock
 * @property {() => void} release
 * @property {(pid: number) => void} keepFor a process that this one has started and that must have ended, too, before
 * anybody else gets the lock: it goes on when this one is killed.
 */

/**
 * Holds `file` for this process; waits while a living process holds it. A lock whose holders are gone (killed midway)
 * is taken over. A holder is known by pid and start time, since pids are used again.
 *
 * @param {string} file
 * @param {(holder: number) => void} [onWait] called once with the pid that is waited for.
 * @returns {Promise<Lock>}
 */
export async function acquireLock(file, onWait) {
  mkdirSync(dirname(file), { recursive: true });
  const holders = [holder(process.pid)];
  const draft = `${file}.${process.pid}`;
  let own = JSON.stringify(holders);
  let announced = false;
  for (;;) {
    // Linked in whole: nobody ever sees a lock without its holder.
    writeFileSync(draft, own);
    try {
      linkSync(draft, file);
      rmSync(draft);
      break;
    } catch (error) {
      rmSync(draft, { force: true });
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") throw error;
    }
    const held = read(file);
    if (held === undefined) continue;
    const living = livingHolder(held);
    if (living === undefined) {
      bury(file, held);
      continue;
    }
    if (!announced) onWait?.(living);
    announced = true;
    await sleep(POLL_MS);
  }
  return {
    release() {
      if (read(file) === own) unlinkSync(file);
    },
    keepFor(pid) {
      holders.push(holder(pid));
      own = JSON.stringify(holders);
      writeFileSync(draft, own);
      renameSync(draft, file);
    },
  };
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
  try {
    const holders = /** @type {ReturnType<typeof holder>[]} */ (JSON.parse(content));
    return holders.find(({ pid, started }) => isRunning(pid) && startTime(pid) === started)?.pid;
  } catch {
    return undefined;
  }
}

/** @param {number} pid */
function holder(pid) {
  return { pid, started: startTime(pid) };
}

/** @param {number} pid */
function isRunning(pid) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM";
  }
  // One that has ended and that nobody has asked about (an orphan where process 1 does not care) still has its pid.
  return statFields(pid)?.[0] !== "Z";
}

/**
 * When the process started, in ticks since boot; undefined where there is no /proc.
 *
 * @param {number} pid
 */
function startTime(pid) {
  return statFields(pid)?.[19];
}

/**
 * /proc/<pid>/stat from the third field, the state, on.
 *
 * @param {number} pid
 */
function statFields(pid) {
  const stat = read(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/**
 * What set-up remembers of one step: what it was done for, and the files whose state tells that it still holds.
 *
 * @typedef {object} StepStamp
 * @property {string} key changes with anything that the step depends on.
 * @property {Record<string, string | null>} witnesses file → size and modification time, null when it was not there.
 */

/**
 * @param {string} file
 * @returns {Record<string, StepStamp>} by step; empty when there is none, or none that can be read.
 */
export function readStamps(file) {
  try {
    const stamps = JSON.parse(readFileSync(file, "utf8"));
    return stamps && typeof stamps === "object" ? stamps : {};
  } catch {
    return {};
  }
}

/**
 * @param {string} file
 * @param {Record<string, StepStamp>} stamps
 */
export function writeStamps(file, stamps) {
  replaceFile(file, `${JSON.stringify(stamps, null, 2)}\n`);
}

/**
 * @param {StepStamp | undefined} stamp
 * @param {string} key
 */
export function holds(stamp, key) {
  return (
    stamp?.key === key &&
    stamp.witnesses !== undefined &&
    Object.entries(stamp.witnesses).every(([file, state]) => stateOf(file) === state)
  );
}

/**
 * @param {string} key
 * @param {readonly string[]} files
 * @returns {StepStamp}
 */
export function stampOf(key, files) {
  return { key, witnesses: Object.fromEntries(files.map((file) => [file, stateOf(file)])) };
}

/** @param {string} file */
function stateOf(file) {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat ? `${stat.size} ${Math.trunc(stat.mtimeMs)}` : null;
}

/**
 * Writes a file whole or not at all.
 *
 * @param {string} file
 * @param {string} content
 * @param {number} [mode]
 */
export function replaceFile(file, content, mode = 0o644) {
  mkdirSync(dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, content, { mode });
  renameSync(draft, file);
}

/** @param {readonly (string | Buffer)[]} parts */
export function digest(...parts) {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest("hex").slice(0, 16);
}

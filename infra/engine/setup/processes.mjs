import { spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join, sep } from "node:path";

/**
 * @typedef {object} RunOptions
 * @property {string} [cwd]
 * @property {Record<string, string | undefined>} [env]
 * @property {number} [timeoutMs] the process is killed after this time; the result says so.
 * @property {(pid: number) => void} [onStart] with the pid, of a process whose work must not be started twice.
 * @property {(line: string) => void} [onLine] each line of either stream, as it comes.
 *
 * @typedef {object} RunResult
 * @property {number | null} code null when a signal ended it or it could not be started.
 * @property {string} output both streams in the order they came.
 * @property {boolean} timedOut
 */

/** Output kept of one process, in characters: enough for any message, not for a compiler that goes mad. */
const KEPT_CHARACTERS = 200_000;

/**
 * Runs a program to its end. Never throws: a program that is missing has code null and says so in `output`.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<RunResult>}
 */
export function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: options.cwd, env: options.env, stdio: ["ignore", "pipe", "pipe"] });
    if (child.pid !== undefined) options.onStart?.(child.pid);
    let output = "";
    let timedOut = false;
    const timer =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true;
            child.kill("SIGKILL");
          }, options.timeoutMs);
    // A set-up that is asked to end must not leave a build behind that goes on for minutes.
    const stop = () => child.kill("SIGTERM");
    process.once("exit", stop);
    for (const stream of [child.stdout, child.stderr]) {
      let rest = "";
      stream.setEncoding("utf8");
      stream.on("data", (chunk) => {
        output = (output + chunk).slice(-KEPT_CHARACTERS);
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) options.onLine?.(line);
      });
    }
    const settle = (/** @type {number | null} */ code) => {
      clearTimeout(timer);
      process.off("exit", stop);
      resolve({ code, output: output.trim(), timedOut });
    };
    child.on("error", (error) => {
      output += `${error.message}\n`;
      settle(null);
    });
    child.on("close", (code) => settle(code));
  });
}

/**
 * The executable files called `name` on a PATH, in its order.
 *
 * @param {string} name
 * @param {string | undefined} path
 * @param {readonly string[]} [without] folders whose content is left out, with all below them.
 */
export function onPath(name, path, without = []) {
  return (path ?? "")
    .split(delimiter)
    .filter((folder) => folder !== "" && !without.some((left) => folder === left || folder.startsWith(left + sep)))
    .map((folder) => join(folder, name))
    .filter(isExecutable);
}

/** @param {string} file */
export function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

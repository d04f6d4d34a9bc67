/**
 * What a person reads while set-up works. Everything goes to standard error: standard output belongs to the verb that
 * follows (`npm run -s local -- --json` prints one line there).
 *
 * @typedef {object} Report
 * @property {(step: string, text: string) => void} begin a step starts something that takes time.
 * @property {(text: string) => void} progress where it is.
 * @property {(step: string, text: string, ms: number) => void} done
 * @property {(step: string, text: string) => void} note something to know that stops nothing.
 */

/** Width of the column of step names. */
const NAME_WIDTH = 16;

/**
 * @param {(text: string) => void} write
 * @returns {Report}
 */
export function report(write) {
  let headed = false;
  const line = (/** @type {string} */ name, /** @type {string} */ text) => {
    if (!headed) write("Setting up. This is done once; the next time takes no time.\n");
    headed = true;
    write(`  ${name.padEnd(NAME_WIDTH)}${text.replaceAll("\n", `\n  ${" ".repeat(NAME_WIDTH)}`)}\n`);
  };
  return {
    begin: (step, text) => line(step, `${text} …`),
    progress: (text) => line("", text),
    done: (step, text, ms) => line(step, ms < 1000 ? text : `${text} (${duration(ms)})`),
    note: line,
  };
}

/** @param {number} ms */
export function duration(ms) {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Time between two signs of life of something that takes long, in ms. */
const HEARTBEAT_MS = 10_000;

/**
 * Says every ten seconds how long something has been going on, and where it is.
 *
 * @template T
 * @param {Report} to
 * @param {() => string} where
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withHeartbeat(to, where, work) {
  const started = Date.now();
  const timer = setInterval(() => to.progress(`${duration(Date.now() - started)}: ${where()}`), HEARTBEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

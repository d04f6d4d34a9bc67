import { acquireLock } from "./lock.mjs";
import { report } from "./report.mjs";
import { holds, readStamps, stampOf, writeStamps } from "./stamp.mjs";

/**
 * One thing that set-up puts in place.
 *
 * @typedef {object} Step
 * @property {string} name as a person reads it.
 * @property {() => string} key changes with anything that what is in place depends on. Cheap: it is asked every time.
 * @property {(report: import("./report.mjs").Report, keepFor: (pid: number) => void) => Promise<Done>} ensure looks what is there and does what is
 * missing. Must leave nothing half done that a later run takes for done, whenever it is killed. Throws SetupError when
 * it cannot succeed. A long-running process that it starts goes to `keepFor`: when set-up is killed, the next one waits
 * for what the process still does.
 *
 * @typedef {object} Done
 * @property {string} text what is in place now, for a person.
 * @property {readonly string[]} witnesses files whose size and modification time tell that it still is.
 */

/** A step that cannot succeed; the message ends with the command that fixes it. */
export class SetupError extends Error {
  /**
   * @param {string} what what happened, to which thing.
   * @param {string} fix one command, to be typed as it is.
   */
  constructor(what, fix) {
    super(`${what}\nTo fix it, run:\n\n    ${fix}\n`);
    this.name = "SetupError";
    this.fix = fix;
  }
}

/**
 * Puts everything in place that is not. When all is, it looks at a few files, starts nothing and prints nothing.
 *
 * Each step is remembered once it is done, so that a set-up that was killed midway goes on where it stopped. Two at
 * once: the second waits, then finds everything done.
 *
 * @param {object} options
 * @param {readonly Step[]} options.steps in order; a later one may use what an earlier one put in place.
 * @param {string} options.stamp file of the stamps.
 * @param {string} options.lock
 * @param {(text: string) => void} [options.write] where a person reads along; standard error by default.
 * @returns {Promise<boolean>} whether there was anything to do.
 */
export async function setUp({ steps, stamp, lock, write = (text) => process.stderr.write(text) }) {
  const missing = () => {
    const stamps = readStamps(stamp);
    return steps.filter((step) => !holds(stamps[step.name], step.key()));
  };
  if (missing().length === 0) return false;

  const to = report(write);
  const { release, keepFor } = await acquireLock(lock, (pid) =>
    to.note("waiting", `for another set-up of this checkout, or what one has left behind (process ${pid})`),
  );
  try {
    const rest = missing();
    for (const step of rest) {
      const started = Date.now();
      const { text, witnesses } = await step.ensure(to, keepFor);
      to.done(step.name, text, Date.now() - started);
      writeStamps(stamp, { ...readStamps(stamp), [step.name]: stampOf(step.key(), witnesses) });
    }
    return rest.length > 0;
  } finally {
    release();
  }
}

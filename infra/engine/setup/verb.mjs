import { spawn } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";
import { places } from "../places.mjs";
import { dependencies } from "./dependencies.mjs";
import { engine } from "./engine.mjs";
import { sandboxTools } from "./sandbox-tools.mjs";
import { SetupError, setUp } from "./setup.mjs";
import { vercelPlugin } from "./vercel-plugin.mjs";

/** The oldest Node that set-up itself runs on; all else runs on the one of the lockfile. */
const OLDEST_NODE = 20;

const STEPS = { dependencies, engine, sandboxTools, vercelPlugin };

/** @typedef {keyof typeof STEPS} StepName */

/**
 * Puts in place what the verbs of this checkout need, and says so on standard error.
 *
 * @param {readonly StepName[]} [needs] everything by default.
 * @returns {Promise<boolean>} false when a step cannot succeed; the reader has been told the command that fixes it.
 */
export async function prepare(needs = /** @type {StepName[]} */ (Object.keys(STEPS))) {
  if (Number(process.versions.node.split(".")[0]) < OLDEST_NODE) {
    process.stderr.write(`Node ${OLDEST_NODE} or later is needed; this is ${process.version}. Run: nvm install 24\n`);
    return false;
  }
  // By default these end the process without its exit handlers, and a build would go on.
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) process.on(signal, interrupted);
  const at = places();
  try {
    await setUp({ steps: needs.map((name) => STEPS[name]()), stamp: at.stamp, lock: at.lock });
    return true;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`\nSet-up stopped: ${error.message}\n`);
    return false;
  } finally {
    for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) process.off(signal, interrupted);
  }
}

/** @param {NodeJS.Signals} signal */
function interrupted(signal) {
  process.exit(128 + constants.signals[signal]);
}

/**
 * Runs `scripts/<name>.ts` on the Node of the lockfile, whichever Node this is, and ends as it ends.
 *
 * @param {string} name
 * @param {readonly string[]} args
 */
export function runVerb(name, args) {
  const at = places();
  const child = spawn(at.node, [join(at.root, "scripts", `${name}.ts`), ...args], { stdio: "inherit" });
  // At a terminal the child gets Ctrl-C itself, and a second one would make Pulumi leave at once.
  const terminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
  process.on("SIGINT", () => terminal || child.kill("SIGINT"));
  for (const signal of /** @type {const} */ (["SIGTERM", "SIGHUP"])) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    process.stderr.write(`scripts/${name}.ts could not be started: ${error.message}\n`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => process.exit(code ?? 128 + (signal ? constants.signals[signal] : 0)));
}

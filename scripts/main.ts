/** What every verb does with its arguments and its errors. */
import { type ParseArgsConfig, parseArgs } from "node:util";

/**
 * Reads the command line. `--help` prints the usage and ends with 0; what is not understood is named, with the usage.
 *
 * @param code what that ends with; 2, unless 2 means something else to the verb.
 */
export function readArguments<const T extends ParseArgsConfig>(usage: string, config: T, code = 2) {
  if (process.argv.slice(2).includes("--help")) {
    process.stdout.write(`${usage}\n`);
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    // Node goes on with what to do about arguments that begin with a dash, which is not what happened.
    const [message] = (error as Error).message.split(". To specify");
    process.stderr.write(`${message}\n\n${usage}\n`);
    process.exit(code);
  }
}

/**
 * Runs a verb and ends with its exit code, or 1. What a user can cause is said in its own words, without a stack trace;
 * HANDRAIL_DEBUG=1 shows where it came from. A mistake of ours shows that by itself.
 */
export async function main(verb: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await verb();
  } catch (error) {
    const { message, stack } = error as Error;
    const ours = error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
    process.stderr.write(`${ours || process.env.HANDRAIL_DEBUG ? stack : message}\n`);
    process.exitCode = 1;
  }
}

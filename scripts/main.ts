/**
 * Runs a verb. What a user can cause is said in its own words, without a stack trace; `HANDRAIL_DEBUG=1` shows where it
 * came from. A wrong option also gets the usage, and exit code 2.
 */
export async function main(usage: string, verb: () => Promise<number | undefined>): Promise<void> {
  try {
    process.exitCode = await verb();
  } catch (error) {
    const { code, message, stack } = error as NodeJS.ErrnoException;
    const wrongArguments = code?.startsWith("ERR_PARSE_ARGS_") === true;
    process.stderr.write(`${process.env.HANDRAIL_DEBUG ? stack : message}\n`);
    if (wrongArguments) process.stderr.write(`\n${usage}\n`);
    process.exitCode = wrongArguments ? 2 : 1;
  }
}

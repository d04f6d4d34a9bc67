import type { CommandResult } from "../tool.ts";

/**
 * A command's end as text for the model. A command that fails is a result, not an error: Claude reads what the tests
 * said and goes on.
 */
export function describeResult({ exitCode, signal, output, omittedBytes }: CommandResult): string {
  const how = exitCode === null ? `ended by ${signal ?? "a signal"}` : `exit code ${exitCode}`;
  const omitted = omittedBytes > 0 ? `(the first ${omittedBytes} bytes of the output were left out)\n` : "";
  return `${omitted}${output === "" ? "(no output)" : output.trimEnd()}\n[${how}]`;
}

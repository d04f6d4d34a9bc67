import { z } from "zod";
import { defineTool } from "../tool.ts";
import { describeResult } from "./command-result.ts";

export const executeCommand = defineTool({
  name: "execute_command",
  description:
    "Runs a shell command (`sh -c`) in the workspace and returns its output and exit code; only the end of a long " +
    "output is kept. It has 100 seconds, no terminal and no input. What it starts in the background ends with it. The " +
    "network policy lets it read the package registry and nothing else.",
  kind: "command",
  network: "sandbox",
  rerun: "repeats",
  timeoutMs: 100_000,
  input: z.strictObject({
    command: z.string().min(1).max(32_768).describe("The command line, for sh."),
  }),
  run: async ({ command }, { run }) => describeResult(await run("sh", ["-c", command])),
});

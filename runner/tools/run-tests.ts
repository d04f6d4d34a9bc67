import { z } from "zod";
import { defineTool } from "../tool.ts";
import { describeResult } from "./command-result.ts";

export const runTests = defineTool({
  name: "run_tests",
  description:
    "Runs the workspace's tests (`node --test`) without any network. Returns their output and the exit code; only the " +
    "end of a long output is kept.",
  kind: "command",
  network: "none",
  rerun: "safe",
  timeoutMs: 90_000,
  input: z.strictObject({}),
  run: async (_input, { run }) => describeResult(await run("node", ["--test"])),
});

import { z } from "zod";
import { defineTool } from "../tool.ts";

export const listFiles = defineTool({
  name: "list_files",
  description:
    "Lists files and folders of the workspace, one path per line; folders end with a slash. Contents of .git and " +
    "node_modules are left out unless they are asked for by path.",
  kind: "file",
  network: "none",
  rerun: "safe",
  input: z.strictObject({
    path: z.string().min(1).max(4096).default(".").describe("Folder to list, relative to the workspace."),
    depth: z.int().min(1).max(8).default(3).describe("How many levels to go down."),
  }),
  async run({ path, depth }, { files }) {
    const { entries, truncated } = await files.list(path, depth);
    if (entries.length === 0) return "The folder is empty.";
    return truncated ? `${entries.join("\n")}\n(more entries were left out: list a folder below)` : entries.join("\n");
  },
});

import { z } from "zod";
import { defineTool } from "../tool.ts";

export const readFile = defineTool({
  name: "read_file",
  description:
    "Reads a text file of the workspace. Give a path relative to the workspace. Files above 256 KiB must be read in " +
    "parts: name the lines you want.",
  kind: "file",
  network: "none",
  rerun: "safe",
  input: z.strictObject({
    path: z.string().min(1).max(4096).describe("Path of the file, relative to the workspace."),
    from_line: z.int().min(1).optional().describe("First line to return, counted from 1."),
    to_line: z.int().min(1).optional().describe("Last line to return."),
  }),
  async run({ path, from_line, to_line }, { files }) {
    return files.read(path, { from: from_line, to: to_line });
  },
});

import { z } from "zod";
import { defineTool } from "../tool.ts";

export const writeFile = defineTool({
  name: "write_file",
  description:
    "Writes a text file of the workspace, whole: what was in it is replaced, missing folders are made. Up to 256 KiB.",
  kind: "file",
  network: "none",
  rerun: "safe",
  input: z.strictObject({
    path: z.string().min(1).max(4096).describe("Path of the file, relative to the workspace."),
    content: z.string().describe("The whole new content."),
  }),
  async run({ path, content }, { files }) {
    const bytes = await files.write(path, content);
    return `Wrote ${bytes} bytes to ${path}.`;
  },
});

/** The example agent: fixes a small repository for one customer, whose record it may read and annotate. */
import type { AgentDefinition } from "../agent-definition.ts";
import { addNote } from "../tools/add-note.ts";
import { executeCommand } from "../tools/execute-command.ts";
import { getCustomer } from "../tools/get-customer.ts";
import { listFiles } from "../tools/list-files.ts";
import { readFile } from "../tools/read-file.ts";
import { runTests } from "../tools/run-tests.ts";
import { writeFile } from "../tools/write-file.ts";

export const supportAgent = {
  name: "support",
  model: "claude-opus-5-5",
  system: [
    "You are a support engineer. You work on the repository in /workspace for one customer.",
    "Read the code and run its tests before you change anything, and run them again afterwards.",
    "Look the customer up before you decide what they need, and leave a note about what you did.",
    "You act for this one customer only: the tools look up no other.",
    "When a tool answers that the network policy refuses a request, say so and go on without it.",
  ].join("\n"),
  tools: [readFile, writeFile, listFiles, runTests, getCustomer, addNote, executeCommand],
} as const satisfies AgentDefinition;

import { expect, test } from "vitest";
import { sourceLine } from "./source-line.ts";

const SOURCE = `const registry = { host: "packages.example" };
export default definePolicy({
  tools: {
    get_customer: {
      kind: "api",
      allow: [
        { host: "api.crm.example", path: "/v1" },
      ],
    },
    "add-note": { kind: "api", allow: [{ host: "notes.example" }] },
  },
  sandbox: [registry],
  setup: [
    { host: "images.example" },
  ],
});
`;

test.each([
  ["get_customer", "run", "api.crm.example", 7],
  ["get_customer", "run", "gone.example", 4],
  ["add-note", "run", "notes.example", 10],
  ["sandbox", "run", "packages.example", 12],
  ["sandbox", "setup", "images.example", 14],
  ["gone", "run", "api.crm.example", 7],
  ["gone", "run", "gone.example", 1],
] as const)("a change of %s in %s at %s is shown at its line", (principal, phase, host, line) => {
  expect(sourceLine(SOURCE, { principal, phase, host })).toBe(line);
});

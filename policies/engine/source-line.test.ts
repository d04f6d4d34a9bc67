import { expect, test } from "vitest";
import { sourceLine } from "./source-line.ts";

const source = `import { definePolicy } from "./engine/define.ts";
const registry = { host: "packages.example", methods: ["GET"] } as const;
const both = [
  registry,
  registry,
];

export default definePolicy({
  agent: "desk",
  tools: {
    "read-file": { kind: "file", network: "none" },
    lookup: {
      kind: "api",
      network: "own",
      allow: [
        { host: "a.example.com", methods: ["GET"] },
        {
          host: "b.example.com",
          methods: ["GET"],
        },
        ...both,
        ...gitRead("github.example/acme/app"),
      ],
    },
    push: { kind: "api", network: "own", allow: gitWrite("github.example/acme/app") },
  },
  sandbox: [registry],
  setup: [
    ...gitRead("github.example/acme/app"),
    registry,
  ],
});
`;

test.each([
  ["agent", 9],
  ['tools["read-file"]', 11],
  ["tools.lookup", 12],
  ["tools.lookup.allow[0]", 16],
  ["tools.lookup.allow[1]", 17],
  ["tools.lookup.allow[1].host", 18],
  ["tools.lookup.allow[2]", 4],
  ["tools.lookup.allow[3].host", 2],
  ["tools.lookup.allow[4]", 22],
  ["tools.lookup.allow[6]", 22],
  ["tools.push.allow[2]", 25],
  ["sandbox[0]", 27],
  ["setup[1]", 28],
  ["supervisor[0]", null],
])("%s stands in line %s", (place, line) => expect(sourceLine(source, place)).toBe(line));

test("a file that defines no policy has no lines for it", () =>
  expect(sourceLine("export default {};", "agent")).toBeNull());

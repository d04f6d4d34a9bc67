import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compile } from "../engine/compile.ts";
import { definePolicy } from "../engine/define.ts";
import { checkPlaces, toolPlaces } from "./places.ts";
import { reviewDocument } from "./review-document.ts";
import { whoElse } from "./subsumption.ts";

const policy = definePolicy({
  agent: "example",
  credentials: { crm: { form: { type: "bearer" }, source: { type: "secret", name: "crmToken" } } },
  tools: {
    read: { kind: "file", network: "none" },
    write: { kind: "file", network: "none" },
    test: { kind: "command", network: "none" },
    shell: { kind: "command", network: "sandbox" },
    look_up: {
      kind: "api",
      network: "own",
      allow: [
        {
          methods: ["GET"],
          host: "api.crm.example",
          path: "/v1/orders/{order}",
          modelChooses: ["order"],
          query: ["page"],
          credential: "crm",
        },
      ],
    },
    annotate: { kind: "api", network: "own", allow: [{ methods: ["POST"], host: "notes.example", path: "/v1" }] },
  },
  sandbox: [{ methods: ["GET", "HEAD"], host: "*.mirror.example", reason: "mirrors are named by region | by date" }],
});
const lock = compile(policy);
const machine = { workspace: "/workspace", user: { name: "handrail", uid: 64001 } };
const tools = Object.keys(policy.tools).map((name) => ({ name, place: `runner/tools/${name}.ts:3` }));

test("the document, as a person reads it", async () => {
  const text = reviewDocument([{ file: "policies/example.policy.ts", lock, tools }], machine);
  await expect(text).toMatchFileSnapshot("fixtures/REVIEW.md");
});

test("the document has nothing that changes while its meaning stays", () => {
  const text = reviewDocument([{ file: "policies/example.policy.ts", lock, tools }], machine);
  expect(text).not.toMatch(/sha256:|[0-9a-f]{12}|\d{4}-\d\d-\d\d/);
});

describe("who else could use a tool", () => {
  const said = (tool: string) => whoElse(lock, tool, (name) => name).join("; ");

  test.each([
    [
      "a file tool: every command, which has its files",
      "read",
      /^shell, test: commands have every file.*; write: the same/,
    ],
    ["an isolated command: one with a network", "test", /^shell: can run the same program, and with a network/],
    ["a connected command: no isolated one by itself", "shell", /^not test, except by leaving a program/],
    ["an API tool: the supervisor and the other API tools", "look_up", /^the supervisor and annotate: one process/],
  ])("%s", (_, tool, words) => expect(said(tool)).toMatch(words));

  test("an API tool: no command and no file tool", () => {
    expect(said("look_up")).not.toMatch(/\b(?:read|write|test|shell)\b/);
  });
});

describe("places", () => {
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "handrail-places-"));
    await mkdir(join(root, "tools"));
    // The name in the text is another tool's: what counts is the export.
    await writeFile(join(root, "tools", "a.mjs.ts"), '// "second"\n\nexport const first = globalThis.places.first;\n');
    await writeFile(join(root, "tools", "b.ts"), "export const second = globalThis.places.second;\n");
    await writeFile(join(root, "tools", "b.test.ts"), "throw new Error('tests are not loaded');\n");
    Object.assign(globalThis, { places: all });
  });
  afterAll(() => rm(root, { recursive: true, force: true }));
  const all = { first: { name: "first" }, second: { name: "second" } };

  test("name the file and line of each tool's export", async () => {
    expect(await toolPlaces(root, "tools", [all.first, all.second])).toEqual({
      first: "tools/a.mjs.ts:3",
      second: "tools/b.ts:1",
    });
  });

  test("are refused when a tool is nobody's export", async () => {
    const tool = { name: "third" };
    await expect(toolPlaces(root, "tools", [tool])).rejects.toThrow(/third: no file in tools exports it/);
  });

  test("that the document relies on must be there", async () => {
    const claim = { file: "tools/b.ts", text: "export const second" };
    await checkPlaces(root, [claim]);
    await expect(checkPlaces(root, [claim, { ...claim, text: "gone" }])).rejects.toThrow(
      /tools\/b\.ts: REVIEW\.md relies on "gone" there/,
    );
  });
});

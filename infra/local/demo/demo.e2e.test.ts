import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { places } from "../../engine/places.mjs";
import { Narrator } from "./narrator.ts";
import { type Demo, runDemo } from "./run.ts";

const stateDir = mkdtempSync(join(tmpdir(), "handrail-demo-"));
let printed = "";
let demo: Demo;

beforeAll(async () => {
  const narrator = new Narrator({ write: (text) => (printed += stripVTControlCharacters(text)) });
  demo = await runDemo({ narrator, stateDir, nodeBinary: places().node });
}, 300_000);
afterAll(async () => {
  await demo?.close();
  rmSync(stateDir, { recursive: true, force: true });
});

test("every row of the proof holds", () => {
  expect(demo.result.rows.filter((row) => !row.held)).toEqual([]);
  expect(demo.result.rows.length).toBeGreaterThanOrEqual(19);
  expect(demo.result.held).toBe(true);
});

test("the task was worked by all seven tools, and every call has an answer", () => {
  expect(new Set(demo.result.answers.map((answer) => answer.name))).toEqual(
    new Set(["list_files", "read_file", "write_file", "run_tests", "execute_command", "get_customer", "add_note"]),
  );
});

test("the terminal tells who did what, and which gates were open", () => {
  expect(printed).toContain("gate open: environment key");
  expect(printed).toContain("gate open: webhook endpoint");
  expect(printed).toMatch(/claude +calls get_customer/);
  expect(printed).toMatch(/firewall +get_customer: GET https:\/\/api\.crm\.example\/v1\/customers\/\S+ → credentialed/);
  expect(printed).toMatch(/sandbox +run_tests result in \d+ ms/);
});

test("nothing of the run's secrets is printed", () => {
  expect(printed).not.toMatch(/sk-ant-oat01-|sk-ant-req-|crm_read_|crm_write_|whsec_[A-Za-z0-9]/);
});

/**
 * `npm test` and `npm run check`: format and lint, types, policies and their locks, tests. All of them, even when one
 * fails, and at the end how many passed: each of the first three counts as one. Arguments go to vitest
 * (`npm test -- policies/engine`).
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pc from "picocolors";
import { places } from "../infra/engine/places.mjs";
import { exitCode } from "../infra/engine/pulumi.ts";
import { type Count, countTests, total } from "./check/count.ts";

const { root } = places();
const modules = join(root, "node_modules");
const folder = mkdtempSync(join(tmpdir(), "handrail-check-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const report = join(folder, "vitest.json");
const node = (script: string, ...args: string[]) => [process.execPath, join(modules, script), ...args];
const checks: { name: string; command: string[]; count?: (code: number) => Count }[] = [
  { name: "format and lint", command: [join(modules, ".bin", "biome"), "check", "."] },
  { name: "types", command: node("typescript/bin/tsc", "--noEmit") },
  { name: "policies", command: [process.execPath, join(root, "scripts", "policy.ts"), "check"] },
  {
    name: "tests",
    command: node(
      "vitest/vitest.mjs",
      "run",
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${report}`,
      ...process.argv.slice(2),
    ),
    count: (code) => countTests(readJson(report), code),
  },
];

const counts: Count[] = [];
const lines: string[] = [];
for (const { name, command, count } of checks) {
  const [program = "", ...args] = command;
  process.stdout.write(`${pc.bold(name)}\n`);
  const started = Date.now();
  const code = await exitCode(spawn(program, args, { cwd: root, stdio: "inherit" })).catch((error: Error) => {
    process.stdout.write(`${error.message}\n`);
    return 1;
  });
  const result = count?.(code) ?? { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1 };
  counts.push(result);
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  if (name === "format and lint" && code !== 0)
    process.stdout.write("Formats, and mends what can be: npm run format\n");
  const mark = result.failed === 0 ? pc.green("passed") : pc.red("failed");
  lines.push(`  ${name.padEnd(18)}${mark}  ${pc.dim(`${seconds} s`)}`);
  process.stdout.write("\n");
}

const sum = total(counts);
process.stdout.write(`${lines.join("\n")}\n\n${sum.passed} passed, ${sum.failed} failed\n`);
process.exitCode = sum.failed === 0 ? 0 : 1;

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

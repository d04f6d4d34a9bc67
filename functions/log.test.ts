import { expect, test } from "vitest";
import { createLog } from "./log.ts";

test("a configured secret never reaches a log line, not even inside an error message or with JSON escapes", () => {
  const lines: string[] = [];
  const log = createLog(['quo"ted-secret', "plain-secret-value"], (line) => lines.push(line));
  log.error("failed", { message: 'the call with plain-secret-value and quo"ted-secret failed' });
  expect(JSON.parse(lines[0] ?? "")).toEqual({
    level: "error",
    event: "failed",
    message: "the call with [redacted] and [redacted] failed",
  });
});

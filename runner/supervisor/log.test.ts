import { expect, test } from "vitest";
import { createLog, createRedact } from "./log.ts";

test("a record is one line of JSON, and no ticket is in it wherever it was put", () => {
  const ticket = "0123456789abcdef0123456789abcdef";
  const lines: string[] = [];
  const log = createLog(
    (line) => lines.push(line),
    createRedact({ supervisor: ticket }),
    () => 0,
  );
  log("warn", "test.event", { error: new Error(`sent ${ticket}`), nested: { [ticket]: [`a${ticket}b`] } });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^\{.*\}\n$/);
  expect(JSON.parse(lines[0] ?? "")).toEqual({
    time: "1970-01-01T00:00:00.000Z",
    level: "warn",
    event: "test.event",
    error: "Error: sent [ticket of supervisor]",
    nested: { "[ticket of supervisor]": ["a[ticket of supervisor]b"] },
  });
});

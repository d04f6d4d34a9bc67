import { expect, test } from "vitest";
import { parseCron } from "./cron-schedule.ts";

test.for([
  ["* * * * *", "2026-11-21T10:07:00Z", true],
  ["*/15 * * * *", "2026-11-21T10:45:59Z", true],
  ["*/15 * * * *", "2026-11-21T10:46:00Z", false],
  ["5,10-12 8 * * *", "2026-11-21T08:11:00Z", true],
  ["5,10-12 8 * * *", "2026-11-21T08:13:00Z", false],
  ["10-30/10 * * * *", "2026-11-21T08:20:00Z", true],
  ["50/5 * * * *", "2026-11-21T08:55:00Z", true],
  ["0 0 1 1 *", "2027-01-01T00:00:30Z", true],
  ["0 12 * * 6", "2026-11-21T12:00:00Z", true],
  ["0 12 * * 0", "2026-11-21T12:00:00Z", false],
] as const)("%s is due at %s: %s", ([expression, at, due]) => {
  expect(parseCron(expression)(Date.parse(at))).toBe(due);
});

test.for([
  ["* * * *", /4 fields/],
  ["60 * * * *", /0-59/],
  ["* * 0 * *", /1-31/],
  ["* * * JAN *", /not a month/],
  ["* * 1 * 1", /both/],
  ["*/0 * * * *", /minute/],
  ["30-10 * * * *", /minute/],
] as const)("%s is refused with the reason", ([expression, reason]) => {
  expect(() => parseCron(expression)).toThrow(reason);
});

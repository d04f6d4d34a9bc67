import fc from "fast-check";
import { expect, test } from "vitest";
import { planDeadline } from "./deadline.ts";

test("an hour is used but for the last 45 seconds, and the item is let go with 20 left", () => {
  const hour = 3_600_000;
  expect(planDeadline(0, hour)).toEqual({ drainAt: hour - 45_000, abortAt: hour - 20_000, exitAt: hour - 2000 });
});

test("however short a run, calls end before the item, the item before the process, and all before the deadline", () => {
  fc.assert(
    fc.property(fc.integer({ min: 20 }), fc.nat(), (left, now) => {
      const { drainAt, abortAt, exitAt } = planDeadline(now, now + left);
      expect(now < drainAt && drainAt < abortAt && abortAt < exitAt && exitAt < now + left).toBe(true);
      expect(drainAt - now).toBeGreaterThanOrEqual(Math.floor(left / 2));
    }),
  );
});

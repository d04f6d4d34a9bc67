import { expect, it } from "vitest";
import { countTests, total } from "./count.ts";

const report = (over: object = {}) => ({
  success: true,
  numPassedTests: 5,
  numFailedTests: 0,
  testResults: [{ status: "passed", assertionResults: [{}] }],
  ...over,
});

it.each([
  ["everything passed", report(), 0, { passed: 5, failed: 0 }],
  ["tests failed", report({ success: false, numFailedTests: 2 }), 1, { passed: 5, failed: 2 }],
  [
    "a file could not be loaded",
    report({ success: false, testResults: [{ status: "failed", assertionResults: [] }] }),
    1,
    { passed: 5, failed: 1 },
  ],
  ["an error came up outside of any test", report(), 1, { passed: 5, failed: 1 }],
  ["vitest was killed before it could report", undefined, 137, { passed: 0, failed: 1 }],
])("when %s, the count says so", (_, json, code, expected) => {
  expect(countTests(json, code)).toEqual(expected);
});

it("adds up", () => {
  expect(
    total([
      { passed: 1, failed: 0 },
      { passed: 5, failed: 2 },
    ]),
  ).toEqual({ passed: 6, failed: 2 });
});

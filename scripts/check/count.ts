import { z } from "zod";

export interface Count {
  passed: number;
  failed: number;
}

/** What is used of vitest's `json` reporter; a file that could not even be loaded is a suite that failed without tests. */
const vitestReport = z.object({
  success: z.boolean(),
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  testResults: z.array(z.object({ status: z.string(), assertionResults: z.array(z.unknown()) })),
});

/**
 * How many tests passed and failed. Never fewer than one failure when vitest says that something was wrong: a file
 * that does not load, an error outside of any test, a run that was cut short.
 *
 * @param report what vitest's `json` reporter wrote; undefined when it wrote nothing.
 * @param code vitest's exit code.
 */
export function countTests(report: unknown, code: number): Count {
  const parsed = vitestReport.safeParse(report);
  if (!parsed.success) return { passed: 0, failed: 1 };
  const { success, numPassedTests, numFailedTests, testResults } = parsed.data;
  const notLoaded = testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0).length;
  const failed = numFailedTests + notLoaded;
  return { passed: numPassedTests, failed: failed === 0 && (!success || code !== 0) ? 1 : failed };
}

export function total(counts: readonly Count[]): Count {
  return counts.reduce((sum, { passed, failed }) => ({ passed: sum.passed + passed, failed: sum.failed + failed }), {
    passed: 0,
    failed: 0,
  });
}

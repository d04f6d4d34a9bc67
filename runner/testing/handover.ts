import type { Handover } from "../handover.ts";

/** A valid handover with some fields of the test's own. */
export function testHandover(fields: Partial<Handover> = {}): Handover {
  return {
    version: 1,
    environmentId: "env_1",
    workId: "sesn_1",
    sessionId: "sesn_1",
    anthropicBaseUrl: "https://api.anthropic.com",
    deadlineMs: Date.now() + 600_000,
    maxIdleMs: 50,
    variables: { session: "sesn_1", work: "sesn_1", environment: "env_1", customer: "cus_42" },
    tickets: { supervisor: "a".repeat(32), get_customer: "b".repeat(32), add_note: "c".repeat(32) },
    policyDigest: `sha256:${"0".repeat(64)}`,
    runnerDigest: `sha256:${"1".repeat(64)}`,
    ...fields,
  };
}

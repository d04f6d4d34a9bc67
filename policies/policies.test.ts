import { Sandbox } from "@vercel/sandbox";
import { describe, expect, test } from "vitest";
import { compile } from "./engine/compile.ts";
import { bindExample, runInlineTests } from "./engine/inline-tests.ts";
import { checkInvariants } from "./engine/invariants.ts";
import { lint } from "./engine/lint.ts";
import type { NetworkPolicy } from "./engine/network-policy.ts";
import { loadPolicies, staleLock } from "./engine/policy-files.ts";
import { checkUnreachable } from "./engine/unreachable.ts";
import invariants from "./invariants.ts";

const policies = await loadPolicies(import.meta.dirname);

const subjects = policies.map(({ policy }) => ({ policy, lock: compile(policy) }));

test("there is a policy", () => expect(policies).not.toEqual([]));

test.each(invariants.map((invariant) => [invariant.text, invariant] as const))("%s", (_, invariant) => {
  expect(checkInvariants([invariant], subjects)).toEqual([]);
});

describe.each(policies.map((file) => [file.policy.agent, file] as const))("policy %s", (_, file) => {
  test("its committed lock is current", async () => expect(await staleLock(file)).toBeNull());

  test.each(runInlineTests(file.policy))("$name → $expected", ({ failure }) => expect(failure).toBeNull());

  test.each(checkUnreachable({ policy: file.policy, lock: compile(file.policy) }))(
    "$name is unreachable",
    ({ failure }) => expect(failure).toBeNull(),
  );

  test("nothing in it never decides, changes nothing, or is held for nothing", () => {
    const findings = lint({ policy: file.policy, lock: compile(file.policy) });
    expect(findings.filter(({ level }) => level !== "note")).toEqual([]);
  });

  test.each(["run", "setup"] as const)("the SDK sends its %s policy as it is", async (phase) => {
    const { networkPolicy } = bindExample(file.policy, compile(file.policy), phase);
    expect(await sentBySdk(networkPolicy)).toEqual(networkPolicy === "deny-all" ? { mode: "deny-all" } : networkPolicy);
  });
});

test("the SDK's validator is asked: it refuses a rule that does nothing", async () => {
  await expect(sentBySdk({ allow: { "a.example": [{} as never] } })).rejects.toThrow(/must be provided/);
});

/** The policy in the body that `Sandbox.create` would send, once its own validation let it through. */
async function sentBySdk(networkPolicy: NetworkPolicy): Promise<unknown> {
  let body: { networkPolicy?: unknown } | undefined;
  const sent = new Error("sent");
  const creation = Sandbox.create({
    token: "token-of-a-test",
    teamId: "team_test",
    projectId: "prj_test",
    networkPolicy,
    fetch: async (_input, init) => {
      body = JSON.parse(String(init?.body));
      throw sent;
    },
  });
  const failure = await creation.then(
    () => null,
    (error: unknown) => error,
  );
  if (body === undefined) throw failure;
  return body.networkPolicy;
}

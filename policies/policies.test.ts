import { Sandbox } from "@vercel/sandbox";
import { describe, expect, test } from "vitest";
import { compile } from "./engine/compile.ts";
import { bindExample, runInlineTests } from "./engine/inline-tests.ts";
import type { NetworkPolicy } from "./engine/network-policy.ts";
import { loadPolicies, staleLock } from "./engine/policy-files.ts";

const policies = await loadPolicies(import.meta.dirname);

test("there is a policy", () => expect(policies).not.toEqual([]));

describe.each(policies.map((file) => [file.policy.agent, file] as const))("policy %s", (_, file) => {
  test("its committed lock is current", async () => expect(await staleLock(file)).toBeNull());

  test.each(runInlineTests(file.policy))("$name → $expected", ({ failure }) => expect(failure).toBeNull());

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

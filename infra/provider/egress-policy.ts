/**
 * EgressPolicy: what each principal may reach, as the deployed functions enforce it.
 *
 * It has no object of its own at Vercel: the policy is bundled into the functions, which bind it to every sandbox. The
 * resource claims that this policy is live, and holds only after the functions said so themselves.
 */
import { z } from "zod";
import { defineResource, type OperationContext } from "./definition.ts";
import { committedLock, packLock, unpackLock } from "./recorded-lock.ts";
import { networkProblem, settle } from "./settle.ts";

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, "must be a lock's digest: sha256: and 64 hex digits");

const inputs = z.strictObject({
  agent: z.string().min(1).describe("The agent whose policy it is: policies/<agent>.lock.json."),
  digest: digest.describe("Digest of the lock."),
  rules: z
    .record(z.string(), z.record(z.string(), z.string()))
    .describe("Principal → `METHOD host/path` → outcome in words. A map, so that a plan names what changes."),
  healthUrl: z
    .url({ protocol: /^https?$/, error: "must be the http(s) URL of the functions' /api/health" })
    .describe("Where the deployed functions report the digest that they enforce."),
});

const outputs = z.object({
  liveDigest: z.string().describe('What the functions reported last: a digest, or "unreachable".'),
  lock: z.string().optional().describe("The lock, gzip and base64: what the next plan is compared with."),
});

type Inputs = z.infer<typeof inputs>;
type Outputs = z.infer<typeof outputs>;

const health = z.looseObject({ policyDigest: z.string() });

/** Reported by `read` when nobody answers: the functions may be what the next `up` repairs, so it does not fail. */
const UNREACHABLE = "unreachable";

export const egressPolicy = defineResource<Inputs, Outputs>({
  type: "EgressPolicy",
  description: "The egress policy that the deployed functions enforce. Make it depend on their deployment.",
  inputs,
  outputs,
  replaceOn: [],
  deleteBeforeReplace: "unchanged",
  refreshBeforeUpdate: true,
  deadlines: { create: 120, read: 30, update: 120, delete: 30 },
  preview: (desired) => ({ liveDigest: desired.digest }),
  outdated: (state, desired) => (state.liveDigest === desired.digest ? [] : ["liveDigest"]),

  async explainChange(state, desired, context) {
    if (state.digest === desired.digest || !digest.safeParse(desired.digest).success) return;
    const before = unpackLock(state.lock);
    const after = await committedLock(context.projectDir, desired.agent, desired.digest);
    if (before === null || after === null) {
      const missing =
        before === null ? "the state holds no lock of an earlier up" : `${lockFile(desired)} is another lock`;
      context.log("warning", `what this change of the policy gives cannot be said here, since ${missing}: ${BY_HAND}`);
      return;
    }
    if (state.liveDigest !== before.digest) {
      const live = `the functions enforce ${state.liveDigest}, not what was recorded last`;
      context.log("warning", `${live}; the comparison is with what was recorded`);
    }
    // Loaded where a policy changes only: most operations need no comparison.
    const { describePolicyChange } = await import("./policy-change.ts");
    try {
      const { severity, message } = describePolicyChange(before, after);
      context.log(severity, message);
    } catch (error) {
      // A plan that cannot say it is still a plan; the gate of the pull request is what stops.
      const problem = error instanceof Error ? error.message : String(error);
      context.log("warning", `what this change of the policy gives could not be compared: ${problem}`);
    }
  },

  async create(desired, context) {
    return { id: `egress-${desired.agent}`, outputs: await whenLive(desired, context) };
  },

  async read(_id, state, context) {
    if (!state) {
      throw new Error("an EgressPolicy cannot be imported: it is made from the lock; declare it and run pulumi up");
    }
    const { agent, digest, rules, healthUrl } = state;
    const answer = await ask(healthUrl, context);
    return {
      inputs: { agent, digest, rules, healthUrl },
      outputs: { liveDigest: "policyDigest" in answer ? answer.policyDigest : UNREACHABLE, lock: state.lock },
    };
  },

  async update(_id, _state, desired, context) {
    return whenLive(desired, context);
  },

  // Goes with the functions.
  delete: async () => {},
});

const BY_HAND = "see `npm run -s policy -- compare git:<commit of the last up> policies`";

function lockFile({ agent }: Inputs): string {
  return `policies/${agent}.lock.json`;
}

async function whenLive(desired: Inputs, context: OperationContext): Promise<Outputs> {
  const liveDigest = await waitUntilLive(desired, context);
  const lock = await committedLock(context.projectDir, desired.agent, desired.digest);
  return { liveDigest, lock: lock === null ? undefined : packLock(lock) };
}

function waitUntilLive(desired: Inputs, context: OperationContext): Promise<string> {
  return settle<string>(context, async () => {
    const answer = await ask(desired.healthUrl, context);
    if ("policyDigest" in answer && answer.policyDigest === desired.digest) return { done: desired.digest };
    return {
      problem:
        "policyDigest" in answer
          ? `the functions at ${desired.healthUrl} enforce ${answer.policyDigest}, not ${desired.digest}: ` +
            "the deployment with this policy is not the one in production. Look at the project's production deployment"
          : `${desired.healthUrl} does not say which policy is enforced (${answer.problem}); ` +
            "look at the function's log, and whether the URL is the project's production domain",
    };
  });
}

async function ask(url: string, context: OperationContext): Promise<{ policyDigest: string } | { problem: string }> {
  try {
    const response = await context.fetch(url, {
      headers: { accept: "application/json" },
      redirect: "manual",
      signal: context.signal,
    });
    if (response.status >= 300 && response.status < 400) {
      await response.body?.cancel();
      return { problem: `it redirects with ${response.status}: Deployment Protection or another canonical domain` };
    }
    const body = health.safeParse(await response.json().catch(() => undefined));
    // An unhealthy answer may still name the digest, which is all that is asked here.
    return body.success ? { policyDigest: body.data.policyDigest } : { problem: `HTTP ${response.status}` };
  } catch (error) {
    context.signal.throwIfAborted();
    return { problem: networkProblem(error) };
  }
}

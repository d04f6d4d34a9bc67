/**
 * WebhookEndpoint: where Anthropic shall send a workspace's events, and whether it can.
 *
 * Endpoints of a workspace and keys of an environment can only be made in the Anthropic Console
 * (contracts/claude-managed-agents.md §6, §7), so they are gates: `up` succeeds without them and says where to click,
 * and once both are given it proves with signed requests that a delivery would be accepted.
 */
import { randomBytes } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { z } from "zod";
import { defineResource, type OperationContext } from "./definition.ts";
import { type Look, networkProblem, settle } from "./settle.ts";

/** A webhook endpoint's signing secret: base64, URL-safe as the Console shows it or not. */
export const SIGNING_KEY = /^whsec_[A-Za-z0-9+/_-]{16,}={0,2}$/;

const inputs = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, error: "must be an http(s) URL: the production domain with /api/webhook" })
    .describe("The stable production address, never that of one deployment."),
  events: z.array(z.string().min(1)).min(1, "is empty: nothing would be delivered").describe("Event types to choose."),
  environmentId: z.string().min(1).describe("Environment whose key is asked for."),
  environmentKeyGiven: z.boolean().describe("Whether the stack's configuration has the environment's key."),
  signingKey: z
    .string()
    .regex(SIGNING_KEY, "must be the endpoint's signing secret as the Console shows it: whsec_…")
    .optional()
    .describe("Signing secret of the endpoint, shown once in the Console. Missing: an open gate."),
});

const outputs = z.object({
  status: z
    .enum(["verified", "gate open", "failing"])
    .describe('"verified" when signed deliveries are accepted and others refused.'),
  missing: z.array(z.string()).describe("What a person has to do, and where; empty when nothing."),
});

type Inputs = z.infer<typeof inputs>;
type Outputs = z.infer<typeof outputs>;

export const webhookEndpoint = defineResource<Inputs, Outputs>({
  type: "WebhookEndpoint",
  description: "The webhook endpoint that a person registers in the Anthropic Console, checked by signed requests.",
  inputs,
  outputs,
  secretInputs: ["signingKey"],
  replaceOn: [],
  deleteBeforeReplace: "unchanged",
  refreshBeforeUpdate: true,
  deadlines: { create: 120, read: 60, update: 120, delete: 30 },
  preview(desired) {
    if (![desired.url, desired.environmentId, desired.signingKey].every((value) => typeof value !== "symbol"))
      return {};
    const missing = openGates(desired);
    return { status: missing.length > 0 ? "gate open" : "verified", missing };
  },
  outdated: (state, desired) => (state.status === expectedStatus(desired) ? [] : ["status"]),

  create: async (desired, context) => ({ id: "webhook-endpoint", outputs: await verify(desired, context) }),

  async read(_id, state, context) {
    if (!state) throw new Error("a WebhookEndpoint cannot be imported; declare it and run pulumi up");
    const { url, events, environmentId, environmentKeyGiven, signingKey } = state;
    const found = { url, events, environmentId, environmentKeyGiven, signingKey };
    const missing = openGates(found);
    if (missing.length > 0) return { inputs: found, outputs: { status: "gate open", missing } };
    const look = await preflight(found, context);
    return {
      inputs: found,
      outputs: "done" in look ? look.done : { status: "failing", missing: [look.problem] },
    };
  },

  update: (_id, _state, desired, context) => verify(desired, context),

  async delete(_id, state, context) {
    if (state.signingKey === undefined) return;
    context.log(
      "warning",
      `the endpoint ${state.url} is still registered: Anthropic Console → Manage → Webhooks → delete`,
    );
  },
});

function expectedStatus(desired: Inputs): Outputs["status"] {
  return openGates(desired).length > 0 ? "gate open" : "verified";
}

/** What is missing, in words that can be followed. */
function openGates({ url, events, environmentId, environmentKeyGiven, signingKey }: Inputs): string[] {
  return [
    ...(environmentKeyGiven
      ? []
      : [
          `environment key: Anthropic Console → Environments → ${environmentId} → Keys → "Generate environment key"; ` +
            "then: npm run pulumi -- config set --secret handrail:environmentKey (it asks for the key), and npm run pulumi -- up",
        ]),
    ...(signingKey !== undefined
      ? []
      : [
          `webhook endpoint: Anthropic Console → Manage → Webhooks → add ${url} with the events ${events.join(", ")}; ` +
            "then: npm run pulumi -- config set --secret handrail:webhookSigningKey (it asks for the secret), and npm run pulumi -- up",
        ]),
  ];
}

async function verify(desired: Inputs, context: OperationContext): Promise<Outputs> {
  const missing = openGates(desired);
  if (missing.length > 0) {
    // Somebody is about to register this address, and the first redirect would disable it for good.
    const probe = await deliver(desired.url, undefined, context);
    if (isRedirect(probe)) throw new Error(redirectProblem(desired.url, probe));
    return { status: "gate open", missing };
  }
  return settle(context, () => preflight(desired, context));
}

/** Two deliveries of an event that the functions ignore: one signed by a stranger, one by the endpoint's key. */
async function preflight({ url, signingKey }: Inputs, context: OperationContext): Promise<Look<Outputs>> {
  const forged = await deliver(url, `whsec_${randomBytes(32).toString("base64")}`, context);
  if (typeof forged === "string") return { problem: `${url} cannot be reached: ${forged}` };
  if (isRedirect(forged)) return { problem: redirectProblem(url, forged), final: true };
  if (forged >= 200 && forged < 300) {
    return {
      problem: `${url} accepts events that Anthropic did not sign (HTTP ${forged}); do not register it`,
      final: true,
    };
  }
  if (forged !== 401) return { problem: `${url} answers a badly signed event with HTTP ${forged} instead of 401` };

  const signed = await deliver(url, signingKey, context);
  if (typeof signed === "string") return { problem: `${url} cannot be reached: ${signed}` };
  if (isRedirect(signed)) return { problem: redirectProblem(url, signed), final: true };
  if (signed === 401) {
    return {
      problem:
        `${url} refuses events signed with handrail:webhookSigningKey (HTTP 401): the deployment in production has ` +
        "another key. Run pulumi up again, or set the key that the Console showed for this endpoint",
    };
  }
  if (signed < 200 || signed >= 300) return { problem: `${url} answers a signed event with HTTP ${signed}, not 2xx` };
  return { done: { status: "verified", missing: [] } };
}

/** Of a type that is not subscribed, so that nothing happens. */
const IGNORED_EVENT = "session.updated";

/** @returns the HTTP status, or what went wrong on the way. */
async function deliver(url: string, key: string | undefined, context: OperationContext): Promise<number | string> {
  const id = `whe_preflight_${context.randomId()}`;
  const at = new Date(context.now());
  const body = JSON.stringify({
    type: "event",
    id,
    created_at: at.toISOString(),
    data: { type: IGNORED_EVENT, id: "sesn_preflight", organization_id: "preflight", workspace_id: "preflight" },
  });
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(at.getTime() / 1000)),
  };
  // The Console shows URL-safe base64, which the library's decoder refuses.
  if (key)
    headers["webhook-signature"] = new Webhook(
      key.replaceAll("-", "+").replaceAll("_", "/").replace("whsec/", "whsec_"),
    ).sign(id, at, body);
  try {
    const response = await context.fetch(url, {
      method: "POST",
      headers,
      body,
      redirect: "manual",
      signal: context.signal,
    });
    await response.body?.cancel();
    return response.status;
  } catch (error) {
    context.signal.throwIfAborted();
    return networkProblem(error);
  }
}

function isRedirect(status: number | string): status is number {
  return typeof status === "number" && status >= 300 && status < 400;
}

function redirectProblem(url: string, status: number): string {
  return (
    `${url} answers with a redirect (HTTP ${status}). Anthropic disables an endpoint at the first redirect and never ` +
    "sends its events again. Turn off Deployment Protection for the production domain, or give the domain that does " +
    "not redirect as handrail:productionUrl"
  );
}

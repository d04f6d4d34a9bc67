import type { NetworkPolicy, NetworkPolicyMatch, NetworkPolicyRule } from "@vercel/sandbox";
import { z } from "zod";
import { indexDomains } from "../../../policies/engine/domain-index.ts";
import { cidr, domain, forwardURL, headers, match } from "./policy-parts.ts";

const handling = { domain, match: match.optional() };

/**
 * The older form of a policy, which the API still takes from other clients (contracts/vercel-firewall.md §1.3). Of its
 * deprecated modes, the SDK of January 2026 sent `default-allow` for all traffic and `default-deny` for none or, with
 * lists, for what they name (vercel/sandbox#38).
 */
export const legacyPolicySchema = z.discriminatedUnion("mode", [
  z.strictObject({ mode: z.enum(["allow-all", "deny-all", "default-allow"]) }),
  z
    .strictObject({
      mode: z.enum(["custom", "default-deny"]),
      allowedDomains: z.array(domain).optional(),
      allowedCIDRs: z.array(cidr).optional(),
      deniedCIDRs: z.array(cidr).optional(),
      injectionRules: z.array(z.strictObject({ ...handling, headers })).optional(),
      forwardRules: z.array(z.strictObject({ ...handling, forwardURL })).optional(),
    })
    .superRefine(({ allowedDomains = [], injectionRules = [], forwardRules = [] }, context) => {
      // Whether a rule also lets its domain through is documented nowhere, so it has to be let through by the list.
      const allowed = indexDomains({ allow: allowedDomains });
      for (const [list, rules] of Object.entries({ injectionRules, forwardRules })) {
        for (const [index, rule] of rules.entries()) {
          if (allowed.find(rule.domain)) continue;
          const message = `"${rule.domain}" is allowed by no entry of allowedDomains: name it there too`;
          context.addIssue({ code: "custom", path: [list, index, "domain"], message });
        }
      }
    }),
]);

/** The same policy in the SDK's form. Of one domain, injections come before forwards, as the SDK reads them back. */
export function fromLegacyPolicy(legacy: z.infer<typeof legacyPolicySchema>): NetworkPolicy {
  if (legacy.mode !== "custom" && legacy.mode !== "default-deny") {
    return legacy.mode === "deny-all" ? "deny-all" : "allow-all";
  }
  const { allowedDomains = [], allowedCIDRs, deniedCIDRs, injectionRules = [], forwardRules = [] } = legacy;
  if (legacy.mode === "default-deny" && allowedDomains.length === 0 && !allowedCIDRs) return "deny-all";
  const allow: Record<string, NetworkPolicyRule[]> = Object.fromEntries(allowedDomains.map((name) => [name, []]));
  const add = (name: string, rule: NetworkPolicyRule) => {
    const key = Object.keys(allow).find((known) => known.toLowerCase() === name.toLowerCase()) ?? name;
    allow[key] = [...(allow[key] ?? []), rule];
  };
  const when = (rule: { match?: unknown }) => (rule.match ? { match: rule.match as NetworkPolicyMatch } : {});
  for (const rule of injectionRules) add(rule.domain, { ...when(rule), transform: [{ headers: rule.headers }] });
  for (const rule of forwardRules) add(rule.domain, { ...when(rule), forwardURL: rule.forwardURL });
  const subnets = { ...(allowedCIDRs && { allow: allowedCIDRs }), ...(deniedCIDRs && { deny: deniedCIDRs }) };
  return { allow, ...((allowedCIDRs || deniedCIDRs) && { subnets }) };
}

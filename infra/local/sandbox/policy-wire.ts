import type { NetworkPolicy } from "@vercel/sandbox";
import { z } from "zod";
import { fromLegacyPolicy, legacyPolicySchema } from "./policy-legacy.ts";
import { cidr, domain, forwardURL, headers, match } from "./policy-parts.ts";

const PROXY_MANAGED = new Set(["connection", "content-length", "transfer-encoding"]);
const BODILESS = new Set([204, 205, 304]);
const response = z
  .strictObject({
    statusCode: z.int().min(200).max(599),
    headers: headers.optional(),
    body: z.string().optional(),
    contentType: z.string().optional(),
  })
  .refine((r) => r.body === undefined || r.contentType !== undefined, "contentType must be provided when body is set")
  .refine((r) => r.body === undefined || !BODILESS.has(r.statusCode), "body is not allowed on this status code")
  .refine(
    (r) => Object.keys(r.headers ?? {}).every((name) => !PROXY_MANAGED.has(name.toLowerCase())),
    "headers cannot set proxy-managed headers",
  );
const rule = z
  .strictObject({
    match: match.optional(),
    transform: z.array(z.strictObject({ headers: headers.optional() })).optional(),
    forwardURL: forwardURL.optional(),
    response: response.optional(),
  })
  .refine(
    (r) => [r.transform, r.forwardURL, r.response].filter((handler) => handler !== undefined).length === 1,
    "exactly one of transform, forwardURL or response must be provided",
  );
const subnets = z.strictObject({ allow: z.array(cidr).optional(), deny: z.array(cidr).optional() });
const domains = z.array(domain);
const rulesByDomain = z.record(z.string(), z.array(rule)).superRefine((byDomain, context) => {
  for (const key of Object.keys(byDomain)) {
    for (const { message } of domain.safeParse(key).error?.issues ?? [])
      context.addIssue({ code: "custom", path: [], message });
  }
});
const current = z.strictObject({
  allow: either(Array.isArray, domains, rulesByDomain).optional(),
  subnets: subnets.optional(),
});

/** A policy in either form that the API takes (contracts/vercel-firewall.md §1.3), read into the SDK's own type. */
export const networkPolicySchema = either(
  (value) => typeof value === "object" && value !== null && "mode" in value,
  legacyPolicySchema.transform(fromLegacyPolicy),
  current.transform((policy) => policy as NetworkPolicy),
);

/** One of two schemas by a look at the value, so that what is wrong is said of the one that was meant. */
function either<A extends z.ZodType, B extends z.ZodType>(isFirst: (value: unknown) => boolean, first: A, second: B) {
  return z.unknown().transform((value, context): z.output<A> | z.output<B> => {
    const parsed = isFirst(value) ? first.safeParse(value) : second.safeParse(value);
    if (parsed.success) return parsed.data;
    for (const issue of parsed.error.issues) {
      context.addIssue({ code: "custom", path: issue.path, message: issue.message });
    }
    return z.NEVER;
  });
}

/** The older form in which the API shows a policy: header values withheld, `response` rules absent. */
export function redactPolicy(policy: NetworkPolicy): Record<string, unknown> {
  if (typeof policy === "string") return { mode: policy };
  const { allow = [], subnets: ranges } = policy;
  const byDomain = Array.isArray(allow)
    ? []
    : Object.entries(allow).flatMap(([domain, rules]) => rules.map((rule) => ({ domain, rule })));
  const matchOf = (value: object | undefined) => (value ? { match: value } : {});
  const injectionRules = byDomain.flatMap(({ domain, rule }) =>
    rule.transform
      ? [
          {
            domain,
            headerNames: rule.transform.flatMap((each) => Object.keys(each.headers ?? {})),
            ...matchOf(rule.match),
          },
        ]
      : [],
  );
  const forwardRules = byDomain.flatMap(({ domain, rule }) =>
    rule.forwardURL !== undefined ? [{ domain, forwardURL: rule.forwardURL, ...matchOf(rule.match) }] : [],
  );
  return {
    mode: "custom",
    allowedDomains: Array.isArray(allow) ? allow : Object.keys(allow),
    ...(ranges?.allow && { allowedCIDRs: ranges.allow }),
    ...(ranges?.deny && { deniedCIDRs: ranges.deny }),
    ...(injectionRules.length > 0 && { injectionRules }),
    ...(forwardRules.length > 0 && { forwardRules }),
  };
}

/** The sandbox's own projection shows even less: mode, domains and ranges (contracts/vercel-firewall.md §1.3). */
export function summarisePolicy(policy: NetworkPolicy): Record<string, unknown> {
  const { injectionRules: _injection, forwardRules: _forward, ...rest } = redactPolicy(policy);
  return rest;
}

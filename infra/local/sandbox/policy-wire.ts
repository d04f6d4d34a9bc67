import type { NetworkPolicy } from "@vercel/sandbox";
import { RE2JS } from "re2js";
import { z } from "zod";

const pattern = z.string().superRefine((source, context) => {
  try {
    RE2JS.compile(source);
  } catch {
    context.addIssue({ code: "custom", message: "not a regular expression of RE2" });
  }
});
const matcher = z.strictObject({
  exact: z.string().optional(),
  startsWith: z.string().optional(),
  regex: pattern.optional(),
});
const keyValue = z.strictObject({ key: matcher.optional(), value: matcher.optional() });
const match = z.strictObject({
  path: matcher.optional(),
  method: z.array(z.string()).optional(),
  queryString: z.array(keyValue).optional(),
  headers: z.array(keyValue).optional(),
});
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const headers = z.record(z.string().regex(TOKEN), z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/));
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
const forwardURL = z.url({ protocol: /^https$/ }).refine((text) => {
  const url = new URL(text);
  return !url.username && !url.search && !url.hash;
}, "forwardURL takes no user, query or fragment");
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
/** `*`, or labels of which whole ones may be `*` (contracts/vercel-firewall.md §1.5). */
const domain = z.string().regex(/^(\*|(\*|[a-z0-9_-]+)(\.(\*|[a-z0-9_-]+))+)$/i, "not a domain pattern");
const subnets = z.strictObject({ allow: z.array(z.string()).optional(), deny: z.array(z.string()).optional() });

const mode = z.strictObject({ mode: z.enum(["allow-all", "deny-all"]) });
const custom = z.strictObject({
  allow: z.union([z.array(domain), z.record(domain, z.array(rule))]).optional(),
  subnets: subnets.optional(),
});

/** A policy as the SDK sends it (contracts/vercel-firewall.md §1.3, the V2 form), read into the SDK's own type. */
export const networkPolicySchema = z
  .unknown()
  .transform((value, context) => {
    const parsed = isMode(value) ? mode.safeParse(value) : custom.safeParse(value);
    if (parsed.success) return parsed.data;
    for (const issue of parsed.error.issues) context.addIssue({ ...issue, code: "custom" });
    return z.NEVER;
  })
  .transform((policy) => ("mode" in policy ? policy.mode : policy) as NetworkPolicy);

function isMode(value: unknown): boolean {
  return typeof value === "object" && value !== null && "mode" in value;
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

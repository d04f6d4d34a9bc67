/** What both forms of a policy are made of (contracts/vercel-firewall.md §1.1, §1.3). */
import { RE2JS } from "re2js";
import { z } from "zod";
import { isCidr } from "../../../policies/engine/subnets.ts";

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
export const match = z.strictObject({
  path: matcher.optional(),
  method: z.array(z.string()).optional(),
  queryString: z.array(keyValue).optional(),
  headers: z.array(keyValue).optional(),
});
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
export const headers = z.record(z.string().regex(TOKEN), z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/));
export const forwardURL = z.url({ protocol: /^https$/ }).refine((text) => {
  const url = new URL(text);
  return !url.username && !url.search && !url.hash;
}, "forwardURL takes no user, query or fragment");

/** `*`, or labels of which whole ones may be `*` (§1.5). */
const DOMAIN = /^(\*|(\*|[a-z0-9_-]+)(\.(\*|[a-z0-9_-]+))+)$/i;
const DOMAIN_FORM =
  "is no domain pattern: write a host name such as api.example.com, *.example.com or *, without scheme, port or path";

export const domain = z.string().regex(DOMAIN, { error: ({ input }) => `"${input}" ${DOMAIN_FORM}` });
export const cidr = z.string().refine(isCidr, {
  error: ({ input }) => `"${input}" is no address range: write CIDR notation, such as 203.0.113.0/24`,
});

/** Takes a network policy of Vercel's that was read from a file. */
import { z } from "zod";
import { PolicyError, type PolicyProblem } from "./errors.ts";
import { compileRegex } from "./matcher.ts";
import type { NetworkPolicy } from "./network-policy.ts";
import { place } from "./place.ts";
import { isCidr } from "./subnets.ts";

const matcher = z.strictObject({
  exact: z.string().optional(),
  startsWith: z.string().optional(),
  regex: z.string().optional(),
});
const entry = z.strictObject({ key: matcher.optional(), value: matcher.optional() });
const headers = z.record(z.string(), z.string());

const rule = z
  .strictObject({
    match: z
      .strictObject({
        path: matcher.optional(),
        method: z.array(z.string()).optional(),
        queryString: z.array(entry).optional(),
        headers: z.array(entry).optional(),
      })
      .optional(),
    transform: z.array(z.strictObject({ headers: headers.optional() })).optional(),
    forwardURL: z
      .string()
      .refine(isForwardURL, "is no https:// URL without user, password, query and fragment")
      .optional(),
    response: z
      .strictObject({
        statusCode: z.int().min(200).max(599),
        headers: headers.optional(),
        body: z.string().optional(),
        contentType: z.string().optional(),
      })
      .optional(),
  })
  .refine(
    ({ transform, forwardURL, response }) =>
      [transform, forwardURL, response].filter((handler) => handler !== undefined).length === 1,
    "needs exactly one of transform, forwardURL and response",
  );

const cidrs = z.array(z.string().refine(isCidr, "is no address range like 10.0.0.0/8"));

const policy = z.union([
  z.enum(["allow-all", "deny-all"]),
  z.strictObject({
    allow: z
      .union([z.array(z.string()), z.record(z.string(), z.array(rule))])
      .superRefine((allow, context) => {
        const keys = Array.isArray(allow) ? allow : Object.keys(allow);
        for (const [i, key] of keys.entries()) {
          const twin = keys.slice(0, i).find((other) => other.toLowerCase() === key.toLowerCase() && other !== key);
          if (twin === undefined) continue;
          const message = `is ${JSON.stringify(twin)} but for case, and which of them holds is not documented`;
          context.addIssue({ code: "custom", path: [Array.isArray(allow) ? i : key], message });
        }
      })
      .optional(),
    subnets: z.strictObject({ allow: cidrs.optional(), deny: cidrs.optional() }).optional(),
  }),
]);

const object = policy.options[1];

/**
 * Checks a network policy as the SDK takes it (contracts/vercel-firewall.md §1.1), and every regular expression in it.
 *
 * @throws PolicyError with every problem and its place.
 */
export function parseNetworkPolicy(json: unknown): NetworkPolicy {
  const isObject = typeof json === "object" && json !== null;
  if (isObject && "mode" in json) {
    const problem = "is the form in which the API reports a policy, which leaves out rules and values";
    throw new PolicyError([{ place: "mode", problem, fix: "Compare the policy that was given to the SDK" }]);
  }
  const parsed = isObject ? object.safeParse(json) : policy.safeParse(json);
  if (!parsed.success) {
    const fix = "Write it as the SDK's NetworkPolicy";
    throw new PolicyError(
      parsed.error.issues.map((issue) => ({
        place: place(issue.path) || "networkPolicy",
        problem: isObject ? issue.message : 'is neither an object nor "allow-all" nor "deny-all"',
        fix,
      })),
    );
  }
  const problems: PolicyProblem[] = [];
  checkRegexes(json, [], problems);
  if (problems.length > 0) throw new PolicyError(problems);
  return parsed.data as NetworkPolicy;
}

/** As Vercel takes it (contracts/vercel-firewall.md §1.12). */
function isForwardURL(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return protocol === "https:" && username === "" && password === "" && !/[?#]/.test(text);
}

function checkRegexes(value: unknown, at: readonly PropertyKey[], problems: PolicyProblem[]): void {
  if (typeof value !== "object" || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    const here = [...at, Array.isArray(value) ? Number(key) : key];
    if (key === "regex" && typeof member === "string" && at.includes("match")) {
      try {
        compileRegex(member);
      } catch (error) {
        if (!(error instanceof PolicyError)) throw error;
        problems.push(...error.problems.map((problem) => ({ ...problem, place: place(here) })));
      }
    } else checkRegexes(member, here, problems);
  }
}

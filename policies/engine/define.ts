import type { z } from "zod";
import { checkRules } from "./check-rules.ts";
import { PolicyError, type PolicyProblem } from "./errors.ts";
import { METHODS } from "./methods.ts";
import { place } from "./place.ts";
import type { Policy, PolicyInput } from "./policy.ts";
import { policySchema } from "./policy-schema.ts";
import type { KnownNames } from "./template-names.ts";

/**
 * Defines the policy of one agent: which tool may send which request with which credential.
 *
 * Names are checked twice: by the type checker in the editor, and here, for everything that it did not see.
 *
 * @throws PolicyError with every problem, its place and its fix.
 * @example
 * ```ts
 * export default definePolicy({
 *   agent: "support",
 *   variables: { customer: { source: "metadata.customer", example: "cus_42" } },
 *   credentials: { crm: { form: { type: "bearer" }, source: { type: "secret", name: "crmToken" } } },
 *   tools: {
 *     read_file: { kind: "file", network: "none" },
 *     get_customer: {
 *       kind: "api",
 *       network: "own",
 *       allow: [{ methods: ["GET"], host: "api.crm.example", path: "/v1/customers/{customer}", credential: "crm" }],
 *     },
 *   },
 * });
 * ```
 */
export function definePolicy<
  const CredentialName extends string = never,
  const VariableName extends string = never,
  const ToolName extends string = never,
  const Input extends PolicyInput<CredentialName, VariableName, ToolName> = PolicyInput<
    CredentialName,
    VariableName,
    ToolName
  >,
>(input: Input & PolicyInput<CredentialName, VariableName, ToolName> & KnownNames<NoInfer<Input>>): Policy {
  const parsed = policySchema.safeParse(input);
  if (!parsed.success) throw new PolicyError(parsed.error.issues.flatMap((issue) => problemsOf(issue, input)));
  const problems = checkRules(parsed.data);
  if (problems.length > 0) throw new PolicyError(problems);
  return { ...parsed.data, checked: true };
}

/** What zod found, in words that say what to write instead. */
function problemsOf(issue: z.core.$ZodIssue, input: unknown): PolicyProblem[] {
  const at = place(issue.path);
  const found = issue.path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key],
    input,
  );
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      place: place([...issue.path, key]),
      problem:
        key === "allow" ? "only a tool of kind api sends requests of its own" : "is not a key that is known here",
      fix:
        key === "allow" ? "Make it an api tool, or move the rule to `sandbox`" : "Remove it, or correct its spelling",
    }));
  }
  if (issue.code === "invalid_value" && issue.path.at(-2) === "methods") {
    const upper = String(found).toUpperCase();
    const known = (METHODS as readonly string[]).includes(upper);
    return [
      {
        place: at,
        problem: `${JSON.stringify(found)} is not a method`,
        fix: known ? `Write ${JSON.stringify(upper)}: methods are case-sensitive` : `Use one of ${METHODS.join(", ")}`,
      },
    ];
  }
  if (issue.code === "invalid_key") {
    return [{ place: at, problem: issue.issues[0]?.message ?? issue.message, fix: "Rename it" }];
  }
  const shown = typeof found === "string" ? `${JSON.stringify(found)}: ` : "";
  return [{ place: at || "policy", problem: `${shown}${issue.message}`, fix: "See the documentation of PolicyInput" }];
}

/** Shape of a policy that came from somewhere the type checker did not see. */
import { z } from "zod";
import { METHODS } from "./methods.ts";
import type { PolicyInput } from "./policy.ts";

const name = (pattern: RegExp, words: string) => z.string().regex(pattern, words);

// Anthropic's own pattern for tool names.
const toolName = name(/^[A-Za-z0-9_-]{1,64}$/, "is not a tool name: letters, digits, _ and -, at most 64");
// Without `_`, so that no two names become one environment variable (HANDRAIL_CREDENTIAL_CRM_WRITE).
const credentialName = name(
  /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/,
  "is not a credential name: lower-case words joined by -",
);
const variableName = name(
  /^[a-z][A-Za-z0-9_]*$/,
  "is not a variable name: a lower-case letter, then letters, digits, _",
);
const bound = name(/^[A-Za-z0-9_-]+$/, "may hold letters, digits, _ and - only, like every bound value");

const form = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("bearer") }),
  z.strictObject({
    type: z.literal("basic"),
    username: z.string().regex(/^[\x21-\x39\x3b-\x7e]+$/, "is no user name"),
  }),
  z.strictObject({ type: z.literal("header"), name: z.string() }),
]);

const allowRule = z.strictObject({
  host: z.string(),
  methods: z.array(z.enum(METHODS)).min(1).readonly(),
  path: z.string().optional(),
  query: z
    .union([z.array(z.string()).readonly(), z.record(z.string(), z.union([z.string(), z.literal(true)])).readonly()])
    .optional(),
  modelChooses: z.array(z.string()).readonly().optional(),
  credential: z.string().optional(),
  reason: z.string().min(1).optional(),
});

const allowRules = z.array(allowRule).readonly();

const tool = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("api"), network: z.literal("own"), allow: allowRules }),
  z.strictObject({ kind: z.literal("file"), network: z.literal("none") }),
  z.strictObject({ kind: z.literal("command"), network: z.enum(["sandbox", "none"]) }),
]);

const test = z.strictObject({
  as: z.string(),
  send: z.string(),
  headers: z.record(z.string(), z.string()).readonly().optional(),
  phase: z.enum(["setup", "run"]).optional(),
  expect: z.string().regex(/^(?:denied|refused|plain|credentialed\([a-z0-9-]+\))$/, "is no outcome"),
});

/** A policy as it is written; unknown keys are refused. What names refer to is checked by `checkReferences`. */
export const policySchema = z.strictObject({
  agent: name(/^[a-z][a-z0-9-]{0,62}$/, "is not an agent name: lower-case letters, digits and -"),
  variables: z
    .record(
      variableName,
      z.strictObject({
        source: name(
          /^metadata\.[A-Za-z0-9_.-]{1,64}$/,
          "must be metadata.<key>",
        ) as unknown as z.ZodType<`metadata.${string}`>,
        example: bound,
      }),
    )
    .readonly()
    .optional(),
  credentials: z
    .record(
      credentialName,
      z.strictObject({
        form,
        source: z.strictObject({ type: z.literal("secret"), name: name(/^[A-Za-z][A-Za-z0-9]*$/, "is no config key") }),
      }),
    )
    .readonly()
    .optional(),
  tools: z.record(toolName, tool).readonly(),
  sandbox: allowRules.optional(),
  setup: allowRules.optional(),
  tests: z.array(test).readonly().optional(),
}) as unknown as z.ZodType<PolicyInput>;

/** Shape of a policy that came from somewhere the type checker did not see. */
import { z } from "zod";
import { METHODS } from "./methods.ts";
import type { PolicyInput } from "./policy.ts";
import { isCidr } from "./subnets.ts";
import { TOKEN } from "./token.ts";

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

// Words, so that nobody gets past with a dash.
const unsafeReason = z.string().regex(/\S+\s+\S+\s+\S+/, "must say in words why nothing safer will do");

const expected = z.union([z.literal(true), z.string(), z.array(z.string()).min(1).readonly()]);

const header = name(TOKEN, "is no header name");
const headerValue = name(/^[\x20-\x7e]*$/, "must be one line of printable ASCII");
const FRAMING = ["connection", "content-length", "transfer-encoding"];

// The SDK refuses the same (contracts/vercel-firewall.md §1.2); here it is told with its place.
const response = z
  .strictObject({
    statusCode: z.int().min(200).max(599),
    headers: z
      .record(
        header.refine((name) => !FRAMING.includes(name.toLowerCase()), "belongs to the connection"),
        headerValue,
      )
      .refine(
        (headers) =>
          new Set(Object.keys(headers).map((name) => name.toLowerCase())).size === Object.keys(headers).length,
        "names a header twice",
      )
      .readonly()
      .optional(),
    body: z.string().optional(),
    contentType: headerValue.min(1).optional(),
  })
  .refine(({ body, contentType }) => body === undefined || contentType !== undefined, "has a body and no contentType")
  .refine(
    ({ body, statusCode }) => body === undefined || ![204, 205, 304].includes(statusCode),
    "has a body, which this status cannot have",
  );

const cidr = z.string().refine(isCidr, "is no address range in CIDR notation");

const allowRule = z.strictObject({
  host: z.string(),
  methods: z.array(z.enum(METHODS)).min(1).readonly(),
  path: z.string().optional(),
  query: z
    .union([
      z.array(z.string()).readonly(),
      z.record(z.string(), z.union([expected, z.strictObject({ required: expected })])).readonly(),
    ])
    .optional(),
  headers: z.record(z.string(), expected).readonly().optional(),
  modelChooses: z.array(z.string()).readonly().optional(),
  credential: z.string().optional(),
  forwardURL: z.string().optional(),
  response: response.optional(),
  reason: z.string().min(1).optional(),
  unsafe: z
    .strictObject({
      pathStartsWith: z.string().startsWith("/").optional(),
      pathRegex: z.string().min(1).optional(),
      wildcardCredential: z.literal(true).optional(),
      anyHost: z.literal(true).optional(),
      reason: unsafeReason,
    })
    .optional(),
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
  expect: z.string().regex(/^(?:denied|refused|plain|forwarded|credentialed\([a-z0-9-]+\))$/, "is no outcome"),
});

const unreachable = z.strictObject({
  as: z.string(),
  host: z.string(),
  methods: z.array(z.enum(METHODS)).min(1).readonly().optional(),
  path: z.string().optional(),
  phase: z.enum(["setup", "run"]).optional(),
});

const metadataKey = /^[A-Za-z0-9_.-]{1,64}$/;

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
        source: z.discriminatedUnion("type", [
          z.strictObject({ type: z.literal("secret"), name: name(/^[A-Za-z][A-Za-z0-9]*$/, "is no config key") }),
          z.strictObject({
            type: z.literal("perCustomer"),
            resolver: name(/^[A-Za-z][A-Za-z0-9_-]*$/, "is no resolver's name"),
            metadata: name(metadataKey, "is no metadata key"),
          }),
        ]),
      }),
    )
    .readonly()
    .optional(),
  tools: z.record(toolName, tool).readonly(),
  sandbox: allowRules.optional(),
  setup: allowRules.optional(),
  tests: z.array(test).readonly().optional(),
  unreachable: z.array(unreachable).readonly().optional(),
  unsafe: z
    .strictObject({
      subnets: z.strictObject({
        allow: z.array(cidr).readonly().optional(),
        deny: z.array(cidr).readonly().optional(),
      }),
      reason: unsafeReason,
    })
    .optional(),
}) as unknown as z.ZodType<PolicyInput>;

/**
 * The lock: a compiled policy, with principals, variables and credentials by name. It is committed beside its policy,
 * bundled into the functions and the runner, and everything that is enforced, reviewed or shown is made from it.
 */
import { z } from "zod";
import { canonicalDigest, sortKeys } from "./canonical-json.ts";
import { compactJson } from "./compact-json.ts";
import { PolicyError } from "./errors.ts";
import { place } from "./place.ts";

const part = z.union([
  z.strictObject({ text: z.string() }),
  z.strictObject({ variable: z.string() }),
  z.strictObject({ param: z.string() }),
]);
const valuePart = z.union([z.strictObject({ text: z.string() }), z.strictObject({ variable: z.string() })]);

const path = z.strictObject({
  template: z.string(),
  segments: z.array(z.array(part).min(1).readonly()).readonly(),
  end: z.union([z.enum(["none", "slash"]), z.strictObject({ tail: z.string() })]),
});

const values = z.array(z.array(valuePart).readonly()).readonly();
const queryParam = z.strictObject({
  name: z.string(),
  values: values.nullable(),
  required: z.literal(true).optional(),
});
const headerCondition = z.strictObject({ name: z.string(), values: values.nullable() });

const match = z.strictObject({
  methods: z.array(z.string()).readonly().optional(),
  /** `any`: every path; `odd`: paths that servers read in different ways; raw ones come from `unsafe` only. */
  path: z
    .union([
      path,
      z.enum(["any", "odd"]),
      z.strictObject({ startsWith: z.string() }),
      z.strictObject({ regex: z.string() }),
    ])
    .optional(),
  /** Matches when some parameter is not named, or when the named one has another value. */
  query: z
    .union([
      z.strictObject({ notNamed: z.array(z.string()).readonly() }),
      z.strictObject({ name: z.string(), notValues: values }),
    ])
    .optional(),
  /** Parameters that must be there, with one of their values. */
  required: z.array(queryParam).readonly().optional(),
  /** Headers that must be there, with one of their values. */
  headers: z.array(headerCondition).readonly().optional(),
  /** Matches when the named header has another value. */
  otherHeader: z.strictObject({ name: z.string(), notValues: values }).optional(),
  /** Matches when the guest sends one of these headers. */
  anyHeader: z.array(z.string()).readonly().optional(),
});

const response = z.strictObject({
  statusCode: z.int(),
  headers: z.record(z.string(), z.string()).readonly().optional(),
  body: z.string().optional(),
  contentType: z.string().optional(),
});

/** What the policy grants, for tables and review. */
const granted = {
  query: z.array(queryParam).readonly(),
  reason: z.string().optional(),
  /** What the rule asks for although it is refused by default, e.g. `pathRegex`; `reason` says why. */
  unsafe: z.array(z.string()).min(1).readonly().optional(),
};

const rule = z.strictObject({
  /** Place in the policy that the rule comes from. */
  at: z.string(),
  /** Whose ticket must be there. `sandbox`: nobody's, so that it holds for every principal. null: says it of all. */
  principal: z.string().nullable(),
  match,
  action: z.union([
    z.strictObject({ send: z.strictObject({ credential: z.string().nullable(), ...granted }) }),
    z.strictObject({ forward: z.strictObject({ url: z.string(), ...granted }) }),
    /** An answer that the policy asks for. */
    z.strictObject({ respond: z.strictObject({ response, ...granted }) }),
    /** A refusal. */
    z.strictObject({ answer: z.strictObject({ status: z.int(), body: z.string() }) }),
  ]),
});

/** Rules by host, in the order in which the firewall tries them. */
const hosts = z.record(z.string(), z.array(rule).min(1).readonly()).readonly();

const lock = z.strictObject({
  version: z.literal(1),
  agent: z.string(),
  digest: z.string(),
  variables: z
    .record(
      z.string(),
      z.strictObject({
        source: z.union([z.enum(["session", "work", "environment"]), z.templateLiteral(["metadata.", z.string()])]),
      }),
    )
    .readonly(),
  credentials: z
    .record(
      z.string(),
      z.strictObject({
        form: z.discriminatedUnion("type", [
          z.strictObject({ type: z.literal("bearer") }),
          z.strictObject({ type: z.literal("basic"), username: z.string() }),
          z.strictObject({ type: z.literal("header"), name: z.string() }),
        ]),
        source: z.discriminatedUnion("type", [
          z.strictObject({ type: z.literal("secret"), name: z.string() }),
          z.strictObject({ type: z.literal("perCustomer"), resolver: z.string(), metadata: z.string() }),
          z.strictObject({ type: z.literal("sessionsToken") }),
        ]),
      }),
    )
    .readonly(),
  tools: z
    .record(
      z.string(),
      z.strictObject({ kind: z.enum(["api", "file", "command"]), network: z.enum(["own", "sandbox", "none"]) }),
    )
    .readonly(),
  phases: z.strictObject({ run: hosts, setup: hosts }),
  /** What the whole sandbox has in the run phase, past every rule. */
  unsafe: z
    .strictObject({
      subnets: z.strictObject({
        allow: z.array(z.string()).readonly().optional(),
        deny: z.array(z.string()).readonly().optional(),
      }),
      reason: z.string(),
    })
    .optional(),
});

/** A compiled policy. */
export type Lock = z.infer<typeof lock>;

/** One rule of a lock. */
export type LockRule = z.infer<typeof rule>;

/** What a rule of a lock matches: every condition that is there. */
export type LockMatch = z.infer<typeof match>;

/** Seals a lock with the digest over everything else in it. */
export function sealLock(content: Omit<Lock, "digest">): Lock {
  return sortKeys({ ...content, digest: canonicalDigest(content) }) as Lock;
}

/** The text of the lock's file: sorted keys, short values in one line, a final newline. */
export function serializeLock(lock: Lock): string {
  return `${compactJson(sortKeys(lock))}\n`;
}

/**
 * Takes a lock that was read from a file or a bundle.
 *
 * @throws PolicyError when its shape is wrong, or its digest is not the one of its content.
 */
export function parseLock(json: unknown): Lock {
  const fix = "Write it anew with `npm run policy -- lock`";
  const parsed = lock.safeParse(json);
  if (!parsed.success) {
    throw new PolicyError(
      parsed.error.issues.map((issue) => ({ place: place(issue.path) || "lock", problem: issue.message, fix })),
    );
  }
  const { digest, ...content } = parsed.data;
  const actual = canonicalDigest(content);
  if (digest !== actual) {
    throw new PolicyError([{ place: "digest", problem: `is ${digest}, but the content has ${actual}`, fix }]);
  }
  return parsed.data;
}

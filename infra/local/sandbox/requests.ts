/** Bodies and queries that the API takes, with the limits of contracts/vercel-sandbox-api.md §2.5. */
import { z } from "zod";
import { badRequest } from "./api-error.ts";
import { networkPolicySchema } from "./policy-wire.ts";

const DAY = 86_400_000;
/** The longest session of the largest plan, in ms. */
export const LONGEST_TIMEOUT = DAY;

const name = z
  .string()
  .max(128)
  .regex(/^[a-zA-Z0-9_-]+$/);
const expiration = z
  .int()
  .refine((ms) => ms === 0 || (ms >= DAY && ms <= 3_650 * DAY), "0, or from 1 day to 10 years, in ms");
const tags = z.record(z.string(), z.string().max(256)).refine((all) => Object.keys(all).length <= 5, "at most 5 tags");
/** Nothing here could reach them: saying so beats a `sandbox.domain(port)` that throws later. */
const ports = z.array(z.unknown()).max(0, "are not exposed here: leave them out, or send []");
const env = z.record(z.string().regex(/^[^=\0]+$/), z.string().regex(/^[^\0]*$/));
const settings = {
  timeout: z.int().min(1000).max(LONGEST_TIMEOUT).optional(),
  persistent: z.boolean().optional(),
  networkPolicy: networkPolicySchema.optional(),
  networkId: z.string().optional(),
  tags: tags.optional(),
  ports: ports.optional(),
  snapshotExpiration: expiration.optional(),
  keepLastSnapshots: z
    .object({ count: z.int().min(1).max(10), expiration: expiration.optional(), deleteEvicted: z.boolean().optional() })
    .optional(),
  resources: z
    .object({
      vcpus: z.int().refine((n) => n === 1 || (n > 0 && n % 2 === 0), "1 or an even number"),
      memory: z.int().optional(),
    })
    .optional(),
  region: z.string().optional(),
  failoverRegions: z.array(z.string()).optional(),
};

export const createBody = z
  .object({
    ...settings,
    projectId: z.string().optional(),
    name: name.optional(),
    runtime: z.enum(["node26", "node24", "node22", "python3.13"]).optional(),
    image: z.string().max(255).optional(),
    env: env.optional(),
    source: z
      .discriminatedUnion("type", [z.object({ type: z.literal("snapshot"), snapshotId: z.string() })], {
        error: 'is not supported here: the only source is a snapshot, {type: "snapshot", snapshotId}',
      })
      .optional(),
  })
  .refine((body) => !body.source || body.runtime === undefined, "a snapshot source takes no runtime")
  .refine(
    (body) => !body.region || !body.failoverRegions?.includes(body.region),
    "Failover regions cannot include the sandbox region.",
  );
export type CreateBody = z.infer<typeof createBody>;

export const updateBody = z.object({ ...settings, currentSnapshotId: z.string().optional() });
export type UpdateBody = z.infer<typeof updateBody>;

export const commandBody = z.object({
  command: z.string().min(1),
  args: z.array(z.string().regex(/^[^\0]*$/)).default([]),
  cwd: z.string().optional(),
  env: env.default({}),
  sudo: z.boolean().default(false),
  wait: z.boolean().default(false),
  logs: z.boolean().default(false),
  timeout: z.int().min(100).optional(),
});
export type CommandBody = z.infer<typeof commandBody>;

export const killBody = z.object({ signal: z.int().min(1).max(64).default(15) });
export const pathBody = z.object({
  path: z.string().min(1),
  cwd: z.string().optional(),
  recursive: z.boolean().default(false),
});
export const extendBody = z.object({ duration: z.int().min(1000) });
export const snapshotBody = z.object({ expiration: expiration.optional() });
export const policyBody = networkPolicySchema;

export const listQuery = z
  .object({
    limit: z.coerce.number().int().min(1).max(100).default(20),
    cursor: z.coerce.number().int().min(0).default(0),
    sortBy: z.enum(["createdAt", "name", "statusUpdatedAt", "currentSnapshotId"]).default("createdAt"),
    sortOrder: z.enum(["asc", "desc"]).default("desc"),
    namePrefix: z.string().optional(),
    name: z.string().optional(),
    project: z.string().optional(),
    tags: z
      .string()
      .regex(/^[^:]+:/, "key:value")
      .optional(),
  })
  .refine((query) => query.namePrefix === undefined || query.sortBy === "name", {
    path: ["namePrefix"],
    message: "needs sortBy=name",
  });

/** One page of items that are already in order; the cursor is the offset of the next. */
export function page<Item>(items: Item[], { limit, cursor }: { limit: number; cursor: number }) {
  const slice = items.slice(cursor, cursor + limit);
  const next = cursor + limit < items.length ? String(cursor + limit) : null;
  return { slice, pagination: { count: slice.length, next } };
}

/**
 * Checks a request at the door.
 *
 * @throws ApiError 400 naming the first property at fault. Of values only domains and ranges are repeated: others may be secrets.
 */
export function check<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw badRequest(`Invalid request: \`${issue?.path.join(".") || "body"}\` ${issue?.message ?? "is wrong"}.`);
}

/**
 * Snapshot: the disk that every session's sandbox boots from, with the runner installed.
 *
 * Addressed by its content: the runner's digest, the workspace's files, the image, the set-up steps and the network
 * policy during set-up. Any change makes another snapshot, and the old one goes when nothing uses it any more.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { defineResource, type OperationContext } from "./definition.ts";
import { isObject, UNKNOWN } from "./property-values.ts";
import { snapshotApi } from "./snapshot-api.ts";
import { buildSnapshot } from "./snapshot-build.ts";

const DAY_MS = 86_400_000;

const relativeFolder = z
  .string()
  .regex(
    /^(?![/\\]|[A-Za-z]:|\.\.(\/|$))/,
    "must be relative to the project, so that every checkout has the same state",
  );
const digest = (of: string) => z.string().regex(/^sha256:[0-9a-f]{64}$/, `must be the ${of}'s digest`);

const step = z.strictObject({
  cmd: z.string().min(1),
  args: z.array(z.string()),
  sudo: z.boolean(),
});

const inputs = z.strictObject({
  projectId: z.string().min(1).describe("Vercel project that the sandboxes belong to."),
  image: z.string().min(1).max(255).optional().describe("Sandbox image; Vercel's default unless given."),
  runnerDir: relativeFolder.describe("Folder with the built runner: manifest.json and the files that it lists."),
  runnerDigest: digest("runner").describe("Digest of the runner."),
  workspaceDir: relativeFolder.optional().describe("Folder whose files every session finds in its workspace."),
  workspaceDigest: digest("workspace").optional().describe("Digest of the workspace's files, with workspaceDir."),
  steps: z.array(step).describe("Commands that prepare the image, run in this order after the runner was installed."),
  networkPolicy: z
    .union([z.literal("deny-all"), z.looseObject({ allow: z.unknown().optional() })])
    .describe("What the builder may reach during set-up, as Vercel's networkPolicy. Without credentials."),
  expirationDays: z
    .int()
    .min(1, "at least 1 day")
    .max(3650, "at most 3650 days")
    .describe("Days after which Vercel deletes the snapshot."),
});

const outputs = z.object({
  snapshotId: z.string().describe("`snap_…`, the same as the resource's id."),
  contentDigest: z.string().describe("Digest of everything that the snapshot is made from."),
  expiresAt: z.string().describe('RFC 3339, or "never".'),
});

type Inputs = z.infer<typeof inputs>;

export const snapshot = defineResource<Inputs, z.infer<typeof outputs>>({
  type: "Snapshot",
  description: "The disk of every session's sandbox: image, runner, and what the set-up steps made.",
  inputs,
  outputs,
  replaceOn: ["projectId", "image", "runnerDigest", "workspaceDigest", "steps", "networkPolicy", "expirationDays"],
  deleteBeforeReplace: "unchanged",
  // Vercel deletes snapshots on its own: a missing one must be in the plan, not in the first session's log.
  refreshBeforeUpdate: true,
  deadlines: { create: 1200, read: 60, update: 60, delete: 120 },
  preview(desired, state) {
    if (state) return { snapshotId: state.snapshotId, contentDigest: state.contentDigest, expiresAt: state.expiresAt };
    const known = contentParts(desired).every((part) => part !== UNKNOWN);
    return known ? { contentDigest: contentDigest(desired) } : {};
  },

  async create(desired, context) {
    const digest = contentDigest(desired);
    const made = await buildSnapshot(
      {
        name: builderName(digest, context.urn),
        runnerDir: desired.runnerDir,
        runnerDigest: desired.runnerDigest,
        workspaceDir: desired.workspaceDir,
        workspaceDigest: desired.workspaceDigest,
        image: desired.image,
        steps: desired.steps,
        networkPolicy: desired.networkPolicy,
        expirationMs: desired.expirationDays * DAY_MS,
      },
      snapshotApi(desired.projectId, context),
      context,
    );
    return {
      id: made.id,
      outputs: { snapshotId: made.id, contentDigest: digest, expiresAt: expiry(made.expiresAt) },
    };
  },

  async read(id, state, context) {
    if (!state)
      throw new Error("a Snapshot cannot be imported: its content is not known; declare it and run pulumi up");
    const { snapshotId: _, contentDigest: digest, expiresAt: __, ...found } = state;
    const api = snapshotApi(state.projectId, context);
    // The state has the snapshot: its builder need not vouch for it any more.
    await api.deleteBuilder(builderName(digest, context.urn));
    const remote = await api.get(id);
    if (!remote) return null;
    return { inputs: found, outputs: { snapshotId: id, contentDigest: digest, expiresAt: expiry(remote.expiresAt) } };
  },

  // Only the folder's name can change without another content.
  update: async (_id, { snapshotId, contentDigest: digest, expiresAt }) => ({
    snapshotId,
    contentDigest: digest,
    expiresAt,
  }),

  async delete(id, state, context) {
    const api = snapshotApi(state.projectId, context);
    await api.deleteBuilder(builderName(state.contentDigest, context.urn));
    await api.delete(id);
  },
});

function expiry(at: Date | undefined): string {
  return at?.toISOString() ?? "never";
}

function contentParts({ image, runnerDigest, workspaceDigest, steps, networkPolicy }: Inputs): unknown[] {
  return [image, runnerDigest, workspaceDigest, steps, networkPolicy].flatMap(leaves);
}

function leaves(value: unknown): unknown[] {
  if (Array.isArray(value)) return value.flatMap(leaves);
  return isObject(value) ? Object.values(value).flatMap(leaves) : [value];
}

/** `sha256:<hex>` over everything that decides what is on the disk. */
export function contentDigest({ image, runnerDigest, workspaceDigest, steps, networkPolicy }: Inputs): string {
  const content = canonical({
    image: image ?? null,
    runnerDigest,
    workspaceDigest: workspaceDigest ?? null,
    steps,
    networkPolicy,
  });
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
}

/**
 * The same content and resource always have the same builder, so that an interrupted build is found again. The URN is
 * in it because deleting the snapshot of one stack must not take that of another with it.
 */
function builderName(digest: string, urn: OperationContext["urn"]): string {
  const hash = createHash("sha256").update(`${urn}\n${digest}`).digest("hex");
  return `handrail-snapshot-${hash.slice(0, 32)}`;
}

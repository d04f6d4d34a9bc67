/**
 * How an object at Anthropic is found again by the resource that made it. Anthropic has no idempotency keys: an `up`
 * that is killed between the create and the write of the state would otherwise make a second object next time.
 *
 * The URN names stack, project and resource, so stacks in one workspace do not adopt each other's objects unless they
 * have the same names: one workspace a stack.
 */
import { createHash } from "node:crypto";

/** Metadata key; Anthropic allows 64 characters (contracts/claude-managed-agents.md §2.2). */
export const TAG_KEY = "handrail_urn";
const MAX_VALUE = 512;
/** Anthropic allows 16 pairs, and one is ours. */
export const MAX_USER_METADATA = 15;

export function tagValue(urn: string): string {
  return urn.length <= MAX_VALUE ? urn : `sha256:${createHash("sha256").update(urn).digest("hex")}`;
}

/** Metadata for a create or a full replacement. */
export function tagged(metadata: Readonly<Record<string, string>> | undefined, urn: string): Record<string, string> {
  return { ...metadata, [TAG_KEY]: tagValue(urn) };
}

export function hasTag(object: { metadata: Record<string, string> | null }, urn: string): boolean {
  return object.metadata?.[TAG_KEY] === tagValue(urn);
}

/** What the program wrote: the remote metadata without our key; undefined for none. */
export function userMetadata(metadata: Record<string, string> | null): Record<string, string> | undefined {
  const { [TAG_KEY]: _, ...rest } = metadata ?? {};
  return Object.keys(rest).length > 0 ? rest : undefined;
}

/** A patch from one metadata to another; null deletes a key, as both APIs have it. */
export function metadataPatch(
  before: Readonly<Record<string, string>> | undefined,
  after: Readonly<Record<string, string>> | undefined,
  urn: string,
): Record<string, string | null> {
  const removed = Object.keys(before ?? {}).filter((key) => !Object.hasOwn(after ?? {}, key));
  return { ...Object.fromEntries(removed.map((key) => [key, null])), ...tagged(after, urn) };
}

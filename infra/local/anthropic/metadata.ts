/** Metadata of environments, agents, sessions and work items: at most 16 pairs of 64 and 512 characters. */
import { z } from "zod";
import { badRequest } from "./errors.ts";

export const metadataSchema = z.record(z.string(), z.string());
/** A patch: a string sets the key, null deletes it. */
export const metadataPatchSchema = z.record(z.string(), z.string().nullable());

export type Metadata = Record<string, string>;

/** `old` with `patch` merged in. `emptyDeletes`: "" deletes too (environments). @throws ApiError 400 `invalid_metadata`. */
export function mergeMetadata(old: Metadata, patch: Record<string, string | null>, emptyDeletes = false): Metadata {
  const merged = { ...old };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null || (emptyDeletes && value === "")) delete merged[key];
    else merged[key] = value;
  }
  const pairs = Object.entries(merged);
  if (pairs.length > 16)
    throw badRequest(`metadata: ${pairs.length} pairs, at most 16 are allowed`, "invalid_metadata");
  for (const [key, value] of pairs) {
    if (key.length === 0 || key.length > 64) {
      throw badRequest(`metadata: key "${key.slice(0, 70)}" must have 1 to 64 characters`, "invalid_metadata");
    }
    if (value.length > 512) {
      throw badRequest(`metadata.${key}: ${value.length} characters, at most 512 are allowed`, "invalid_metadata");
    }
  }
  return merged;
}

/** The Anthropic client of one operation, and what environments and agents do alike. */
import Anthropic, { APIConnectionError, APIError, NotFoundError } from "@anthropic-ai/sdk";
import { z } from "zod";
import type { OperationContext } from "./definition.ts";
import { MAX_USER_METADATA, TAG_KEY } from "./metadata-tag.ts";
import { requireConfig } from "./provider-config.ts";

export function anthropicClient(context: OperationContext): Anthropic {
  const { anthropicApiKey } = requireConfig(context.config, "anthropicApiKey");
  return new Anthropic({
    apiKey: anthropicApiKey,
    baseURL: context.config.anthropicBaseUrl ?? "https://api.anthropic.com",
    fetch: context.fetch,
    logLevel: "off",
  });
}

/** Metadata that a program may give an object; the limits are Anthropic's. */
export const metadataSchema = z
  .record(
    z.string().min(1).max(64, "a metadata key has at most 64 characters"),
    z.string().max(512, "a metadata value has at most 512 characters"),
  )
  .refine((map) => Object.keys(map).length <= MAX_USER_METADATA, {
    error: `at most ${MAX_USER_METADATA} pairs; one more is needed to find the object again`,
  })
  .refine((map) => !Object.hasOwn(map, TAG_KEY), { error: `the key ${TAG_KEY} is set by the provider; remove it` })
  .optional()
  .describe("Key-value pairs stored with the object.");

/**
 * Runs a create without the SDK's own retries: a repeated POST makes a second object. When the answer was lost, the
 * object may exist: `find` looks for its tag.
 *
 * @throws what `create` threw, when nothing was made.
 */
export async function createOnce<T>(find: () => Promise<T | undefined>, create: () => Promise<T>): Promise<T> {
  try {
    return await create();
  } catch (error) {
    const lost = error instanceof APIConnectionError || (error instanceof APIError && (error.status ?? 0) >= 500);
    const made = lost ? await find() : undefined;
    if (made === undefined) throw error;
    return made;
  }
}

/** `undefined` instead of a 404. */
export async function unlessMissing<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}

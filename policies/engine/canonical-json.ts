import { createHash } from "node:crypto";

/** The value with the keys of every object sorted, and without what is undefined. */
export function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, member]) => [key, sortKeys(member)]),
  );
}

/** `sha256:<hex>` over the JSON of a value with sorted keys and no white space. */
export function canonicalDigest(value: unknown): string {
  return `sha256:${createHash("sha256")
    .update(JSON.stringify(sortKeys(value)))
    .digest("hex")}`;
}

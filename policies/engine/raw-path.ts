/** Paths that are matched as they are sent, by `unsafe` rules only: what a server makes of them is not looked at. */
import type { UnsafeRule } from "./policy.ts";

/** What a raw path must look like. */
export type RawPath = { readonly startsWith: string } | { readonly regex: string };

/** The raw path that an unsafe rule asks for; null when it asks for none. */
export function rawPathOf(unsafe: UnsafeRule | undefined): RawPath | null {
  if (unsafe?.pathStartsWith !== undefined) return { startsWith: unsafe.pathStartsWith };
  return unsafe?.pathRegex !== undefined ? { regex: unsafe.pathRegex } : null;
}

/** As it is shown in tables and refusals: `/v1/…` or `~^/v1/\d+$`. */
export function describeRawPath(path: RawPath): string {
  return "startsWith" in path ? `${path.startsWith}…` : `~${path.regex}`;
}

/** Whether some path may match both. */
export function rawPathsMeet(a: RawPath, b: RawPath): boolean {
  if (!("startsWith" in a) || !("startsWith" in b)) return true;
  return a.startsWith.startsWith(b.startsWith) || b.startsWith.startsWith(a.startsWith);
}

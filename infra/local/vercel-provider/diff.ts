import { isDeepStrictEqual } from "node:util";
import { hasUnknown, type Properties } from "./properties.ts";

/** One change in the words of the engine's detailed diff. */
export interface PropertyChange {
  kind: "ADD" | "DELETE" | "UPDATE";
  replaces: boolean;
}

/**
 * What differs between two inputs, by property path (`meta.revision`, `files["api/x"]`).
 *
 * @param replacing whether a change of this property takes a new resource.
 * @param ignored paths or properties that the program told the engine to ignore.
 */
export function diff(
  olds: Properties,
  news: Properties,
  replacing: (property: string) => boolean,
  ignored: readonly string[] = [],
): Map<string, PropertyChange> {
  const changes = new Map<string, PropertyChange>();
  for (const property of new Set([...Object.keys(olds), ...Object.keys(news)])) {
    if (property.startsWith("__") || ignored.includes(property)) continue;
    const replaces = replacing(property);
    compare(property, olds[property], news[property], (path, kind) => {
      if (!ignored.includes(path)) changes.set(path, { kind, replaces });
    });
  }
  return changes;
}

function compare(
  path: string,
  old: unknown,
  now: unknown,
  report: (path: string, kind: PropertyChange["kind"]) => void,
): void {
  const [before, after] = [old ?? undefined, now ?? undefined];
  if (!hasUnknown(after) && isDeepStrictEqual(canonical(before), canonical(after))) return;
  if (!isMap(before) || !isMap(after)) {
    report(path, before === undefined ? "ADD" : after === undefined ? "DELETE" : "UPDATE");
    return;
  }
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const step = /^[A-Za-z_][\w-]*$/.test(key) ? `.${key}` : `["${key}"]`;
    compare(path + step, before[key], after[key], report);
  }
}

/** The lists of these resources (targets, regions) are sets: their order means nothing. */
function canonical(value: unknown): unknown {
  return Array.isArray(value) ? [...value].sort() : value;
}

function isMap(value: unknown): value is Properties {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

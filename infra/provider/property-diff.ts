/** What differs between two property maps, property by property, as `pulumi preview --diff` shows it. */
import { isObject, UNKNOWN } from "./property-values.ts";

export interface PropertyChange {
  kind: "add" | "delete" | "update";
  /** The property of the resource in which the change lies: the first step of the path. */
  property: string;
}

/**
 * Every changed leaf, by path (`rules.get_customer["GET api.crm.example/v1/customers/{customer}"]`). Maps are compared
 * key by key and lists item by item; a value that is not known yet counts as changed.
 */
export function diffProperties(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): Map<string, PropertyChange> {
  const changes = new Map<string, PropertyChange>();
  for (const property of union(before, after)) {
    compare(before[property], after[property], propertyPath([property]), (path, kind) =>
      changes.set(path, { kind, property }),
    );
  }
  return changes;
}

function compare(
  before: unknown,
  after: unknown,
  path: string,
  report: (path: string, kind: PropertyChange["kind"]) => void,
): void {
  if (before === undefined && after === undefined) return;
  if (before === undefined) report(path, "add");
  else if (after === undefined) report(path, "delete");
  else if (after === UNKNOWN) report(path, "update");
  else if (Array.isArray(before) && Array.isArray(after)) {
    for (let index = 0; index < Math.max(before.length, after.length); index += 1) {
      compare(before[index], after[index], `${path}[${index}]`, report);
    }
  } else if (isObject(before) && isObject(after)) {
    for (const key of union(before, after)) compare(before[key], after[key], path + step(key), report);
  } else if (before !== after) report(path, "update");
}

/** A path in Pulumi's notation (`sdk/go/common/resource/property_path.go`). */
export function propertyPath(steps: readonly PropertyKey[]): string {
  return steps
    .map((item) => (typeof item === "number" ? `[${item}]` : step(String(item))))
    .join("")
    .replace(/^\./, "");
}

function step(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

function union(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
}

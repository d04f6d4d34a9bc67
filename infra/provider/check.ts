/** Checks what a user wrote against a schema, and says in their terms what to change. */
import type { z } from "zod";
import { propertyPath } from "./property-diff.ts";
import { isObject, type Revealed, UNKNOWN } from "./property-values.ts";

export interface CheckFailure {
  /** Path of the property, in Pulumi's notation. */
  property: string;
  /** What is wrong and what to write instead; never the value, which may be a secret. */
  reason: string;
}

/**
 * All failures of `inputs`. What is not known yet cannot fail: the engine checks again once it is.
 */
export function checkInputs(schema: z.ZodType, inputs: Revealed): CheckFailure[] {
  const result = schema.safeParse(inputs);
  if (result.success) return [];
  return result.error.issues
    .filter((issue) => !leadsToUnknown(inputs, issue.path))
    .flatMap((issue) => describe(issue, inputs));
}

function leadsToUnknown(inputs: unknown, path: readonly PropertyKey[]): boolean {
  let value = inputs;
  for (const key of path) {
    if (value === UNKNOWN) return true;
    value = value === null || typeof value !== "object" ? undefined : (value as Record<PropertyKey, unknown>)[key];
  }
  return value === UNKNOWN;
}

function describe(issue: z.core.$ZodIssue, inputs: Revealed): CheckFailure[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      property: propertyPath([...issue.path, key]),
      reason: `there is no property ${JSON.stringify(key)} here; remove it, or correct its name`,
    }));
  }
  if (issue.code === "invalid_type" && at(inputs, issue.path) === undefined) {
    return [{ property: propertyPath(issue.path), reason: `is missing; give it a ${issue.expected}` }];
  }
  return [{ property: propertyPath(issue.path), reason: issue.message }];
}

function at(inputs: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (isObject(value) ? value[String(key)] : undefined), inputs);
}

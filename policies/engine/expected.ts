/** Values that a rule expects of a query parameter or a header, parsed. */
import type { Expected } from "./policy.ts";

/** A piece of a fixed value. */
export type ValuePart = { readonly text: string } | { readonly variable: string };

/** The values that are right; null when any is. */
export type ExpectedValues = readonly (readonly ValuePart[])[] | null;

/** Parses what is expected, or returns the value that cannot be. */
export function parseExpected(
  written: Expected,
  text: RegExp,
  isVariable: (name: string) => boolean,
): ExpectedValues | { readonly wrong: string } {
  if (written === true) return null;
  const values: ValuePart[][] = [];
  for (const value of [written].flat()) {
    const parts: ValuePart[] = [];
    for (const token of value.split(/(\{\w+\})/).filter((token) => token !== "")) {
      const variable = /^\{(\w+)\}$/.exec(token)?.[1];
      if (variable !== undefined && isVariable(variable)) parts.push({ variable });
      else if (text.test(token)) parts.push({ text: token });
      else return { wrong: value };
    }
    if (parts.length === 0) return { wrong: value };
    values.push(parts);
  }
  return values.length === 0 ? { wrong: "" } : values;
}

/** Names of the bound variables that the values hold. */
export function expectedVariables(values: ExpectedValues): string[] {
  return (values ?? []).flat().flatMap((part) => ("variable" in part ? [part.variable] : []));
}

/** The values as they are written, e.g. `asc` or `asc|desc`. */
export function expectedText(values: readonly (readonly ValuePart[])[]): string {
  return values
    .map((parts) => parts.map((part) => ("text" in part ? part.text : `{${part.variable}}`)).join(""))
    .join("|");
}

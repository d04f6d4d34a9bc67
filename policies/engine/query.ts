/** The query that a rule allows, parsed. */
import type { Query } from "./policy.ts";

/** A piece of a fixed value. */
export type ValuePart = { readonly text: string } | { readonly variable: string };

/** One allowed parameter. */
export interface QueryParam {
  readonly name: string;
  /** The value it must have; null when any will do. */
  readonly value: readonly ValuePart[] | null;
}

// Spelled the same with and without percent-encoding, so that it makes no difference which of them a matcher sees.
const NAME = /^[A-Za-z0-9._~-]+(?:\[[A-Za-z0-9._~-]*\])*$/;
const TEXT = /^[A-Za-z0-9._~-]+$/;

/** Parses `query` of a rule into a list sorted by name, or says what is wrong. */
export function parseQuery(
  query: Query,
  isVariable: (name: string) => boolean,
): QueryParam[] | { problem: string; fix: string } {
  const entries: (readonly [string, string | true])[] = Array.isArray(query)
    ? (query as readonly string[]).map((name) => [name, true])
    : Object.entries(query);
  const params: QueryParam[] = [];
  for (const [name, written] of entries) {
    if (!NAME.test(name)) {
      return {
        problem: `${JSON.stringify(name)} is no query name`,
        fix: "Use letters, digits, . _ ~ - and a final []",
      };
    }
    if (params.some((param) => param.name === name)) return { problem: `names ${name} twice`, fix: "Remove one" };
    const value = written === true ? null : parseValue(written, isVariable);
    if (value === undefined) {
      const problem = `${name} has the value ${JSON.stringify(written)}`;
      return { problem, fix: "Write letters, digits, . _ ~ - and bound {variables}, or `true` for any value" };
    }
    params.push({ name, value });
  }
  return params.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function parseValue(written: string, isVariable: (name: string) => boolean): ValuePart[] | undefined {
  const value: ValuePart[] = [];
  for (const token of written.split(/(\{\w+\})/).filter((token) => token !== "")) {
    const variable = /^\{(\w+)\}$/.exec(token)?.[1];
    if (variable !== undefined && isVariable(variable)) value.push({ variable });
    else if (TEXT.test(token)) value.push({ text: token });
    else return undefined;
  }
  return value.length === 0 ? undefined : value;
}

/** Names of the bound variables that the values hold. */
export function queryVariables(params: readonly QueryParam[]): string[] {
  return params.flatMap(({ value }) => value ?? []).flatMap((part) => ("variable" in part ? [part.variable] : []));
}

/**
 * How a name can stand in a request target. Brackets are sent raw by some clients and encoded by others (the Anthropic
 * SDK sends `event_deltas%5B%5D`), and whether the firewall decodes names is not documented: so each spelling counts.
 */
export function nameSpellings(name: string): string[] {
  const encoded = (open: string, close: string) => name.replaceAll("[", open).replaceAll("]", close);
  return [...new Set([name, encoded("%5B", "%5D"), encoded("%5b", "%5d")])];
}

/** The query that a rule allows, parsed. */
import { type ExpectedValues, expectedText, expectedVariables, parseExpected } from "./expected.ts";
import type { Expected, Query } from "./policy.ts";

/** One allowed parameter. */
export interface QueryParam {
  readonly name: string;
  /** The values it may have; null when any will do. */
  readonly values: ExpectedValues;
  /** The rule holds only where it is there. */
  readonly required?: true;
}

// Spelled the same with and without percent-encoding, so that it makes no difference which of them a matcher sees.
const NAME = /^[A-Za-z0-9._~-]+(?:\[[A-Za-z0-9._~-]*\])*$/;
const TEXT = /^[A-Za-z0-9._~-]+$/;

/** Parses `query` of a rule into a list sorted by name, or says what is wrong. */
export function parseQuery(
  query: Query,
  isVariable: (name: string) => boolean,
): QueryParam[] | { problem: string; fix: string } {
  const entries: (readonly [string, Expected | { readonly required: Expected }])[] = isNames(query)
    ? query.map((name) => [name, true])
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
    const required = typeof written === "object" && "required" in written;
    const values = parseExpected(required ? written.required : written, TEXT, isVariable);
    if (values !== null && "wrong" in values) {
      const problem = `${name} has the value ${JSON.stringify(values.wrong)}`;
      return { problem, fix: "Write letters, digits, . _ ~ - and bound {variables}, or `true` for any value" };
    }
    // Most APIs read a missing filter as "of everyone": a value that is bound to the session is there, or nothing is sent.
    const bound = expectedVariables(values).length > 0;
    params.push({ name, values, ...((required || bound) && { required: true }) });
  }
  return params.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Names of the bound variables that the values hold. */
export function queryVariables(params: readonly QueryParam[]): string[] {
  return params.flatMap(({ values }) => expectedVariables(values));
}

/** The parameters as people read them: `limit`, `order=asc|desc`, `service=git-upload-pack (required)`. */
export function describeQueryParams(params: readonly QueryParam[]): string[] {
  return params.map(({ name, values, required }) => {
    const value = values === null ? "" : `=${expectedText(values)}`;
    return `${name}${value}${required ? " (required)" : ""}`;
  });
}

/**
 * How a name can stand in a request target. Brackets are sent raw by some clients and encoded by others (the Anthropic
 * SDK sends `event_deltas%5B%5D`), and whether the firewall decodes names is not documented: so each spelling counts.
 */
export function nameSpellings(name: string): string[] {
  const encoded = (open: string, close: string) => name.replaceAll("[", open).replaceAll("]", close);
  return [...new Set([name, encoded("%5B", "%5D"), encoded("%5b", "%5d")])];
}

function isNames(query: Query): query is readonly string[] {
  return Array.isArray(query);
}

/** The headers that a rule asks for, parsed. */
import { AUTH_HEADERS, credentialHeaderProblem } from "./auth-headers.ts";
import { type ExpectedValues, expectedText, expectedVariables, parseExpected } from "./expected.ts";
import type { HeaderConditions } from "./policy.ts";

/** One header that must be there. */
export interface HeaderCondition {
  /** In lower case. */
  readonly name: string;
  /** The values it may have; null when any will do. */
  readonly values: ExpectedValues;
}

// A whole field value in printable ASCII, without the braces that variables are written in.
const TEXT = /^[\x20-\x7a|~]+$/;

/** Parses `headers` of a rule into a list sorted by name, or says what is wrong. */
export function parseHeaderConditions(
  headers: HeaderConditions,
  isVariable: (name: string) => boolean,
): HeaderCondition[] | { problem: string; fix: string } {
  const conditions: HeaderCondition[] = [];
  for (const [written, expected] of Object.entries(headers)) {
    const name = written.toLowerCase();
    const problem = credentialHeaderProblem(written);
    if (problem) return { problem, fix: "Ask for a header that the API documents" };
    if ((AUTH_HEADERS as readonly string[]).includes(name)) {
      return {
        problem: `${written} is an identity of the guest's own`,
        fix: "Use a `credential`; a guest's is refused",
      };
    }
    if (conditions.some((other) => other.name === name)) return { problem: `names ${name} twice`, fix: "Remove one" };
    const values = parseExpected(expected, TEXT, isVariable);
    if (values !== null && "wrong" in values) {
      const fix = "Write printable ASCII and bound {variables}, or `true` for any value";
      return { problem: `${written} has the value ${JSON.stringify(values.wrong)}`, fix };
    }
    conditions.push({ name, values });
  }
  return conditions.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Names of the bound variables that the values hold. */
export function headerVariables(conditions: readonly HeaderCondition[]): string[] {
  return conditions.flatMap(({ values }) => expectedVariables(values));
}

/** The conditions as people read them: `x-amz-target: Notes.Get|Notes.List`. */
export function describeHeaderConditions(conditions: readonly HeaderCondition[]): string[] {
  return conditions.map(({ name, values }) => (values === null ? name : `${name}: ${expectedText(values)}`));
}

/** Vercel's matchers, read exactly (contracts/vercel-firewall.md §1.7). */
import { RE2JS } from "re2js";
import { PolicyError } from "./errors.ts";
import type { NetworkPolicyKeyValueMatcher, NetworkPolicyMatch, NetworkPolicyMatcher } from "./network-policy.ts";

/** How names and values of the query reach a matcher: which of them holds is not documented. */
export type QueryReading = "decoded" | "raw";

/** A request as matchers see it, taken apart once. */
export interface MatchSubject {
  readonly method: string;
  /** Raw path of the request target, without the query. */
  readonly path: string;
  readonly query: readonly (readonly [string, string])[];
  readonly headers: readonly (readonly [string, string])[];
}

/** Takes a request apart. Every request has a `Host`: unless it names another, that of its connection. */
export function matchSubject(
  request: { method: string; host: string; target: string; headers: readonly (readonly [string, string])[] },
  reading: QueryReading,
): MatchSubject {
  const mark = request.target.indexOf("?");
  const query = mark === -1 ? "" : request.target.slice(mark + 1);
  const hasHost = request.headers.some(([name]) => name.toLowerCase() === "host");
  return {
    method: request.method,
    path: mark === -1 ? request.target : request.target.slice(0, mark),
    query: reading === "decoded" ? [...new URLSearchParams(query)] : rawPairs(query),
    headers: hasHost ? request.headers : [["host", request.host], ...request.headers],
  };
}

/** The first condition that does not hold, in words; null when the request matches. */
export function mismatch(match: NetworkPolicyMatch | undefined, subject: MatchSubject): string | null {
  if (match === undefined) return null;
  if (match.method && !match.method.includes(subject.method)) {
    return `method ${subject.method} is not ${match.method.join(", ") || "in its empty list"}`;
  }
  if (match.path && !holds(match.path, subject.path)) return "the path does not match";
  for (const entry of match.queryString ?? []) {
    if (!subject.query.some((pair) => entryHolds(entry, pair, holds))) return "no query parameter matches";
  }
  for (const entry of match.headers ?? []) {
    if (!subject.headers.some((pair) => entryHolds(entry, pair, nameHolds))) return "no header matches";
  }
  return null;
}

function entryHolds(
  entry: NetworkPolicyKeyValueMatcher,
  [key, value]: readonly [string, string],
  keyHolds: (matcher: NetworkPolicyMatcher, text: string) => boolean,
): boolean {
  return (!entry.key || keyHolds(entry.key, key)) && (!entry.value || holds(entry.value, value));
}

/** Header names are compared without regard to case, by regular expressions too. */
function nameHolds(matcher: NetworkPolicyMatcher, name: string): boolean {
  const { exact, startsWith, regex } = kinds(matcher);
  return holds(
    {
      ...(exact !== undefined && { exact: exact.toLowerCase() }),
      ...(startsWith !== undefined && { startsWith: startsWith.toLowerCase() }),
      ...(regex !== undefined && { regex: ignoringCase(regex) }),
    },
    name.toLowerCase(),
  );
}

/** The same regular expression for a name whose case does not matter. */
export function ignoringCase(regex: string): string {
  return `(?i)${regex}`;
}

/** A matcher with several kinds holds when all do; one with none always. The API's own reading of both is unknown. */
function holds(matcher: NetworkPolicyMatcher, text: string): boolean {
  const { exact, startsWith, regex } = kinds(matcher);
  if (exact !== undefined && text !== exact) return false;
  if (startsWith !== undefined && !text.startsWith(startsWith)) return false;
  return regex === undefined || compileRegex(regex).test(text);
}

function kinds(matcher: NetworkPolicyMatcher): { exact?: string; startsWith?: string; regex?: string } {
  return matcher;
}

const compiled = new Map<string, RE2JS>();
const MOST_COMPILED = 20_000;

/**
 * Compiles a regular expression of RE2, and keeps it.
 *
 * @throws PolicyError when RE2 does not know its syntax (lookaround, backreferences, possessive quantifiers).
 */
export function compileRegex(regex: string): RE2JS {
  const known = compiled.get(regex);
  if (known) return known;
  let made: RE2JS;
  try {
    made = RE2JS.compile(regex);
  } catch (error) {
    const problem = `RE2 refuses /${regex}/: ${error instanceof Error ? error.message : "unknown reason"}`;
    const fix = "RE2 has no lookaround, backreferences or possessive quantifiers: write it without";
    throw new PolicyError([{ place: "regex", problem, fix }]);
  }
  if (compiled.size >= MOST_COMPILED) compiled.clear();
  compiled.set(regex, made);
  return made;
}

function rawPairs(query: string): [string, string][] {
  return query
    .split("&")
    .filter((piece) => piece !== "")
    .map((piece) => {
      const mark = piece.indexOf("=");
      return mark === -1 ? [piece, ""] : [piece.slice(0, mark), piece.slice(mark + 1)];
    });
}

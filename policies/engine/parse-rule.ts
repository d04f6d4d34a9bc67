/** A rule's templates, parsed. */
import { type HeaderCondition, parseHeaderConditions } from "./header-conditions.ts";
import { type PathTemplate, parsePathTemplate } from "./path-template.ts";
import type { AllowRule } from "./policy.ts";
import { parseQuery, type QueryParam } from "./query.ts";
import { type RawPath, rawPathOf } from "./raw-path.ts";

/** The path of a rule; null is every path. */
export type RulePath = PathTemplate | RawPath | null;

/** What a rule's texts say. */
export interface ParsedRule {
  readonly path: RulePath;
  readonly query: readonly QueryParam[];
  readonly headers: readonly HeaderCondition[];
}

/** What is wrong with one of a rule's keys. */
export interface RuleProblem {
  readonly key: "path" | "query" | "headers";
  readonly problem: string;
  readonly fix: string;
}

/** Parses a rule's path, query and header conditions, or says what is wrong with them. */
export function parseRule(
  rule: AllowRule,
  isVariable: (name: string) => boolean,
): ParsedRule | { readonly problems: readonly RuleProblem[] } {
  const path = rule.path === undefined ? rawPathOf(rule.unsafe) : parsePathTemplate(rule.path, isVariable);
  const query = parseQuery(rule.query ?? [], isVariable);
  const headers = parseHeaderConditions(rule.headers ?? {}, isVariable);
  if (path !== null && "problem" in path) return { problems: problemsOf(path, query, headers) };
  if ("problem" in query || "problem" in headers) return { problems: problemsOf(path, query, headers) };
  return { path, query, headers };
}

/** Whether a path is a template; if not it is every path, or a raw one. */
export function isTemplate(path: RulePath): path is PathTemplate {
  return path !== null && "segments" in path;
}

function problemsOf(path: object | null, query: object, headers: object): RuleProblem[] {
  return Object.entries({ path, query, headers }).flatMap(([key, parsed]) =>
    parsed !== null && "problem" in parsed ? [{ key, ...parsed } as RuleProblem] : [],
  );
}

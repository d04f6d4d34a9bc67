/**
 * Path templates: OpenAPI's `{name}` for one segment, and `{name...}` at the end for one segment or more.
 *
 * A name is either a bound variable (fixed at spawn) or a parameter, which whoever sends the request chooses. What a
 * parameter can hold is what `encodeURIComponent` and RFC 3986 leave in a segment, without the escapes that some server
 * on the way decodes into structure.
 */
import { RE2JS } from "re2js";

/** A piece of a segment. */
export type Part = { readonly text: string } | { readonly variable: string } | { readonly param: string };

/** One segment, never empty. */
export type Segment = readonly Part[];

/** A parsed template. */
export interface PathTemplate {
  /** As it was written. */
  readonly template: string;
  readonly segments: readonly Segment[];
  /** What follows the segments: nothing, a slash, or one segment or more (a parameter). */
  readonly end: "none" | "slash" | { readonly tail: string };
}

/** A template is wrong. */
export interface TemplateProblem {
  readonly problem: string;
  readonly fix: string;
}

const LITERAL = /^[A-Za-z0-9\-._~!$&'()*+,=:@]+$/;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

// Escapes that stay: printable characters that mean nothing in a path (not `# % . / ; ? \`, controls, DEL), and whole,
// shortest UTF-8 sequences. Single bytes would let overlong spellings of a dot or a slash through, which lenient
// decoders fold.
const CONTINUATION = "%[89abAB][0-9a-fA-F]";
const ESCAPE = `(?:${[
  "%(?:2[0-246-9a-dA-D]|3[0-9ac-eAC-E]|[46][0-9a-fA-F]|5[0-9abdefABDEF]|7[0-9a-eA-E])",
  `%(?:[cC][2-9a-fA-F]|[dD][0-9a-fA-F])${CONTINUATION}`,
  `(?:%[eE]0%[abAB][0-9a-fA-F]|%[eE][1-9a-cA-CeEfF]${CONTINUATION}|%[eE][dD]%[89][0-9a-fA-F])${CONTINUATION}`,
  `(?:%[fF]0%[9abAB][0-9a-fA-F]|%[fF][1-3]${CONTINUATION}|%[fF]4%8[0-9a-fA-F])${CONTINUATION}${CONTINUATION}`,
].join("|")})`;
const CHARACTER = "[A-Za-z0-9_~!$&'()*+,=:@\\-]";
const NOT_DOT = `(?:${CHARACTER}|${ESCAPE})`;
const ANY = `(?:[.]|${CHARACTER}|${ESCAPE})`;
// At least one character besides dots: neither `.` nor `..`, nor what some server folds into them.
const SEGMENT = `[.]*${NOT_DOT}${ANY}*`;

/**
 * Parses a template.
 *
 * @param isVariable whether a name is a bound variable; any other is a parameter.
 */
export function parsePathTemplate(
  template: string,
  isVariable: (name: string) => boolean,
): PathTemplate | TemplateProblem {
  const refuse = (problem: string, fix: string) => ({ problem: `path ${JSON.stringify(template)} ${problem}`, fix });
  if (!template.startsWith("/")) return refuse("does not start with /", "Write the path from the root");
  if (/[?#]/.test(template)) return refuse("has a query or fragment", "Name query parameters in `query`");
  if (template.includes("%")) return refuse("has an escape", "Write literal characters, or a {param}");
  if (/^\^|\$$|\.\*|\.\+|\\/.test(template)) {
    return refuse("looks like a regular expression", "Write a template: {param} is one segment, {rest...} the rest");
  }
  const pieces = template.slice(1).split("/");
  const last = pieces.at(-1) ?? "";
  const tail = /^\{([^{}]*)\.\.\.\}$/.exec(last)?.[1];
  if (tail !== undefined && (!NAME.test(tail) || isVariable(tail))) {
    return refuse(`has a tail {${tail}...} that is not a parameter`, "Give the tail a name of its own");
  }
  const end = tail === undefined ? (last === "" ? "slash" : "none") : { tail };
  if (end !== "none") pieces.pop();
  const segments: Part[][] = [];
  const params = new Set<string>(tail === undefined ? [] : [tail]);
  for (const piece of pieces) {
    if (piece === "") return refuse("has an empty segment", "Remove the doubled /");
    const parts: Part[] = [];
    for (const token of piece.split(/(\{[^{}]*\})/).filter((token) => token !== "")) {
      const name = /^\{(.*)\}$/.exec(token)?.[1];
      if (name === undefined) {
        if (!LITERAL.test(token)) return refuse(`holds ${JSON.stringify(token)}`, "Use unreserved characters only");
        parts.push({ text: token });
        continue;
      }
      if (name.endsWith("...")) return refuse(`has {${name}} before its end`, "A tail must be the last segment");
      if (!NAME.test(name)) return refuse(`has the name {${name}}`, "Names are letters, digits and _");
      if (isVariable(name)) parts.push({ variable: name });
      else if (params.has(name)) return refuse(`has {${name}} twice`, "Give each parameter a name of its own");
      else {
        params.add(name);
        parts.push({ param: name });
      }
    }
    if (parts.filter((part) => "param" in part).length > 1) {
      return refuse("has two parameters in one segment", "Split them by /, or use one");
    }
    // A variable never holds a dot, so only a segment of text, or text around a parameter, can come out as dots alone.
    const text = parts.map((part) => ("text" in part ? part.text : "")).join("");
    if (/^\.+$/.test(text) && !parts.some((part) => "variable" in part)) {
      return refuse(`has the segment ${JSON.stringify(piece)}`, "Dot segments are resolved before an API sees them");
    }
    segments.push(parts);
  }
  return { template, segments, end };
}

/** Names of the template's parameters: what the sender chooses, in order. */
export function pathParams({ segments, end }: Pick<PathTemplate, "segments" | "end">): string[] {
  const names = segments.flat().flatMap((part) => ("param" in part ? [part.param] : []));
  return typeof end === "object" ? [...names, end.tail] : names;
}

/** Names of the template's bound variables, in order. */
export function pathVariables({ segments }: Pick<PathTemplate, "segments">): string[] {
  return segments.flat().flatMap((part) => ("variable" in part ? [part.variable] : []));
}

/**
 * The matcher for the raw path: `exact` where nothing is left open, otherwise an anchored regular expression.
 *
 * @param variables checked values of the bound variables (letters, digits, `_` and `-`).
 */
export function pathMatcher(
  { segments, end }: Pick<PathTemplate, "segments" | "end">,
  variables: Readonly<Record<string, string>>,
): { exact: string } | { regex: string } {
  const text = (part: Part) =>
    "text" in part ? part.text : "variable" in part ? (variables[part.variable] ?? "") : "";
  if (typeof end === "string" && !segments.flat().some((part) => "param" in part)) {
    return { exact: segments.map((parts) => `/${parts.map(text).join("")}`).join("") + (end === "slash" ? "/" : "") };
  }
  return { regex: pathRegex({ segments, end }, (name) => RE2JS.quote(variables[name] ?? "")) };
}

/**
 * The anchored regular expression of a template.
 *
 * @param variable the expression for a bound variable.
 */
export function pathRegex(
  { segments, end }: Pick<PathTemplate, "segments" | "end">,
  variable: (name: string) => string,
): string {
  const piece = (part: Part) => {
    if ("param" in part) return `${ANY}+`;
    return "text" in part ? RE2JS.quote(part.text) : variable(part.variable);
  };
  const pattern = (parts: Segment) =>
    parts.length === 1 && parts[0] && "param" in parts[0] ? SEGMENT : parts.map(piece).join("");
  const tail = end === "none" ? "" : end === "slash" ? "/" : `(?:/${SEGMENT})+/?`;
  return `^${segments.map((parts) => `/${pattern(parts)}`).join("")}${tail}$`;
}

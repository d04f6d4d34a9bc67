import fc from "fast-check";
import { RE2JS } from "re2js";
import { describe, expect, test } from "vitest";
import { ODD_PATH } from "./odd-path.ts";
import { type PathTemplate, parsePathTemplate, pathMatcher, pathParams, pathVariables } from "./path-template.ts";

function parse(template: string, ...variables: string[]): PathTemplate {
  const parsed = parsePathTemplate(template, (name) => variables.includes(name));
  if ("problem" in parsed) throw new Error(parsed.problem);
  return parsed;
}

function matches(template: string, path: string, variables: Record<string, string> = {}): boolean {
  const matcher = pathMatcher(parse(template, ...Object.keys(variables)), variables);
  return "exact" in matcher ? matcher.exact === path : RE2JS.compile(matcher.regex).test(path);
}

describe("a template matches", () => {
  test.each([
    ["/", "/"],
    ["/v1/customers", "/v1/customers"],
    ["/v1/customers/", "/v1/customers/"],
    ["/v1/{id}", "/v1/a"],
    ["/v1/{id}", "/v1/M%C3%BCller%20%26%20Co"],
    ["/v1/{id}", "/v1/user@example.com"],
    ["/v1/{id}", "/v1/.well-known"],
    ["/v1/{id}", "/v1/a..b"],
    ["/{org}/{repo}.git/info/refs", "/acme/app.git/info/refs"],
    ["/files/{rest...}", "/files/a"],
    ["/files/{rest...}", "/files/a/b/c"],
    ["/files/{rest...}", "/files/a/"],
  ])("%s: %s", (template, path) => expect(matches(template, path)).toBe(true));
});

describe("a template does not match", () => {
  test.each([
    ["/", ""],
    ["/v1/customers", "/v1/customers/"],
    ["/v1/customers", "/V1/customers"],
    ["/v1/customers", "/v1/customers/x"],
    ["/v1/{id}", "/v1/"],
    ["/v1/{id}", "/v1/a/b"],
    ["/v1/{id}", "/v1/.."],
    ["/v1/{id}", "/v1/..."],
    ["/v1/{id}", "/v1/%2e%2e"],
    ["/v1/{id}", "/v1/a%2Fb"],
    ["/v1/{id}", "/v1/a%5cb"],
    ["/v1/{id}", "/v1/a\\b"],
    ["/v1/{id}", "/v1/a;b"],
    ["/v1/{id}", "/v1/a%3Bb"],
    ["/v1/{id}", "/v1/a%00"],
    ["/v1/{id}", "/v1/a%0d%0a"],
    ["/v1/{id}", "/v1/a%252fb"],
    ["/v1/{id}", "/v1/%c0%ae"],
    ["/v1/{id}", "/v1/a%2"],
    ["/v1/{id}", "/v1/a?b"],
    ["/v1/{id}", "/v1/a#b"],
    ["/v1/{id}", "/v1/a\n"],
    ["/v1/{id}", "x/v1/a"],
    ["/{org}/{repo}.git/info/refs", "/acme/.git/info/refs"],
    ["/{org}/{repo}.git/info/refs", "/acme/appxgit/info/refs"],
    ["/files/{rest...}", "/files"],
    ["/files/{rest...}", "/files/"],
    ["/files/{rest...}", "/files//a"],
    ["/files/{rest...}", "/files/a/../b"],
    ["/files/{rest...}", "/files/a/%2E./b"],
  ])("%s: %j", (template, path) => expect(matches(template, path)).toBe(false));
});

test("a bound variable matches its value only, whatever characters it holds", () => {
  expect(matches("/c/{customer}/{x}", "/c/a-b_C/1", { customer: "a-b_C" })).toBe(true);
  expect(matches("/c/{customer}/{x}", "/c/a-b_c/1", { customer: "a-b_C" })).toBe(false);
});

test("a template tells what is bound from what the sender chooses", () => {
  const template = parse("/v1/{customer}/notes/{note}/{rest...}", "customer");
  expect(pathVariables(template)).toEqual(["customer"]);
  expect(pathParams(template)).toEqual(["note", "rest"]);
});

test.each([
  ["v1/x", "does not start with /"],
  ["/v1?x=1", "has a query or fragment"],
  ["/v1/%2e", "has an escape"],
  ["/v1//x", "has an empty segment"],
  ["/v1/../x", "has the segment"],
  ["/v1/{a}.", "has the segment"],
  ["/v1/{a}{b}", "two parameters in one segment"],
  ["/v1/{a}/{a}", "has {a} twice"],
  ["/v1/{rest...}/x", "before its end"],
  ["/v1/{}", "has the name {}"],
  ["/v1/a b", "holds"],
  ["/v1/{a", "holds"],
  ["^/v1/.*$", "does not start with /"],
  ["/v1/.*", "looks like a regular expression"],
  ["/v1/[0-9]+$", "looks like a regular expression"],
  ["/{session...}", "is not a parameter"],
])("the template %s is refused: %s", (template, problem) => {
  const parsed = parsePathTemplate(template, (name) => name === "session");
  expect("problem" in parsed && parsed.problem).toContain(problem);
});

test("no template matches a path that is refused as odd", () => {
  const odd = RE2JS.compile(ODD_PATH);
  const templates = ["/{a}", "/x{a}y/{b}", "/{a...}", "/a/{b}/", "/{a}/{b...}"].map((template) => {
    const matcher = pathMatcher(parse(template), {});
    return RE2JS.compile("regex" in matcher ? matcher.regex : RE2JS.quote(matcher.exact));
  });
  const hex = fc.constantFrom(..."0123456789abcdefABCDEF");
  const piece = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom("/", "a", "x", "y", ".", "..", "~", ";", "\\", "%", "?", "#", "\n", "é") },
    fc.tuple(hex, hex).map(([a, b]) => `%${a}${b}`),
  );
  let matched = 0;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
      const path = `/${pieces.join("")}`;
      const allowed = templates.some((template) => template.test(path));
      if (allowed) matched++;
      expect(allowed && odd.test(path), path).toBe(false);
    }),
    { numRuns: 5000 },
  );
  expect(matched).toBeGreaterThan(100);
});

/** Reads a segment as the most careless server would: every escape is a byte, every sequence a character, whole or not. */
function carelessly(segment: string): string {
  const bytes: number[] = [];
  for (let i = 0; i < segment.length; i++) {
    const hex = /^%([0-9a-f]{2})/i.exec(segment.slice(i))?.[1];
    bytes.push(hex === undefined ? segment.charCodeAt(i) : Number.parseInt(hex, 16));
    if (hex !== undefined) i += 2;
  }
  let text = "";
  for (let i = 0; i < bytes.length; ) {
    const first = bytes[i] ?? 0;
    const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
    const rest = bytes.slice(i + 1, i + length).map((byte) => byte & 0x3f);
    const code = rest.reduce((code, bits) => code * 64 + bits, length === 1 ? first : first & (0xff >> (length + 1)));
    text += String.fromCodePoint(code <= 0x10ffff ? code : 0xfffd);
    i += length;
  }
  return text;
}

test.each([
  "..%e0%80%af..%e0%80%afadmin",
  "%e0%80%ae%e0%80%ae",
  "%f0%80%80%ae",
  "%c0%ae",
  "a%80",
  "%f4%90%80%80",
  "%e0%9f",
])("the overlong or broken sequence %s fits no template", (segment) =>
  expect(matches("/{a...}", `/${segment}`)).toBe(false),
);

test("what fits one segment stays one, however carelessly a server decodes it", () => {
  const first = fc.constantFrom("%c0", "%c1", "%C3", "%e0", "%E0", "%e2", "%f0", "%F0", "%f4");
  const next = fc.constantFrom("%80", "%8e", "%90", "%9f", "%a0", "%ae", "%AF", "%bf");
  const piece = fc.oneof(fc.constantFrom("a", ".", "~"), first, next);
  let matched = 0;
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 6 }), (pieces) => {
      const segment = pieces.join("");
      if (!matches("/{a}", `/${segment}`)) return;
      matched++;
      expect(carelessly(segment), segment).not.toMatch(/^\.*$|[/\\;%?#\p{Cc}]/u);
    }),
    { numRuns: 20_000 },
  );
  expect(matched).toBeGreaterThan(100);
});

test("every value that encodeURIComponent makes safe is one segment", () => {
  const matcher = pathMatcher(parse("/{a}"), {});
  const regex = RE2JS.compile("regex" in matcher ? matcher.regex : "");
  const unsafe = /[\p{Cc}#%/;?\\]|^\.*$/u;
  fc.assert(
    fc.property(fc.string({ unit: "binary", minLength: 1 }), (value) => {
      fc.pre(!unsafe.test(value));
      expect(regex.test(`/${encodeURIComponent(value)}`), value).toBe(true);
    }),
  );
});

import fc from "fast-check";
import { RE2JS } from "re2js";
import { describe, expect, test } from "vitest";
import { contains, matching, signsOf } from "./automaton.ts";
import { Budget, isAmong, OutOfBounds, shortestWord } from "./words.ts";

const budget = () => new Budget(20_000, 10_000_000);
const text = (word: readonly number[] | null) => (word === null ? null : String.fromCodePoint(...word));
const between = (within: string[], without: string[] = []) =>
  text(shortestWord({ within: within.map(matching), without: without.map(matching) }, budget()));

const piece = fc.constantFrom(
  ..."a b [ab] [^a] . (?:a|b) a* (?:ab)+ b? a{2,3} ^ $ \\A \\z \\b \\B (?i:A) (?i:k) (?i:ß) (?m:^) (?m:$) (?s:.) \\d \\w \\s [[:upper:]] \\pL \\n (?P<x>b) | () [^\\x00-\\x7f] é \\Qa.b\\E".split(
    " ",
  ),
);
const regex = fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join(""));
const subject = fc.string({
  unit: fc.constantFrom("a", "b", "A", "1", " ", "\n", "_", "é", "\u212a", "k", "ß", "ẞ", "."),
  maxLength: 6,
});

test("an automaton finds something where RE2 does, and nowhere else", () => {
  let found = 0;
  fc.assert(
    fc.property(regex, subject, (regex, subject) => {
      let re2: RE2JS;
      try {
        re2 = RE2JS.compile(regex);
      } catch {
        return fc.pre(false);
      }
      const expected = re2.test(subject);
      found += Number(expected);
      expect(contains(matching(regex), signsOf(subject))).toBe(expected);
    }),
    { numRuns: 3_000 },
  );
  expect(found).toBeGreaterThan(300);
});

test("a shortest word is in the languages asked for and in no other, and is missed by nobody", () => {
  fc.assert(
    fc.property(
      fc.array(regex, { maxLength: 2 }),
      fc.array(regex, { maxLength: 2 }),
      subject,
      (within, without, subject) => {
        let words: Parameters<typeof shortestWord>[0];
        try {
          words = { within: within.map(matching), without: without.map(matching) };
        } catch {
          return fc.pre(false);
        }
        const shortest = shortestWord(words, budget());
        if (shortest !== null) expect(isAmong(words, shortest)).toBe(true);
        if (isAmong(words, signsOf(subject))) expect(shortest?.length).toBeLessThanOrEqual(signsOf(subject).length);
      },
    ),
    { numRuns: 1_000 },
  );
});

describe("a shortest word", () => {
  test.each<[string[], string[], string | null]>([
    [["^/v1/[^/]+$"], [], "/v1/a"],
    [["^/v1/[^/]+$"], ["^/v1/a$"], "/v1/b"],
    [["^/[a-z]+$"], ["^/[a-y]+$"], "/z"],
    [["^a{3}$", "^[ab]+$"], [], "aaa"],
    [["^a$", "^b"], [], null],
    [["^(a|b)*$"], ["^(a*b*)*$"], null],
    [["(?i)^K$"], ["^[kK]$"], "\u212a"],
    [["^a\\b."], ["^a "], "a/"],
    [["a$"], ["(?m)a$"], null],
    [["(?m)a$"], ["a$"], "a\n"],
    [["^[^\\x00-\\x{10ffff}]$"], [], null],
  ])("of %j without %j is %j", (within, without, word) => expect(between(within, without)).toBe(word));
});

test.each([
  ["counting from the end", "^(?:a|b)*a(?:a|b){18}$", "^(?:a|b)*b(?:a|b){18}$"],
  ["nested repetition", "^(?:(?:a{1,15}){1,15}b)+$", "^(?:a{7}|a{11}|b){1,40}c$"],
])("what needs too many states ends: %s", (_, one, other) => {
  const words = { within: [matching(one), matching(other)], without: [matching("^$")] };
  const small = new Budget(500, 100_000);
  let outcome: unknown;
  try {
    outcome = shortestWord(words, small);
  } catch (error) {
    outcome = error;
  }
  expect(outcome === null || outcome instanceof OutOfBounds).toBe(true);
});

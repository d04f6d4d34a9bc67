import fc from "fast-check";
import { RE2JS } from "re2js";
import { expect, test } from "vitest";
import { noneOf } from "./none-of.ts";

test("a complement matches every string but the named ones", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "-", "]", "^", "\\", ".", "\n", "é", "💥"), maxLength: 5 });
  fc.assert(
    fc.property(fc.array(text, { maxLength: 6 }), fc.array(text, { minLength: 1, maxLength: 10 }), (values, others) => {
      const complement = RE2JS.compile(noneOf(values));
      for (const candidate of [...values, ...others]) {
        expect(complement.test(candidate), JSON.stringify(candidate)).toBe(!values.includes(candidate));
      }
    }),
  );
});

test("a name with a line break behind it is another name", () => {
  expect(RE2JS.compile(noneOf(["limit"])).test("limit\n")).toBe(true);
});

import { inspect } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  decodeProperties,
  encodeProperties,
  hasSecret,
  hasUnknown,
  markLike,
  type PropertyMap,
  type PropertyValue,
  reveal,
  Secret,
  secret,
  UNKNOWN,
} from "./property-values.ts";

const key = fc.string({ minLength: 1, maxLength: 8 }).filter((name) => name !== "__proto__");
const { value } = fc.letrec<{ value: PropertyValue; plain: PropertyValue }>((tie) => ({
  plain: fc.oneof(
    { maxDepth: 3 },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number || 0),
    fc.string(),
    fc.constant(UNKNOWN as PropertyValue),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(key, tie("value"), { maxKeys: 3, noNullPrototype: true }),
  ),
  value: fc.oneof({ weight: 4, arbitrary: tie("plain") }, { weight: 1, arbitrary: tie("plain").map(secret) }),
}));
const map: fc.Arbitrary<PropertyMap> = fc.dictionary(key, value, { maxKeys: 5, noNullPrototype: true });

test("what is sent to the engine comes back the same, secrets and unknown values included", () => {
  fc.assert(
    fc.property(map, (properties) => {
      expect(decodeProperties(encodeProperties(properties))).toEqual(properties);
    }),
  );
});

test("marking revealed data like the original gives the original: no secret is lost on the way", () => {
  fc.assert(
    fc.property(map, (properties) => {
      expect(markLike(reveal(properties), properties)).toEqual(outermost(properties));
      expect(hasSecret(reveal(properties))).toBe(false);
      expect(hasUnknown(reveal(properties))).toBe(hasUnknown(properties));
    }),
  );
});

/** Secrets in secrets are one secret. */
function outermost(item: PropertyValue): unknown {
  if (item instanceof Secret) return new Secret(reveal(item.value) as PropertyValue);
  if (Array.isArray(item)) return item.map(outermost);
  if (item === null || typeof item !== "object") return item;
  return Object.fromEntries(Object.entries(item).map(([name, inner]) => [name, outermost(inner)]));
}

test("undefined members are left out at any depth, and a hole in a list is null", () => {
  const properties = { a: undefined, b: { c: undefined, d: [undefined, { e: undefined }] } };
  expect(decodeProperties(encodeProperties(properties))).toEqual({ b: { d: [null, {}] } });
});

test.each([
  ["NaN", Number.NaN],
  ["infinity", Number.POSITIVE_INFINITY],
  ["a function", () => {}],
  ["a bigint", 1n],
])("%s is refused with the property's name", (_, bad) => {
  expect(() => encodeProperties({ a: { b: [0, bad] } })).toThrow(
    /the property a\.b\[1\] is a \w+, which Pulumi cannot/,
  );
});

test("a secret that is printed by accident shows nothing", () => {
  const item = { token: secret("hunter2") };
  for (const printed of [String(item.token), JSON.stringify(item), inspect(item, { depth: 9 })]) {
    expect(printed).not.toContain("hunter2");
  }
});

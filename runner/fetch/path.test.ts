import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ODD_PATH } from "../../policies/engine/odd-path.ts";
import { expandPath } from "./path.ts";

const oddPath = new RegExp(ODD_PATH.replace("(?i)", ""), "i");

describe("expandPath", () => {
  test("puts each value into its segment", () => {
    expect(expandPath("/v1/customers/{customer}/notes/{note}", { customer: "cus 4", note: "ü&=" })).toBe(
      "/v1/customers/cus%204/notes/%C3%BC%26%3D",
    );
  });

  test.each(["", ".", "..", "a/b", "../orders", "a\\b", "50%", "a;b", "a?b", "a#b", "a\nb", "a\0b", "\ud800"])(
    "refuses %j",
    (customer) => {
      expect(() => expandPath("/v1/customers/{customer}", { customer })).toThrow(/customer/);
    },
  );

  test("refuses a template and values that do not fit together", () => {
    expect(() => expandPath("/v1/{a}", {})).toThrow(/no value for \{a\}/);
    expect(() => expandPath("/v1/{a}", { a: "x", b: "y" })).toThrow(/has no \{b\}/);
  });

  test("whatever the value, the path it is sent as keeps its shape", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.constantFrom("%2e%2e", "..;", "%2f")),
        (value) => {
          let path: string;
          try {
            path = expandPath("/v1/customers/{customer}/notes", { customer: value });
          } catch {
            return;
          }
          const { pathname, search, hash } = new URL(path, "https://api.crm.example");
          expect([pathname, search, hash]).toEqual([path, "", ""]);
          const segments = pathname.split("/");
          expect([segments.length, segments[2], segments[4]]).toEqual([5, "customers", "notes"]);
          expect(decodeURIComponent(segments[3] ?? "")).toBe(value);
          // What the policy would refuse on the wire never gets that far.
          expect(path).not.toMatch(oddPath);
        },
      ),
    );
  });
});

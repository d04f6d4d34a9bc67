import { expect, test } from "vitest";
import { indexDomains } from "../domain-index.ts";
import { hostClasses } from "./hosts.ts";

const told = (...keys: string[]) => hostClasses(keys).classes.map(({ pattern, host }) => `${pattern}: ${host}`);

test.each([
  [["a.example"], ["a.example: a.example"]],
  [["*.a.example"], ["*.a.example: www.a.example"]],
  [["*"], ["*: elsewhere.example"]],
  [
    ["*", "*.example"],
    ["*: www.files", "*.example: www.example"],
  ],
  [
    ["*", "*.*"],
    ["*: www", "*.*: www.www"],
  ],
  [
    ["www.*.example", "*.b.example"],
    ["www.*.example: www.shop.example", "*.b.example: files.b.example", "www.b.example: www.b.example"],
  ],
  [["*.www.example"], ["*.www.example: files.www.example"]],
  [["a.*.b.*.example"], ["a.*.b.*.example: a.files.b.status.example"]],
  [["10.0.0.1", "a_b.example", "-.example", "a b", "x.example:443", ""], ["a_b.example: a_b.example"]],
])("%j has the classes %j", (keys, classes) => expect(told(...keys).sort()).toEqual([...classes].sort()));

test("what a wildcard within a label means is not known", () => {
  expect(hostClasses(["api*.example"])).toMatchObject({ classes: [], unreadable: [{ key: "api*.example" }] });
});

test("the key that the firewall finds is among those that a class names, for every class", () => {
  const keys = ["*", "*.b.example", "a.b.example", "*.x.b.example", "www.*.example", "*.mid.*.example", "*.example"];
  const index = indexDomains({ allow: keys });
  for (const { host, keys: known } of hostClasses(keys).classes) expect(known).toContain(index.find(host)?.domain);
});

test("ten thousand wildcards are divided without trying each against each", () => {
  const keys = Array.from({ length: 10_000 }, (_, i) => `*.tenant${i}.example`);
  expect(hostClasses(keys).classes).toHaveLength(10_000);
});

import { expect, test } from "vitest";
import { OriginRegistry } from "./origins.ts";

test("a declared host resolves to its origin whatever its case, and an undeclared one does not exist", () => {
  const origins = new OriginRegistry();
  origins.set("API.crm.example", "http://127.0.0.1:4000");
  expect(origins.resolve("api.CRM.example")?.origin).toBe("http://127.0.0.1:4000");
  expect(origins.resolve("crm.example")).toBeUndefined();
  origins.set("api.crm.example", "https://127.0.0.1:4001");
  expect(origins.list()).toEqual([{ host: "api.crm.example", url: "https://127.0.0.1:4001" }]);
});

test.each([
  ["127.0.0.1", "http://127.0.0.1:1", "an address is not a name"],
  ["crm.example:443", "http://127.0.0.1:1", "a name carries no port"],
  ["*.example", "http://127.0.0.1:1", "a wildcard names no server"],
  ["crm.example", "ftp://127.0.0.1", "only http and https are served"],
  ["crm.example", "http://127.0.0.1:1/v1", "an origin has no path"],
  ["crm.example", "nowhere", "a word is not a URL"],
])("origin %s -> %s is refused: %s", (host, url) => {
  expect(() => new OriginRegistry().set(host, url)).toThrow(TypeError);
});

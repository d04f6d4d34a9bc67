import { describe, expect, test } from "vitest";
import { customerCredentials, type ResolveCredential } from "./customer-credentials.ts";
import { resolveCredential } from "./resolvers.ts";

const sources = {
  crm: { resolver: "crm", metadata: "customer" },
  mail: { resolver: "mailbox", metadata: "tenant" },
};
const context = { env: {}, signal: new AbortController().signal };
const known: ResolveCredential = async (name, customer) =>
  customer === "nobody" ? undefined : `${name}-of-${customer}`;

const resolved = (metadata: Record<string, string>, resolve = known) =>
  customerCredentials(sources, metadata, resolve, context);

describe("a session's own credentials", () => {
  test.each([
    [
      "its customer's, each by its own metadata",
      { customer: "cus_1", tenant: "t-1" },
      { crm: "crm-of-cus_1", mail: "mailbox-of-t-1" },
    ],
    ["only those whose customer it names", { tenant: "t-1" }, { mail: "mailbox-of-t-1" }],
    ["none when it names nobody", {}, {}],
    ["none when the resolver knows no such customer", { customer: "nobody" }, {}],
    ["none for a name that is a path", { customer: "../cus_2" }, {}],
    ["none for a name with a line break", { customer: "cus_1\n" }, {}],
    ["none for an empty name", { customer: "" }, {}],
    ["none for a name that every object has", { toString: "cus_1" }, {}],
  ])("are %s", async (_, metadata, expected) => {
    expect(await resolved(metadata as Record<string, string>)).toEqual(expected);
  });

  test("are asked for with the environment and the claim's signal", async () => {
    const given: unknown[] = [];
    await resolved({ customer: "cus_1" }, async (...all) => void given.push(all));
    expect(given).toEqual([["crm", "cus_1", context]]);
  });
});

test("a resolver that fails is named, and what it said is not", async () => {
  const failing = async () => {
    throw new TypeError("token abc was refused");
  };
  const error: Error = await resolved({ customer: "cus_1" }, failing).catch((error) => error);
  expect(error.message).toMatch(/credential crm failed \(TypeError\)/);
  expect(error.message).not.toContain("abc");
});

test("a resolver that never answers ends with its claim", async () => {
  const signal = AbortSignal.abort();
  const asked = customerCredentials(sources, { customer: "cus_1" }, () => new Promise(() => {}), { env: {}, signal });
  await expect(asked).rejects.toThrow("credential crm failed (AbortError)");
});

test.each(["", "two\r\nlines", " padded"])("a value that no header can carry is refused: %j", async (value) => {
  await expect(resolved({ customer: "cus_1" }, async () => value)).rejects.toThrow("no header value");
});

test("until it is written, the resolver knows no customer", async () => {
  expect(await resolveCredential("crm", "cus_1", context)).toBeUndefined();
});

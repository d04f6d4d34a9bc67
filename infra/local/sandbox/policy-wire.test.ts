import { expect, test } from "vitest";
import { networkPolicySchema, redactPolicy } from "./policy-wire.ts";

const read = (value: unknown) => networkPolicySchema.safeParse(value);
const rule = { domain: "api.example.com", headers: { authorization: "s" } };

test.each([
  ["default-allow is allow-all", { mode: "default-allow" }, "allow-all"],
  ["default-deny is deny-all", { mode: "default-deny" }, "deny-all"],
  [
    "default-deny with a list allows what it names",
    { mode: "default-deny", allowedDomains: ["a.example"] },
    { allow: { "a.example": [] } },
  ],
  ["custom without lists allows nothing", { mode: "custom" }, { allow: {} }],
  [
    "injections come before forwards under their domain, and ranges follow",
    {
      mode: "custom",
      allowedDomains: ["plain.example", "API.example.com"],
      allowedCIDRs: ["203.0.113.0/24"],
      deniedCIDRs: ["203.0.113.7/32"],
      forwardRules: [{ domain: "api.example.com", forwardURL: "https://proxy.example/" }],
      injectionRules: [{ ...rule, match: { method: ["GET"] } }],
    },
    {
      allow: {
        "plain.example": [],
        "API.example.com": [
          { match: { method: ["GET"] }, transform: [{ headers: { authorization: "s" } }] },
          { forwardURL: "https://proxy.example/" },
        ],
      },
      subnets: { allow: ["203.0.113.0/24"], deny: ["203.0.113.7/32"] },
    },
  ],
  [
    "a rule's domain may be allowed by a wildcard",
    { mode: "custom", allowedDomains: ["*"], injectionRules: [rule] },
    { allow: { "*": [], "api.example.com": [{ transform: [{ headers: { authorization: "s" } }] }] } },
  ],
])("the older form: %s", (_what, sent, policy) => {
  expect(read(sent).data).toEqual(policy);
});

test("the older form reads back as it was sent, without the values", () => {
  const policy = read({ mode: "custom", allowedDomains: ["api.example.com"], injectionRules: [rule] }).data;
  expect(redactPolicy(policy ?? "deny-all")).toEqual({
    mode: "custom",
    allowedDomains: ["api.example.com"],
    injectionRules: [{ domain: "api.example.com", headerNames: ["authorization"] }],
  });
});

test.each([
  ["a key that is an URL", { allow: { "http://bad/": [] } }, "allow", /"http:\/\/bad\/" is no domain pattern: write a/],
  ["an entry that is an URL", { allow: ["a.example", "http://bad/"] }, "allow.1", /"http:\/\/bad\/" is no domain/],
  ["a rule with two handlers", { allow: { "a.example": [{}] } }, "allow.a.example.0", /exactly one of transform/],
  ["a range that is none", { subnets: { allow: ["notcidr"] } }, "subnets.allow.0", /"notcidr" is no address range/],
  ["an address without a length", { subnets: { deny: ["203.0.113.7"] } }, "subnets.deny.0", /is no address range/],
  ["a range of more bits than it has", { subnets: { deny: ["::/129"] } }, "subnets.deny.0", /is no address range/],
  [
    "an older rule whose domain no entry allows",
    { mode: "custom", allowedDomains: ["b.example"], injectionRules: [rule] },
    "injectionRules.0.domain",
    /"api\.example\.com" is allowed by no entry of allowedDomains/,
  ],
  [
    "an older rule wider than the entry",
    { mode: "custom", allowedDomains: ["a.b.example"], injectionRules: [{ ...rule, domain: "*.b.example" }] },
    "injectionRules.0.domain",
    /allowed by no entry/,
  ],
  ["both forms at once", { mode: "custom", allow: { "a.example": [] } }, "", /Unrecognized key: "allow"/],
  ["an older mode that is none", { mode: "open" }, "mode", /Invalid/],
])("refuses %s and says where", (_what, sent, path, message) => {
  const [issue] = read(sent).error?.issues ?? [];
  expect(issue?.path.join(".")).toBe(path);
  expect(issue?.message).toMatch(message);
});

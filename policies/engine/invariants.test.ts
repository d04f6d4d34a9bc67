import { expect, test } from "vitest";
import { compile } from "./compile.ts";
import { definePolicy } from "./define.ts";
import { checkInvariants, credential, host, type Invariant, principal } from "./invariants.ts";
import type { AllowRule, PolicyInput } from "./policy.ts";

const crm = "api.crm.example";
const read: AllowRule = { host: crm, methods: ["GET"], path: "/v1/customers/{customer}", credential: "crm" };

function subjectOf(reader: AllowRule[], more: object = {}) {
  const policy = definePolicy({
    agent: "desk",
    variables: { customer: { source: "metadata.customer", example: "cus_1" } },
    credentials: { crm: { form: { type: "bearer" }, source: { type: "secret", name: "crmToken" } } },
    tools: {
      reader: { kind: "api", network: "own", allow: reader },
      other: { kind: "api", network: "own", allow: [] },
    },
    ...more,
  } as PolicyInput);
  return { policy, lock: compile(policy) };
}

const said = (invariant: Invariant, ...subjects: ReturnType<typeof subjectOf>[]) =>
  checkInvariants([invariant], subjects).map(({ problem, at }) => `${at}: ${problem}`);

test("who holds a credential", () => {
  const subject = subjectOf([read]);
  expect(said(credential("crm").isHeldOnlyBy("reader"), subject)).toEqual([]);
  expect(said(credential("crm").isHeldOnlyBy("other", "supervisor"), subject)).toEqual([
    `tools.reader.allow[0]: reader sends GET https://${crm}/v1/customers/cus_1 with crm`,
  ]);
});

test("what a credential is used for", () => {
  expect(said(credential("crm").onlyReads(), subjectOf([read]))).toEqual([]);
  expect(said(credential("crm").onlyReads(), subjectOf([{ ...read, methods: ["GET", "PUT"] }]))).toEqual([
    `tools.reader.allow[0]: reader sends PUT https://${crm}/v1/customers/cus_1 with crm`,
  ]);
});

test("who reaches a host, in both phases, below wildcards, and past the rules", () => {
  const claim = host("api.anthropic.com").isReachedOnlyBy("supervisor");
  expect(said(claim, subjectOf([read]))).toEqual([]);
  const any = [{ host: "*", methods: ["GET"], unsafe: { anyHost: true, reason: "the installer goes anywhere" } }];
  expect(said(claim, subjectOf([], { sandbox: any }))).toEqual([]);
  expect(said(claim, subjectOf([], { setup: any }))).toEqual([
    "setup[0]: in set-up sandbox sends GET https://api.anthropic.com/",
  ]);
  const unsafe = { subnets: { allow: ["0.0.0.0/0"] }, reason: "a whole open Internet" };
  expect(said(claim, subjectOf([], { unsafe }))).toEqual([
    "null: addresses in 0.0.0.0/0 are open past every rule (a whole open Internet)",
  ]);
});

test("that the sandbox holds nothing", () => {
  const claim = principal("sandbox").holdsNoCredential();
  expect(said(claim, subjectOf([read]))).toEqual([]);
  expect(said(claim, subjectOf([], { sandbox: [{ ...read, reason: "a demonstration" }] }))).toEqual([
    `sandbox[0]: sandbox sends GET https://${crm}/v1/customers/cus_1 with crm`,
  ]);
});

test("a claim about what no policy has is a misspelt one, and one that some policy has is not", () => {
  const other = subjectOf([], { agent: "mail", credentials: {} });
  expect(said(credential("crm").onlyReads(), subjectOf([]), other)).toEqual([]);
  expect(said(credential("crm-wriet").onlyReads(), subjectOf([]), other)).toEqual([
    "null: no policy has credential crm-wriet",
  ]);
  expect(said(credential("crm").isHeldOnlyBy("raeder"), subjectOf([]), other)).toEqual([
    "null: no policy has principal raeder",
  ]);
});

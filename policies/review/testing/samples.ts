/** Reviews for the tests of the reports: hand-written, each kind of change at least once. */
import { type Change, sum, type Verdict } from "../../engine/compare/comparison.ts";
import type { Passage, PolicyReview, Review } from "../review.ts";
import type { StandingGrant } from "../standing-grants.ts";

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;

export const CHANGES = {
  gain: {
    verdict: "wider",
    principal: "get_customer",
    phase: "run",
    host: "api.crm.example",
    credential: "crm",
    witness: { method: "GET", url: "https://api.crm.example/v1/customers/cus_42/orders", headers: {} },
    before: { kind: "answered", status: 403 },
    after: { kind: "credentialed", credentials: ["crm"] },
  },
  loss: {
    verdict: "narrower",
    principal: "sandbox",
    phase: "setup",
    host: "packages.example",
    credential: null,
    witness: { method: "HEAD", url: "https://packages.example/left-pad", headers: {} },
    before: { kind: "plain" },
    after: { kind: "denied" },
  },
  wildcard: {
    verdict: "wider",
    principal: "sandbox",
    phase: "run",
    host: "*.packages.example",
    credential: null,
    witness: { method: "GET", url: "https://a.packages.example/", headers: {} },
    before: { kind: "denied" },
    after: { kind: "plain", hostFree: true },
    assumes: ["a key with a wildcard holds for names that resolve"],
  },
  swap: {
    verdict: "incomparable",
    principal: "add_note",
    phase: "run",
    host: "api.crm.example",
    credential: "crm-write",
    witness: {
      method: "POST",
      url: "https://api.crm.example/v1/customers/cus_42/notes",
      headers: { "x-trace": ["a'b", "c"] },
    },
    before: { kind: "credentialed", credentials: ["crm"] },
    after: { kind: "credentialed", credentials: ["crm-write"] },
  },
  undecided: {
    verdict: "incomparable",
    principal: "sandbox",
    phase: "run",
    host: "mirror.example",
    credential: null,
    witness: null,
    undecided: "the path's regular expression has more than 20,000 states",
    before: { kind: "denied" },
    after: { kind: "plain" },
  },
} as const satisfies Record<string, Change>;

const GRANTS: readonly StandingGrant[] = [
  {
    principal: "supervisor",
    phase: "run",
    host: "api.anthropic.com",
    credential: "session-token",
    requests: ["GET /v1/sessions/{session}", "POST /v1/sessions/{session}/events"],
  },
  {
    principal: "get_customer",
    phase: "run",
    host: "api.crm.example",
    credential: "crm",
    requests: ["GET /v1/customers/{customer}"],
  },
  {
    principal: "add_note",
    phase: "run",
    host: "api.crm.example",
    credential: "crm-write",
    requests: ["POST /v1/customers/{customer}/notes"],
  },
  { principal: "sandbox", phase: "run", host: "packages.example", credential: null, requests: ["GET /*", "HEAD /*"] },
  { principal: "sandbox", phase: "setup", host: "packages.example", credential: null, requests: ["GET /*"] },
];

/** One policy's review with these changes. */
export function samplePolicy(changes: readonly Change[], more: Partial<PolicyReview> = {}): PolicyReview {
  const verdict: Verdict = sum(changes.map((change) => change.verdict));
  const stopped: Passage = { kind: "stopped", notes: [] };
  return {
    agent: "support",
    file: "policies/support.policy.ts",
    before: digest("a"),
    after: digest("b"),
    comparison: { verdict, changes },
    passage: verdict === "wider" || verdict === "incomparable" ? stopped : { kind: "open" },
    grants: { before: GRANTS, after: GRANTS },
    lineOf: () => 37,
    ...more,
  };
}

/** A review of one policy. */
export function sampleReview(changes: readonly Change[], more: Partial<PolicyReview> = {}): Review {
  return { from: "origin/main", to: "working tree", policies: [samplePolicy(changes, more)] };
}

/** Names that would break out of a report that does not escape them. */
export const HOSTILE = {
  ...CHANGES.gain,
  principal: "</script><img src=x onerror=alert(1)>`@everyone [x](javascript:alert(1))",
  host: "a\"b'.example\u001b[2J\u202e",
  witness: { method: "GET", url: "https://a.example/`'\"</pre>$(id)\n#", headers: { "x|y": "``` {0} <b>" } },
} as const satisfies Change;

export const SAMPLES: Readonly<Record<string, Review>> = {
  equivalent: sampleReview([]),
  narrower: sampleReview([CHANGES.loss]),
  wider: sampleReview([CHANGES.gain, CHANGES.wildcard, CHANGES.swap, CHANGES.undecided, CHANGES.loss]),
  accepted: sampleReview([CHANGES.gain], {
    passage: { kind: "accepted", for: "Kim Doe", reason: "Orders are shown in the reply (#42)", expires: "2026-12-05" },
  }),
  stopped: sampleReview([CHANGES.gain], {
    passage: { kind: "stopped", notes: ["the acceptance for Kim Doe expired on 2026-11-01"] },
  }),
  unasked: sampleReview([CHANGES.gain], { passage: { kind: "unasked" }, grants: { before: [], after: [] } }),
  hostile: sampleReview([HOSTILE]),
};

/**
 * The review as SARIF 2.1.0, for GitHub's code scanning: one alert for each change that lets somebody do something new.
 *
 * What is lost is no alert. An accepted change is there, suppressed with its reason. An alert keeps its identity while
 * its principal, host, credential and verdict stay the same, wherever its line moves and whatever its witness becomes.
 */
import { createHash } from "node:crypto";
import type { Change } from "../engine/compare/comparison.ts";
import { grows, type PolicyReview, type Review } from "./review.ts";
import { changeVerb, curlLine, outcomeWords, principalWords, subjectWords, visible } from "./words.ts";

const RULES = [
  {
    id: "egress/wider",
    name: "EgressWider",
    short: "A principal may send requests that it could not send before.",
    help: "Read the witness request. If it is wanted, accept exactly this change; otherwise narrow the rule.",
  },
  {
    id: "egress/incomparable",
    name: "EgressIncomparable",
    short: "Requests become possible, and others are lost or go with another credential.",
    help: "Read both outcomes of the witness request. A rule that was meant to move may have opened more than it closed.",
  },
  {
    id: "egress/undecided",
    name: "EgressUndecided",
    short: "Whether authority grows could not be decided within bounds.",
    help: "Write the rule in a form that can be decided: path templates instead of regular expressions.",
  },
] as const;

type RuleId = (typeof RULES)[number]["id"];

/** What GitHub reads of a SARIF log. */
export interface SarifLog {
  readonly $schema: string;
  readonly version: "2.1.0";
  readonly runs: readonly unknown[];
}

/** Renders a review. */
export function renderSarif(review: Review): SarifLog {
  const seen = new Map<string, number>();
  return {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: {
            name: "handrail policy",
            rules: RULES.map(({ id, name, short, help }) => ({
              id,
              name,
              shortDescription: { text: short },
              fullDescription: { text: short },
              help: { text: help, markdown: help },
              defaultConfiguration: { level: "error" },
              // GitHub shows it as "high".
              properties: { tags: ["security", "egress"], precision: "very-high", "security-severity": "8.0" },
            })),
          },
        },
        automationDetails: { id: "handrail-policy/" },
        columnKind: "utf16CodeUnits",
        results: review.policies.flatMap((policy) =>
          policy.comparison.changes
            .filter(({ verdict }) => grows(verdict))
            .map((change) => result(policy, change, seen)),
        ),
      },
    ],
  };
}

function result(policy: PolicyReview, change: Change, seen: Map<string, number>) {
  const ruleId: RuleId =
    change.undecided !== undefined
      ? "egress/undecided"
      : change.verdict === "wider"
        ? "egress/wider"
        : "egress/incomparable";
  const { passage, agent, file } = policy;
  return {
    ruleId,
    ruleIndex: RULES.findIndex(({ id }) => id === ruleId),
    level: "error",
    message: { text: messageOf(agent, change) },
    locations: [
      {
        physicalLocation: {
          artifactLocation: { uri: encodeURI(file ?? `policies/${agent}.policy.ts`), uriBaseId: "%SRCROOT%" },
          region: { startLine: policy.lineOf(change) },
        },
        logicalLocations: [{ name: change.principal, fullyQualifiedName: `${agent}.${change.principal}` }],
      },
    ],
    // Code scanning matches alerts of two runs by this fingerprint only.
    partialFingerprints: { primaryLocationLineHash: fingerprint(agent, ruleId, change, seen) },
    ...(passage.kind === "accepted" && {
      suppressions: [
        {
          kind: "external",
          status: "accepted",
          justification: visible(`accepted for ${passage.for} until ${passage.expires}: ${passage.reason}`),
        },
      ],
    }),
  };
}

/** In SARIF's messages brackets make links and braces take arguments. */
function messageOf(agent: string, change: Change): string {
  const { principal, witness, undecided, before, after, assumes = [] } = change;
  const text = [
    `${agent}: ${principalWords(principal)} ${changeVerb(change)}: ${subjectWords(change)}.`,
    ...(undecided === undefined ? [] : [`${undecided}. It counts as a gain until it is decided.`]),
    ...(witness ? [`Witness: ${curlLine(witness)}`] : []),
    ...(undecided === undefined ? [`Before: ${outcomeWords(before)}. After: ${outcomeWords(after)}.`] : []),
    ...assumes.map((reading) => `Assumed: ${reading}.`),
  ].join("\n");
  const lines = text.split("\n").map(visible).join("\n");
  return lines
    .replace(/[\\[\]]/g, "\\$&")
    .replaceAll("{", "{{")
    .replaceAll("}", "}}");
}

function fingerprint(agent: string, ruleId: RuleId, change: Change, seen: Map<string, number>): string {
  const { phase, principal, host, credential } = change;
  const hash = createHash("sha256")
    .update(JSON.stringify([agent, ruleId, phase, principal, host, credential]))
    .digest("hex")
    .slice(0, 32);
  const ordinal = (seen.get(hash) ?? 0) + 1;
  seen.set(hash, ordinal);
  return `${hash}:${ordinal}`;
}

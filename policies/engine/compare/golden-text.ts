/** A comparison as the golden files in `policies/goldens` have it: plain lines that a person can check. */
import type { Outcome } from "../evaluate.ts";
import { describeOutcome } from "../inline-tests.ts";
import type { Change, Comparison } from "./comparison.ts";

/** Writes a comparison as lines. */
export function comparisonText({ verdict, changes, assumes = [] }: Comparison): string {
  const lines = changes.flatMap((change) => [
    `${change.verdict.toUpperCase()} ${subject(change)}`,
    ...details(change).map((line) => `  ${line}`),
  ]);
  return [
    `${verdict}${changes.length === 0 ? "" : `: ${counted(changes)}`}`,
    ...lines,
    ...assumes.map((reading) => `assumes that ${reading}`),
  ].join("\n");
}

function subject({ agent, principal, phase, host, credential }: Change): string {
  const whose = agent === undefined ? "" : `${agent}: `;
  const when = phase === "setup" ? " in set-up" : "";
  return `${whose}${principal} × ${host}${credential === null ? "" : ` × ${credential}`}${when}`;
}

function details({ witness, undecided, before, after, assumes }: Change): string[] {
  const headers = Object.entries(witness?.headers ?? {}).flatMap(([name, value]) =>
    [value].flat().map((one) => `     ${name}: ${one}`),
  );
  return [
    ...(witness ? [`${witness.method} ${witness.url}`, ...headers] : []),
    `${told(before)} -> ${told(after)}`,
    ...(undecided === undefined ? [] : [`undecided: ${undecided}`]),
    ...(assumes ?? []).map((reading) => `assumes that ${reading}`),
  ];
}

/** An outcome with everything that its authority depends on. */
function told(outcome: Outcome): string {
  const more = [
    ...(outcome.to !== undefined && outcome.kind !== "forwarded" ? [`to ${outcome.to}`] : []),
    ...(outcome.guestHeaders?.map((name) => `guest ${name}`) ?? []),
    ...(outcome.hostFree ? ["any Host"] : []),
    ...(outcome.opaque ? ["TLS not terminated"] : []),
  ];
  return `${describeOutcome(outcome)}${more.length === 0 ? "" : ` (${more.join(", ")})`}`;
}

function counted(changes: readonly Change[]): string {
  return (["wider", "incomparable", "narrower"] as const)
    .map((verdict) => [changes.filter((change) => change.verdict === verdict).length, verdict] as const)
    .filter(([count]) => count > 0)
    .map(([count, verdict]) => `${count} ${verdict}`)
    .join(", ");
}

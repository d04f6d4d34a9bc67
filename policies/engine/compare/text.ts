/** A comparison as a person reads it in a terminal. */
import { createColors } from "picocolors";
import type { Outcome } from "../evaluate.ts";
import { describeOutcome } from "../inline-tests.ts";
import type { Change, Comparison, Verdict } from "./comparison.ts";

/** Writes a comparison as lines, with or without colour. */
export function comparisonText({ verdict, changes }: Comparison, colour: boolean): string {
  const colours = createColors(colour);
  const paint: Record<Verdict, (text: string) => string> = {
    equivalent: colours.green,
    narrower: colours.green,
    wider: colours.red,
    incomparable: colours.yellow,
  };
  const lines = changes.flatMap((change) => [
    `${paint[change.verdict](change.verdict.toUpperCase())} ${colours.bold(subject(change))}`,
    ...details(change).map((line) => `  ${line}`),
  ]);
  return [`${paint[verdict](verdict)}${changes.length === 0 ? "" : `: ${counted(changes)}`}`, ...lines].join("\n");
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

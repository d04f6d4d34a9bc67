/** A comparison as a review that nobody must pass: for `policy compare`. */
import { type Comparison, sum } from "../engine/compare/comparison.ts";
import type { Side } from "../engine/compare/sides.ts";
import type { PolicyReview, Review } from "./review.ts";
import { type StandingGrant, standingGrants } from "./standing-grants.ts";

/** One thing that was compared, by the name that the user gave it. */
export interface NamedSide {
  readonly name: string;
  readonly side: Side;
}

/** Makes a review of a comparison, one part for each agent that it tells apart. */
export function reviewOf(comparison: Comparison, from: NamedSide, to: NamedSide): Review {
  const agents = Map.groupBy(comparison.changes, ({ agent }) => agent ?? null);
  if (agents.size === 0) agents.set(null, []);
  const policies = [...agents].map(([agent, changes]): PolicyReview => {
    const name = agent ?? onlyAgent(to.side) ?? onlyAgent(from.side) ?? "policy";
    const [before, after] = [lockOf(from.side, agent), lockOf(to.side, agent)];
    return {
      agent: name,
      file: /\.(?:ts|json)$/.test(to.name) ? to.name : null,
      before: before?.digest ?? null,
      after: after?.digest ?? null,
      comparison: { verdict: sum(changes.map(({ verdict }) => verdict)), changes },
      passage: { kind: "unasked" },
      grants: { before: grantsOf(before), after: grantsOf(after) },
      lineOf: () => 1,
    };
  });
  return { from: from.name, to: to.name, policies };
}

function lockOf(side: Side, agent: string | null) {
  if (side.kind === "raw") return null;
  if (agent === null) return side.locks.length === 1 ? (side.locks[0]?.lock ?? null) : null;
  return side.locks.find(({ lock }) => lock.agent === agent)?.lock ?? null;
}

function onlyAgent(side: Side): string | null {
  return lockOf(side, null)?.agent ?? null;
}

function grantsOf(lock: ReturnType<typeof lockOf>): StandingGrant[] {
  return lock === null ? [] : standingGrants(lock);
}

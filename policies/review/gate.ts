/** The gate: what grows between two sides, and whether somebody accepted it. */
import type { Comparison } from "../engine/compare/comparison.ts";
import type { Side as CompareSide, LockSource } from "../engine/compare/sides.ts";
import { ACCEPTANCES_FILE, parseAcceptances, passageOf } from "./acceptances.ts";
import { grows, type PolicyReview, type Review } from "./review.ts";
import type { Side } from "./sides.ts";
import { sourceLine } from "./source-line.ts";
import { standingGrants } from "./standing-grants.ts";

/** What {@link reviewSides} needs. */
export interface GateOptions {
  readonly from: Side;
  readonly to: Side;
  /** Folder of the policies as reports name it, relative to the repository's root. */
  readonly folder: string;
  readonly compare: (before: CompareSide, after: CompareSide) => Comparison;
  /** UTC, `YYYY-MM-DD`. */
  readonly today: string;
}

/**
 * Compares every policy of two sides. One that is new grants all that it has anew; of one that is gone, all is lost.
 *
 * @throws PolicyError when the acceptances of `to` cannot be read.
 */
export async function reviewSides({ from, to, folder, compare, today }: GateOptions): Promise<Review> {
  const name = `${folder}/${ACCEPTANCES_FILE}`;
  const acceptances = parseAcceptances(await to.read(ACCEPTANCES_FILE), `${to.name}: ${name}`);
  const agents = [...new Set([...from.locks.keys(), ...to.locks.keys()])].sort();
  const policies = await Promise.all(
    agents.map(async (agent): Promise<PolicyReview> => {
      const [old, now] = [from.locks.get(agent), to.locks.get(agent)];
      const comparison = compare(wholeSide(old), wholeSide(now));
      const [before, after] = [old?.lock ?? null, now?.lock ?? null];
      const change = { agent, before: before?.digest ?? null, after: after?.digest ?? null };
      const source = (await to.read(`${agent}.policy.ts`)) ?? "";
      return {
        ...change,
        file: `${folder}/${agent}.policy.ts`,
        comparison,
        passage: grows(comparison.verdict) ? passageOf(change, acceptances, today) : { kind: "open" },
        grants: { before: before ? standingGrants(before) : [], after: after ? standingGrants(after) : [] },
        lineOf: (one) => sourceLine(source, one),
      };
    }),
  );
  return { from: from.name, to: to.name, policies };
}

/** Exit code of the gate: 2 when somebody must accept something first. */
export function gateCode(review: Review): 0 | 2 {
  return review.policies.some(({ passage }) => passage.kind === "stopped") ? 2 : 0;
}

/** One agent's side; an agent that is missing in a whole repository may do nothing. */
function wholeSide(source: LockSource | undefined): CompareSide {
  return { kind: "locks", locks: source ? [source] : [], whole: true };
}

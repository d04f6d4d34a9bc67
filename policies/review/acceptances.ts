/**
 * Acceptances: somebody's word, committed, that a policy may grow from exactly one lock to exactly one other.
 *
 * They live in `policies/acceptances.json`, beside what they are about, so that the same review that approves a policy
 * approves the acceptance. Both digests are in it: after the next change, or on another base, it counts no more.
 */
import { z } from "zod";
import { PolicyError } from "../engine/errors.ts";
import { place } from "../engine/place.ts";
import type { Passage } from "./review.ts";

/** Name of the file, in the folder of the policies. */
export const ACCEPTANCES_FILE = "acceptances.json";

/** The most days that an acceptance may be given for: it is for a pull request under way, not for good. */
export const MOST_DAYS = 90;

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, "is not a lock's digest");

const acceptance = z.strictObject({
  agent: z.string().min(1),
  /** Digest of the lock that it grows from; null where the policy is new. */
  before: digest.nullable(),
  /** Digest of the lock that it grows to. */
  after: digest,
  /** Who answers for it. */
  for: z.string().trim().min(1, "is empty: it must say who answers for it"),
  reason: z.string().trim().min(1, "is empty: it must say why"),
  /** Last day on which it counts, in UTC. */
  expires: z.iso.date("is not a date such as 2026-12-31"),
});

const file = z.strictObject({ acceptances: z.array(acceptance) });

/** One acceptance. */
export type Acceptance = z.infer<typeof acceptance>;

/**
 * Reads the text of the file; null where there is none.
 *
 * @throws PolicyError with every problem: a file that cannot be read accepts nothing, and says so.
 */
export function parseAcceptances(text: string | null, name: string): Acceptance[] {
  if (text === null) return [];
  const fix = 'Write {"acceptances": []}, with the entries in the list that `npm run -s policy -- accept` prints';
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new PolicyError([{ place: "", problem: "is not JSON", fix }], name);
  }
  const parsed = file.safeParse(json);
  if (parsed.success) return parsed.data.acceptances;
  throw new PolicyError(
    parsed.error.issues.map((issue) => ({ place: place(issue.path), problem: issue.message, fix })),
    name,
  );
}

/** A change of one policy's lock. */
export interface LockChange {
  readonly agent: string;
  readonly before: string | null;
  readonly after: string | null;
}

/**
 * Whether a change that grows was accepted.
 *
 * @param today UTC, `YYYY-MM-DD`.
 */
export function passageOf(change: LockChange, acceptances: readonly Acceptance[], today: string): Passage {
  const own = acceptances.filter(({ agent }) => agent === change.agent);
  const exact = own.filter(({ before, after }) => before === change.before && after === change.after);
  const valid = exact.find(({ expires }) => expires >= today);
  if (valid) return { kind: "accepted", for: valid.for, reason: valid.reason, expires: valid.expires };
  return {
    kind: "stopped",
    notes: [
      ...exact.map(({ for: who, expires }) => `The acceptance for ${who} does not count: it expired on ${expires}.`),
      // Entries of the past are history; one that still runs may be believed to cover this change.
      ...own
        .filter((entry) => !exact.includes(entry) && entry.expires >= today)
        .map(
          ({ for: who, before, after }) =>
            `The acceptance for ${who} does not count: it is for ${span(before, after)}, and this is ${span(change.before, change.after)}.`,
        ),
    ],
  };
}

/**
 * The entry that accepts a change.
 *
 * @throws PolicyError when it says not who, not why, or too long.
 */
export function newAcceptance(
  change: LockChange & { readonly after: string },
  o: { readonly for: string; readonly reason: string; readonly days: number; readonly today: string },
): Acceptance {
  if (!Number.isInteger(o.days) || o.days < 1 || o.days > MOST_DAYS) {
    throw new PolicyError([
      { place: "days", problem: `${o.days} is not a number of days from 1 to ${MOST_DAYS}`, fix: "Write --days 14" },
    ]);
  }
  const expires = new Date(Date.parse(o.today) + o.days * 86_400_000).toISOString().slice(0, 10);
  const { agent, before, after } = change;
  const parsed = acceptance.safeParse({ agent, before, after, for: o.for, reason: o.reason, expires });
  if (parsed.success) return parsed.data;
  throw new PolicyError(
    parsed.error.issues.map((issue) => ({
      place: place(issue.path),
      problem: issue.message,
      fix: 'Write --for NAME --reason "why"',
    })),
  );
}

function span(before: string | null, after: string | null): string {
  const short = (digest: string | null) => digest?.slice(0, "sha256:".length + 12) ?? "nothing";
  return `${short(before)} → ${short(after)}`;
}

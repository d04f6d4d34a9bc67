/** What a lock grants, line by line as the drawing has it: principal, host, credential, and the requests. */
import type { Lock } from "../engine/lock.ts";
import type { Phase } from "../engine/policy.ts";
import { grantedRequests } from "./granted-requests.ts";

/** Everything that one principal may send to one host with one credential. */
export interface StandingGrant {
  readonly principal: string;
  readonly phase: Phase;
  readonly host: string;
  readonly credential: string | null;
  /** `GET /v1/customers/{customer}`, sorted. */
  readonly requests: readonly string[];
}

/** The grants of a lock, in order of phase, principal, host and credential. */
export function standingGrants(lock: Lock): StandingGrant[] {
  const found = new Map<string, { grant: StandingGrant; requests: Set<string> }>();
  for (const granted of grantedRequests(lock)) {
    if (!granted.reaches) continue;
    const { phase, principal, host, credential } = granted;
    const grant = { phase, principal, host, credential, requests: [] };
    const entry = found.get(grantKey(grant)) ?? { grant, requests: new Set<string>() };
    found.set(grantKey(grant), entry);
    for (const method of granted.methods) entry.requests.add(`${method} ${granted.path}`);
  }
  for (const range of lock.unsafe?.subnets.allow ?? []) {
    const grant = { phase: "run", principal: "sandbox", host: range, credential: null, requests: [] } as const;
    found.set(grantKey(grant), { grant, requests: new Set(["any traffic, past every rule"]) });
  }
  return [...found]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { grant, requests }]) => ({ ...grant, requests: [...requests].sort() }));
}

/** Identifies a line of the drawing; changes of a comparison have the same key as the grant that they change. */
export function grantKey({ phase, principal, host, credential }: Omit<StandingGrant, "requests">): string {
  return JSON.stringify([phase, principal, host, credential]);
}

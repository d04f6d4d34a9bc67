/** What a policy lets through that has no host name: ranges of addresses, and connections without a TLS server name. */
import type { Change } from "./comparison.ts";
import type { Ground } from "./ground.ts";

type AddressChange = Omit<Change, "agent" | "phase">;

const OPEN = { kind: "plain", hostFree: true, opaque: true } as const;
const DENIED = { kind: "denied" } as const;

/**
 * Changes that no HTTPS request to a host can show.
 *
 * @param known changes of hosts; what they tell already is not told again.
 */
export function addressChanges(before: Ground, after: Ground, known: readonly Change[]): AddressChange[] {
  const changes: AddressChange[] = [];
  const ranks = [before, after].map(namelessRank);
  const [old = 0, now = 0] = ranks;
  const verdict = now > old ? "wider" : "narrower";
  if (old !== now && !known.some((change) => change.host === "*" && change.verdict === verdict)) {
    changes.push({
      verdict,
      principal: "sandbox",
      host: "*",
      credential: null,
      witness: null,
      before: old === 0 ? DENIED : OPEN,
      after: now === 0 ? DENIED : OPEN,
      assumes: [
        Math.max(old, now) === 2
          ? 'allow-all also lets through what {"*": []} does not, such as plain HTTP and bare addresses'
          : "the key * also lets through connections without a TLS server name",
      ],
    });
  }
  return changes;
}

/** 0: needs a server name; 1: `*` passes what has none; 2: everything. */
function namelessRank({ policy, keys }: Ground): number {
  if (policy === "allow-all") return 2;
  return keys.includes("*") ? 1 : 0;
}

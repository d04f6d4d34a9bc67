/** What a policy lets through that has no host name: ranges of addresses, and connections without a TLS server name. */
import { minus, type Range, rangesOf, rangeText } from "./address-ranges.ts";
import type { Change } from "./comparison.ts";
import type { Ground } from "./ground.ts";

type AddressChange = Omit<Change, "agent" | "phase">;

const OPEN = { kind: "plain", hostFree: true, opaque: true } as const;
const DENIED = { kind: "denied" } as const;

/**
 * Changes that no HTTPS request to a host can show (contracts/vercel-firewall.md §1.9 and §1.10). They hold for anything
 * in the sandbox.
 *
 * @param known changes of hosts; what they tell already is not told again.
 */
export function addressChanges(before: Ground, after: Ground, known: readonly Change[]): AddressChange[] {
  return [...rangeChanges(before, after), ...namelessChanges(before, after, known)];
}

/** By `subnets.allow`, addresses are reached past every rule; by `subnets.deny`, allowed names are not reached there. */
function rangeChanges(before: Ground, after: Ground): AddressChange[] {
  // What allow-all is more than the rest is told of `*`.
  if (before.policy === "allow-all" || after.policy === "allow-all") return [];
  const [old, now] = [reachedPastRules(before), reachedPastRules(after)];
  const past = "ranges in subnets.allow are reached past every rule, by any protocol";
  const changes = [...one(minus(now, old), "wider", past), ...one(minus(old, now), "narrower", past)];
  if (before.keys.length === 0 || after.keys.length === 0) return changes;
  const [wasDenied = [], isDenied = []] = [before, after].map((ground) => rangesOf(subnets(ground).deny ?? []));
  const among = "a host that is allowed may have an address in this range";
  const ofNames = [
    ...one(minus(wasDenied, isDenied), "wider", among),
    ...one(minus(isDenied, wasDenied), "narrower", among),
  ];
  const told = new Set(changes.map(({ verdict }) => verdict));
  return [...changes, ...ofNames.filter(({ verdict }) => !told.has(verdict))];
}

function one([range, ...more]: readonly Range[], verdict: "wider" | "narrower", assumed: string): AddressChange[] {
  if (range === undefined) return [];
  const wider = verdict === "wider";
  return [
    {
      verdict,
      principal: "sandbox",
      host: `${rangeText(range)}${more.length > 0 ? ` and ${more.length} more` : ""}`,
      credential: null,
      witness: null,
      before: wider ? DENIED : OPEN,
      after: wider ? OPEN : DENIED,
      assumes: [assumed],
    },
  ];
}

function reachedPastRules(ground: Ground): readonly Range[] {
  const { allow = [], deny = [] } = subnets(ground);
  return minus(rangesOf(allow), rangesOf(deny));
}

/** Traffic without a server name, and names that resolve although no key matches them. */
function namelessChanges(before: Ground, after: Ground, known: readonly Change[]): AddressChange[] {
  const told = (verdict: string) => known.some((change) => change.host === "*" && change.verdict === verdict);
  const change = (of: Pick<Change, "verdict" | "before" | "after">, assumed: string): AddressChange => ({
    ...of,
    principal: "sandbox",
    host: "*",
    credential: null,
    witness: null,
    assumes: [assumed],
  });
  const [old, now] = [namelessRank(before), namelessRank(after)];
  if (old !== now) {
    const verdict = now > old ? "wider" : "narrower";
    if (told(verdict)) return [];
    const assumed =
      Math.max(old, now) === 2
        ? 'allow-all also lets through what {"*": []} does not, such as plain HTTP and bare addresses'
        : "the key * also lets through connections without a TLS server name";
    return [change({ verdict, before: old === 0 ? DENIED : OPEN, after: now === 0 ? DENIED : OPEN }, assumed)];
  }
  const [resolved, resolves] = [resolvesAll(before), resolvesAll(after)];
  const verdict = resolves ? "wider" : "narrower";
  if (resolved === resolves || told(verdict)) return [];
  return [change({ verdict, before: DENIED, after: DENIED }, "with subnets.allow and no domain, every name resolves")];
}

/** 0: needs a server name; 1: `*` passes what has none; 2: everything. */
function namelessRank({ policy, keys }: Ground): number {
  if (policy === "allow-all") return 2;
  return keys.includes("*") ? 1 : 0;
}

function resolvesAll(ground: Ground): boolean {
  if (namelessRank(ground) > 0) return true;
  return ground.keys.length === 0 && (subnets(ground).allow ?? []).length > 0;
}

function subnets({ policy }: Ground): { readonly allow?: readonly string[]; readonly deny?: readonly string[] } {
  const raw = typeof policy === "object" && "networkPolicy" in policy ? policy.networkPolicy : policy;
  return typeof raw === "string" ? {} : (raw.subnets ?? {});
}

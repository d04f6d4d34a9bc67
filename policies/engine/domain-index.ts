/** Finds the domain key that holds for a host name, without trying every key. */
import type { NetworkPolicy, NetworkPolicyRule } from "./network-policy.ts";

/** One key of `allow` and its rules; none for a key that lets connections through as they are. */
export interface DomainEntry {
  /** As written in the policy. */
  readonly domain: string;
  readonly rules: readonly NetworkPolicyRule[];
}

/** Keys of a policy, by how the firewall would find them (contracts/vercel-firewall.md §1.5 and §1.6). */
export interface DomainIndex {
  /** The most specific key that matches: exact, then the wildcard with the most labels, then `*`. */
  find(host: string): DomainEntry | null;
}

/** Indexes the keys of a policy. */
export function indexDomains(policy: Exclude<NetworkPolicy, string>): DomainIndex {
  const exact = new Map<string, DomainEntry>();
  const below = new Map<string, DomainEntry>();
  const patterns: { labels: string[]; entry: DomainEntry }[] = [];
  const allow = policy.allow ?? {};
  const entries = Array.isArray(allow)
    ? allow.map((domain): DomainEntry => ({ domain, rules: [] }))
    : Object.entries(allow).map(([domain, rules]): DomainEntry => ({ domain, rules }));
  for (const entry of entries) {
    const key = entry.domain.toLowerCase();
    if (!key.includes("*")) exact.set(key, entry);
    else if (key === "*" || (key.startsWith("*.") && !key.slice(2).includes("*"))) below.set(key.slice(2), entry);
    else patterns.push({ labels: key.split("."), entry });
  }
  return {
    find(host) {
      const name = host.toLowerCase();
      const known = exact.get(name);
      if (known) return known;
      const labels = name.split(".");
      let best: { entry: DomainEntry; literal: number } | null = null;
      for (let i = 1; i <= labels.length && best === null; i++) {
        const entry = below.get(labels.slice(i).join("."));
        if (entry) best = { entry, literal: labels.length - i };
      }
      for (const pattern of patterns) {
        const literal = pattern.labels.filter((label) => label !== "*").length;
        if ((best === null || literal > best.literal) && matchesLabels(pattern.labels, labels)) {
          best = { entry: pattern.entry, literal };
        }
      }
      return best?.entry ?? null;
    },
  };
}

/** A first `*` stands for one label or more, any other for exactly one. */
function matchesLabels(pattern: readonly string[], labels: readonly string[]): boolean {
  const free = pattern[0] === "*" ? labels.length - pattern.length : 0;
  if (free < 0 || pattern.length + free !== labels.length) return false;
  return pattern.every((label, i) => label === "*" || label === labels[i === 0 ? 0 : i + free]);
}

/** Names for the credentials of a policy that has none: its header, and a number in order of appearance. */
import type { NetworkPolicy } from "./network-policy.ts";
import { TICKET_HEADER } from "./ticket.ts";

type Labels = ReadonlyMap<string, readonly (readonly string[])[]>;

const known = new WeakMap<object, Labels>();

/**
 * Labels of what a rule sets, e.g. `["authorization#1"]`. Every header that a transform sets counts as a credential,
 * except `Host` and the ticket's. The same value has the same label throughout the policy; labels say nothing of values.
 */
export function rawCredentialLabels(policy: Exclude<NetworkPolicy, string>, domain: string, index: number): string[] {
  let labels = known.get(policy);
  if (!labels) {
    labels = label(policy);
    known.set(policy, labels);
  }
  return [...(labels.get(domain)?.[index] ?? [])];
}

function label(policy: Exclude<NetworkPolicy, string>): Labels {
  const numbers = new Map<string, Map<string, number>>();
  const labels = new Map<string, string[][]>();
  if (Array.isArray(policy.allow)) return labels;
  for (const [domain, rules] of Object.entries(policy.allow ?? {})) {
    labels.set(
      domain,
      rules.map((rule) =>
        (rule.transform ?? [])
          .flatMap(({ headers }) => Object.entries(headers ?? {}))
          .map(([name, value]) => [name.toLowerCase(), value] as const)
          .filter(([name]) => name !== "host" && name !== TICKET_HEADER)
          .map(([name, value]) => {
            const values = numbers.get(name) ?? new Map<string, number>();
            numbers.set(name, values);
            const number = values.get(value) ?? values.size + 1;
            values.set(value, number);
            return `${name}#${number}`;
          }),
      ),
    );
  }
  return labels;
}

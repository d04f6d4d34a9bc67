/** What is worth a second look in a raw network policy. */
import { transformHeaders } from "./evaluate.ts";
import { hostProblem } from "./host.ts";
import type { Finding } from "./lint.ts";
import type { NetworkPolicy, NetworkPolicyRule } from "./network-policy.ts";
import { place } from "./place.ts";
import { TICKET_HEADER } from "./ticket.ts";

/** Looks over the domain keys of a raw policy, and the rules of each. */
export function lintRaw(policy: NetworkPolicy): Finding[] {
  if (policy === "deny-all") return [];
  if (policy === "allow-all") {
    const words = "lets everything through, by any protocol";
    return [warning("everything-allowed", "networkPolicy", words, "Name the hosts that are needed")];
  }
  const { allow = {}, subnets } = policy;
  const entries: [key: string, rules: readonly NetworkPolicyRule[], at: string][] = Array.isArray(allow)
    ? allow.map((key, i) => [key, [], place(["allow", i])])
    : Object.entries(allow).map(([key, rules]) => [key, rules, place(["allow", key])]);
  const found = entries.flatMap(([key, rules, at], i) => [
    ...keyFindings(
      key,
      entries.slice(0, i).map(([other]) => other),
      at,
    ),
    ...ruleFindings(key, rules, at),
  ]);
  if ((subnets?.allow ?? []).length === 0) return found;
  const words = "is reached past every rule, by any protocol";
  return [...found, warning("past-rules", "subnets.allow", words, "Name hosts instead")];
}

function keyFindings(key: string, before: readonly string[], at: string): Finding[] {
  const twin = before.find((other) => sameName(other) === sameName(key));
  if (twin !== undefined) {
    const words = `is ${JSON.stringify(twin)} but for case or a final dot, and which of them holds is not documented`;
    return [warning("same-host", at, words, "Merge the two keys")];
  }
  if (key === "*") return [warning("every-host", at, "holds for every host", "Name the hosts that are needed")];
  const wrong = hostProblem(key);
  return wrong ? [warning("unreadable-host", at, wrong.problem, wrong.fix)] : [];
}

function ruleFindings(key: string, rules: readonly NetworkPolicyRule[], at: string): Finding[] {
  if (rules.length === 0) {
    const words = "has no rules: the connection is not terminated, and whatever is in it passes";
    return [warning("opaque-host", at, words, "Give it rules, at least { transform: [] }")];
  }
  const found = rules.flatMap((rule, i) => credentialFindings(key, rule, `${at}[${i}]`));
  const holdsForAll = ({ match = {} }: NetworkPolicyRule) => Object.keys(match).length === 0;
  if (rules.some(holdsForAll)) return found;
  const words = "has no rule that holds for every request, and what matches none goes out as it is";
  return [...found, warning("unmatched-passes", at, words, "End it with { response: { statusCode: 403 } }")];
}

/** Of a rule that sets headers beside the pin of `Host`. */
function credentialFindings(key: string, rule: NetworkPolicyRule, at: string): Finding[] {
  const names = Object.keys(transformHeaders(rule)).filter((name) => name !== "host" && name !== TICKET_HEADER);
  if (names.length === 0) return [];
  const found: Finding[] = [];
  const sends = `sends ${names.join(", ")}`;
  if (key.includes("*")) {
    found.push(warning("wildcard-credential", at, `${sends} to every host below a wildcard`, "Name the host"));
  }
  const path: { exact?: string; regex?: string; startsWith?: string } = rule.match?.path ?? {};
  const { regex, startsWith } = path;
  if (regex !== undefined && !(/^(?:\^|\\A)/.test(regex) && /(?:\$|\\z)$/.test(regex))) {
    const words = `${sends} wherever a path holds a match: the regular expression is not anchored`;
    found.push(warning("unanchored-path", at, words, "Begin it with ^ and end it with $"));
  }
  if (startsWith !== undefined) {
    const words = `${sends} also to ${startsWith}%2e%2e/…, which servers may read as the folder above`;
    found.push(warning("path-prefix", at, words, "Match whole paths, by a regular expression without escapes"));
  }
  return found;
}

function warning(code: Finding["code"], at: string, words: string, fix: string): Finding {
  return { code, level: "warning", place: at, words, fix };
}

function sameName(host: string): string {
  return host.toLowerCase().replace(/\.$/, "");
}

/** Finds rules that could be taken out without a difference. */
import { describeAction } from "./action.ts";
import { type Authority, grantedRules, hasVariables } from "./authority.ts";
import { OutOfBounds } from "./compare/words.ts";
import type { Lock } from "./lock.ts";
import { pathLanguage, shortestPath } from "./path-language.ts";

/**
 * A later rule that does the same with every request that this one decides; null when there is none, or none for sure.
 */
export function coveredBy(lock: Lock, granted: Authority): Authority | null {
  const later = grantedRules(lock).filter(
    ({ phase, host, index, principal }) =>
      phase === granted.phase &&
      host === granted.host &&
      index > granted.index &&
      (principal === granted.principal || principal === "sandbox"),
  );
  try {
    for (const candidate of later) {
      if (doesTheSame(granted, candidate) && holdsAll(granted, candidate)) return candidate;
      // Taken out, the requests that both match would be this one's.
      if (meets(granted, candidate)) return null;
    }
  } catch (error) {
    if (!(error instanceof OutOfBounds)) throw error;
  }
  return null;
}

/** Also the query, and what must be there: with another, the refusals before the rule are others. */
function doesTheSame(a: Authority, b: Authority): boolean {
  const effect = ({ rule: { action, match } }: Authority) => {
    const { methods: _, path: __, ...conditions } = match;
    const query = "send" in action ? action.send.query : null;
    return JSON.stringify([describeAction(action), query, conditions]);
  };
  return "send" in a.rule.action && effect(a) === effect(b);
}

function holdsAll(a: Authority, b: Authority): boolean {
  // What a variable of the wider path will be is not known yet.
  if (hasVariables(b.rule) || !a.methods.every((method) => b.methods.includes(method))) return false;
  const [within, without] = [a, b].map(({ rule }) => [pathLanguage(rule.match.path, null)]);
  return shortestPath({ within: within ?? [], without: without ?? [] }) === null;
}

function meets(a: Authority, b: Authority): boolean {
  if (!a.methods.some((method) => b.methods.includes(method))) return false;
  return shortestPath({ within: [a, b].map(({ rule }) => pathLanguage(rule.match.path, null)), without: [] }) !== null;
}

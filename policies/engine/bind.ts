/** From a lock to the policy of one sandbox: values for variables, credentials and tickets put in. */
import { credentialHeader, credentialHeaderValue } from "./credential-header.ts";
import { PolicyError, type PolicyProblem } from "./errors.ts";
import type { Lock, LockMatch, LockRule } from "./lock.ts";
import type {
  NetworkPolicy,
  NetworkPolicyKeyValueMatcher,
  NetworkPolicyMatch,
  NetworkPolicyRule,
} from "./network-policy.ts";
import { noneOf } from "./none-of.ts";
import { ODD_PATH } from "./odd-path.ts";
import { pathMatcher, pathVariables } from "./path-template.ts";
import type { Phase } from "./policy.ts";
import { nameSpellings, queryVariables, type ValuePart } from "./query.ts";
import { TICKET, TICKET_HEADER } from "./ticket.ts";
import { isWildcard } from "./wildcard.ts";

/** Values for one sandbox and one claim. */
export interface Binding {
  readonly phase: Phase;
  /** By name; at least those that the phase's rules use. Letters, digits, `_` and `-` only. */
  readonly variables: Readonly<Record<string, string>>;
  /** By name; at least those that the phase's rules use. */
  readonly credentials: Readonly<Record<string, string>>;
  /** By principal; at least those that have rules. Several where more than one generation holds for a moment. */
  readonly tickets: Readonly<Record<string, string | readonly string[]>>;
}

/** A policy as the sandbox API takes it, and what its values stand for. Holds credentials and tickets. */
export interface BoundPolicy {
  readonly networkPolicy: NetworkPolicy;
  /** Principal by ticket. */
  readonly principals: Readonly<Record<string, string>>;
  /** Digest of the lock that was bound. */
  readonly digest: string;
  /** By host, then by index of the rule: the header that carries a credential, and the credential's name; no values. */
  readonly credentialHeaders: Readonly<
    Record<string, Readonly<Record<number, { header: string; credential: string }>>>
  >;
  /** By host, then by index of the rule: whose rule it is; null where it is nobody's. */
  readonly rulePrincipals: Readonly<Record<string, readonly (string | null)[]>>;
}

const VARIABLE_VALUE = /^[A-Za-z0-9_-]+$/;
// RFC 9110 field values, without tabs and without what lies beyond ASCII.
const CREDENTIAL_VALUE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/**
 * Binds a lock. The result lets through what the lock lets through, for these values and no others.
 *
 * @throws PolicyError naming every variable, credential or principal that is missing, unknown or malformed; never a value.
 */
export function bind(lock: Lock, binding: Binding): BoundPolicy {
  const hosts = lock.phases[binding.phase];
  const rules = Object.values(hosts).flat();
  const tickets = checkBinding(lock, rules, binding);
  const allow = Object.fromEntries(
    Object.entries(hosts).map(([host, rules]) => [
      host,
      rules.map((rule) => bindRule(lock, host, rule, binding, tickets)),
    ]),
  );
  return {
    // An empty object is read as deny-all too; the word leaves no doubt.
    networkPolicy: rules.length === 0 ? "deny-all" : { allow },
    principals: Object.fromEntries(
      Object.entries(tickets).flatMap(([principal, values]) => values.map((value) => [value, principal])),
    ),
    digest: lock.digest,
    credentialHeaders: Object.fromEntries(Object.entries(hosts).map(([host, rules]) => [host, headersOf(lock, rules)])),
    rulePrincipals: Object.fromEntries(
      Object.entries(hosts).map(([host, rules]) => [host, rules.map(({ principal }) => principal)]),
    ),
  };
}

type Tickets = Readonly<Record<string, readonly string[]>>;

function bindRule(lock: Lock, host: string, rule: LockRule, binding: Binding, tickets: Tickets): NetworkPolicyRule {
  const match = bindMatch(rule, binding.variables, tickets);
  const condition = Object.keys(match).length === 0 ? {} : { match };
  if ("answer" in rule.action) {
    const { status, body } = rule.action.answer;
    return { ...condition, response: { statusCode: status, body, contentType: "text/plain; charset=utf-8" } };
  }
  const { credential } = rule.action.send;
  const headers: Record<string, string> = { [TICKET_HEADER]: rule.principal ?? "sandbox" };
  if (!isWildcard(host)) headers.Host = host;
  const form = credential === null ? undefined : lock.credentials[credential]?.form;
  if (credential !== null && form) {
    headers[credentialHeader(form)] = credentialHeaderValue(form, binding.credentials[credential] ?? "");
  }
  return { ...condition, transform: [{ headers }] };
}

function bindMatch(
  { match, principal }: { match: LockMatch; principal: string | null },
  variables: Binding["variables"],
  tickets: Tickets,
): NetworkPolicyMatch {
  const headers: NetworkPolicyKeyValueMatcher[] = [];
  if (principal !== null && principal !== "sandbox") {
    const [first = "", ...more] = tickets[principal] ?? [];
    const value = more.length === 0 ? { exact: first } : { regex: `^(?:${[first, ...more].join("|")})$` };
    headers.push({ key: { exact: TICKET_HEADER }, value });
  }
  if (match.anyHeader) headers.push({ key: { regex: `(?i)^(?:${match.anyHeader.join("|")})$` } });
  const text = (parts: readonly ValuePart[]) =>
    parts.map((part) => ("text" in part ? part.text : (variables[part.variable] ?? ""))).join("");
  const query = match.query && {
    key:
      "notNamed" in match.query
        ? { regex: noneOf(match.query.notNamed.flatMap(nameSpellings)) }
        : anySpelling(match.query.name),
    ...("notNamed" in match.query ? {} : { value: { regex: noneOf([text(match.query.notValue)]) } }),
  };
  return {
    ...(match.methods && { method: [...match.methods] }),
    ...(match.path && { path: boundPath(match.path, variables) }),
    ...(query && { queryString: [query] }),
    ...(headers.length > 0 && { headers }),
  };
}

function boundPath(path: NonNullable<LockMatch["path"]>, variables: Binding["variables"]) {
  if (path === "any") return { startsWith: "/" };
  return path === "odd" ? { regex: ODD_PATH } : pathMatcher(path, variables);
}

function anySpelling(name: string): { exact: string } | { regex: string } {
  const spellings = nameSpellings(name);
  if (spellings.length === 1) return { exact: name };
  return { regex: `^(?:${spellings.map((spelling) => spelling.replace(/[^A-Za-z0-9_%]/g, "\\$&")).join("|")})$` };
}

function headersOf(lock: Lock, rules: readonly LockRule[]): Record<number, { header: string; credential: string }> {
  return Object.fromEntries(
    rules.flatMap(({ action }, i) => {
      const credential = "send" in action ? action.send.credential : null;
      const form = credential === null ? undefined : lock.credentials[credential]?.form;
      return credential === null || !form ? [] : [[i, { header: credentialHeader(form), credential }]];
    }),
  );
}

/** Refuses what is missing, unknown or malformed; returns the tickets as lists. */
function checkBinding(lock: Lock, rules: readonly LockRule[], binding: Binding): Tickets {
  const problems: PolicyProblem[] = [];
  const check = (
    kind: "variables" | "credentials" | "tickets",
    known: ReadonlySet<string>,
    used: ReadonlySet<string>,
    valid: (value: string) => boolean,
    expected: string,
  ) => {
    const given = binding[kind];
    for (const name of used) {
      if (!Object.hasOwn(given, name)) {
        problems.push({
          place: `${kind}.${name}`,
          problem: "is missing, and a rule needs it",
          fix: `Give it ${expected}`,
        });
      }
    }
    for (const [name, value] of Object.entries(given)) {
      const values = [value].flat();
      if (!known.has(name)) {
        problems.push({ place: `${kind}.${name}`, problem: `is unknown to ${lock.agent}'s lock`, fix: "Remove it" });
      } else if (values.length === 0 || !values.every(valid)) {
        problems.push({
          place: `${kind}.${name}`,
          problem: "has a value that cannot be bound",
          fix: `Give it ${expected}`,
        });
      }
    }
  };
  const used = usedNames(rules);
  check(
    "variables",
    new Set(Object.keys(lock.variables)),
    used.variables,
    (value) => VARIABLE_VALUE.test(value),
    "letters, digits, _ and -",
  );
  check(
    "credentials",
    new Set(Object.keys(lock.credentials)),
    used.credentials,
    (value) => CREDENTIAL_VALUE.test(value),
    "one line of printable ASCII",
  );
  const principals = new Set([
    "supervisor",
    ...Object.keys(lock.tools).filter((name) => lock.tools[name]?.kind === "api"),
  ]);
  check("tickets", principals, used.principals, (value) => TICKET.test(value), "newTicket()");
  const tickets = Object.fromEntries(Object.entries(binding.tickets).map(([name, value]) => [name, [value].flat()]));
  const all = Object.values(tickets).flat();
  if (new Set(all).size < all.length) {
    problems.push({ place: "tickets", problem: "two are the same", fix: "Make each with newTicket()" });
  }
  if (problems.length > 0) throw new PolicyError(problems);
  return tickets;
}

function usedNames(rules: readonly LockRule[]) {
  const principals = rules.flatMap(({ principal }) =>
    principal === null || principal === "sandbox" ? [] : [principal],
  );
  const credentials = rules.flatMap(({ action }) =>
    "send" in action && action.send.credential ? [action.send.credential] : [],
  );
  const variables = rules.flatMap(({ match, action }) => [
    ...(typeof match.path === "object" ? pathVariables(match.path) : []),
    ...("send" in action ? queryVariables(action.send.query) : []),
  ]);
  return { principals: new Set(principals), credentials: new Set(credentials), variables: new Set(variables) };
}

/** From a lock to the policy of one sandbox: values for variables, credentials and tickets put in. */
import { actionQuery, sentCredential } from "./action.ts";
import { credentialHeader, credentialHeaderValue } from "./credential-header.ts";
import { PolicyError, type PolicyProblem } from "./errors.ts";
import { type ExpectedValues, expectedVariables, type ValuePart } from "./expected.ts";
import { headerVariables } from "./header-conditions.ts";
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
import { nameSpellings, queryVariables } from "./query.ts";
import { refusalWithoutCustomer } from "./refusal.ts";
import { TICKET, TICKET_HEADER } from "./ticket.ts";
import { isExactHost } from "./wildcard.ts";

/** Values for one sandbox and one claim. */
export interface Binding {
  readonly phase: Phase;
  /** By name; at least those that the phase's rules use. Letters, digits, `_` and `-` only. */
  readonly variables: Readonly<Record<string, string>>;
  /**
   * By name; at least those that the phase's rules use, except the ones with source `perCustomer`: where there is none
   * for this customer it is left out, and the rules that carry it answer 403.
   */
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
    networkPolicy: networkPolicyOf(lock, allow, binding.phase),
    principals: Object.fromEntries(
      Object.entries(tickets).flatMap(([principal, values]) => values.map((value) => [value, principal])),
    ),
    digest: lock.digest,
    credentialHeaders: Object.fromEntries(
      Object.entries(hosts).map(([host, rules]) => [host, headersOf(lock, rules, binding.credentials)]),
    ),
    rulePrincipals: Object.fromEntries(
      Object.entries(hosts).map(([host, rules]) => [host, rules.map(({ principal }) => principal)]),
    ),
  };
}

function networkPolicyOf(lock: Lock, allow: Record<string, NetworkPolicyRule[]>, phase: Phase): NetworkPolicy {
  const { allow: open, deny } = (phase === "run" && lock.unsafe?.subnets) || {};
  const subnets = { ...(open?.length && { allow: [...open] }), ...(deny?.length && { deny: [...deny] }) };
  if (Object.keys(subnets).length > 0) return { allow, subnets };
  // An empty object is read as deny-all too; the word leaves no doubt.
  return Object.keys(allow).length === 0 ? "deny-all" : { allow };
}

type Tickets = Readonly<Record<string, readonly string[]>>;

function bindRule(lock: Lock, host: string, rule: LockRule, binding: Binding, tickets: Tickets): NetworkPolicyRule {
  const match = bindMatch(rule, binding.variables, tickets);
  const condition = Object.keys(match).length === 0 ? {} : { match };
  if ("answer" in rule.action) {
    const { status, body } = rule.action.answer;
    return { ...condition, response: { statusCode: status, body, contentType: "text/plain; charset=utf-8" } };
  }
  if ("respond" in rule.action) {
    const { headers, ...response } = rule.action.respond.response;
    return { ...condition, response: { ...response, ...(headers && { headers: { ...headers } }) } };
  }
  if ("forward" in rule.action) return { ...condition, forwardURL: rule.action.forward.url };
  const { credential } = rule.action.send;
  if (credential !== null && !Object.hasOwn(binding.credentials, credential)) {
    // In the place of the rule, so that no rule below it lets the request through instead.
    const { status, body } = refusalWithoutCustomer(lock.agent, credential);
    return { ...condition, response: { statusCode: status, body, contentType: "text/plain; charset=utf-8" } };
  }
  const headers: Record<string, string> = { [TICKET_HEADER]: rule.principal ?? "sandbox" };
  if (isExactHost(host)) headers.Host = host;
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
  for (const { name, values } of match.headers ?? []) {
    headers.push({ key: { exact: name }, ...oneOf(values, variables) });
  }
  if (match.otherHeader) {
    const { name, notValues } = match.otherHeader;
    headers.push({ key: { exact: name }, value: { regex: noneOf(texts(notValues, variables)) } });
  }
  const query = (match.required ?? []).map(
    ({ name, values }): NetworkPolicyKeyValueMatcher => ({ key: anySpelling(name), ...oneOf(values, variables) }),
  );
  if (match.query && "notNamed" in match.query) {
    query.push({ key: { regex: noneOf(match.query.notNamed.flatMap(nameSpellings)) } });
  } else if (match.query) {
    const { name, notValues } = match.query;
    query.push({ key: anySpelling(name), value: { regex: noneOf(texts(notValues, variables)) } });
  }
  return {
    ...(match.methods && { method: [...match.methods] }),
    ...(match.path && { path: boundPath(match.path, variables) }),
    ...(query.length > 0 && { queryString: query }),
    ...(headers.length > 0 && { headers }),
  };
}

function boundPath(path: NonNullable<LockMatch["path"]>, variables: Binding["variables"]) {
  if (path === "any") return { startsWith: "/" };
  if (path === "odd") return { regex: ODD_PATH };
  return "segments" in path ? pathMatcher(path, variables) : path;
}

function anySpelling(name: string): { exact: string } | { regex: string } {
  return oneText(nameSpellings(name));
}

function oneOf(values: ExpectedValues, variables: Binding["variables"]): Pick<NetworkPolicyKeyValueMatcher, "value"> {
  return values === null ? {} : { value: oneText(texts(values, variables)) };
}

function texts(values: NonNullable<ExpectedValues>, variables: Binding["variables"]): string[] {
  const text = (part: ValuePart) => ("text" in part ? part.text : (variables[part.variable] ?? ""));
  return values.map((parts) => parts.map(text).join(""));
}

function oneText(texts: readonly string[]): { exact: string } | { regex: string } {
  const [only = ""] = texts;
  if (texts.length === 1) return { exact: only };
  return { regex: `^(?:${texts.map((text) => text.replace(/[^A-Za-z0-9_%]/g, "\\$&")).join("|")})$` };
}

function headersOf(
  lock: Lock,
  rules: readonly LockRule[],
  credentials: Binding["credentials"],
): Record<number, { header: string; credential: string }> {
  return Object.fromEntries(
    rules.flatMap(({ action }, i) => {
      const credential = sentCredential(action);
      const form = credential === null ? undefined : lock.credentials[credential]?.form;
      return credential === null || !form || !Object.hasOwn(credentials, credential)
        ? []
        : [[i, { header: credentialHeader(form), credential }]];
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
  const used = usedNames(lock, rules);
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

function usedNames(lock: Lock, rules: readonly LockRule[]) {
  const principals = rules.flatMap(({ principal }) =>
    principal === null || principal === "sandbox" ? [] : [principal],
  );
  const credentials = rules
    .map(({ action }) => sentCredential(action))
    .filter((name) => name !== null)
    .filter((name) => lock.credentials[name]?.source.type !== "perCustomer");
  const variables = rules.flatMap(({ match, action }) => [
    ...(typeof match.path === "object" && "segments" in match.path ? pathVariables(match.path) : []),
    ...queryVariables(actionQuery(action)),
    ...headerVariables(match.headers ?? []),
    ...expectedVariables(match.otherHeader?.notValues ?? null),
  ]);
  return { principals: new Set(principals), credentials: new Set(credentials), variables: new Set(variables) };
}

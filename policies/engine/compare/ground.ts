/** A policy as `compare` reads it: for each host the rules in order, with languages for conditions and effects for handlers. */
import { AUTH_HEADERS } from "../auth-headers.ts";
import type { BoundPolicy } from "../bind.ts";
import { sortKeys } from "../canonical-json.ts";
import { indexDomains } from "../domain-index.ts";
import { transformHeaders } from "../evaluate.ts";
import { ignoringCase } from "../matcher.ts";
import type {
  NetworkPolicy,
  NetworkPolicyKeyValueMatcher,
  NetworkPolicyMatcher,
  NetworkPolicyRule,
} from "../network-policy.ts";
import { TICKET_HEADER } from "../ticket.ts";
import { TOKEN } from "../token.ts";
import {
  type Automaton,
  beginningWith,
  contains,
  exactly,
  intersection,
  matching,
  pairs,
  signsOf,
} from "./automaton.ts";
import { type Effect, unchanged } from "./effect.ts";

/** Some header, or some query parameter, is like this. One object for one meaning. */
export interface Condition {
  /** Names and values together, as `pairs` makes them. */
  readonly language: Automaton;
  /** The values with which `Host` meets it, where that depends on its value; otherwise null. */
  readonly hostValues: Automaton | null;
}

/** A rule: every condition must hold. */
export interface Rule {
  /** The same for rules that match the same requests and give the same authority. */
  readonly id: string;
  /** Whose ticket it asks for; null where it holds for everybody. */
  readonly principal: string | null;
  /** null: every method. */
  readonly methods: readonly string[] | null;
  readonly path: readonly Automaton[];
  readonly query: readonly Condition[];
  readonly headers: readonly Condition[];
  readonly effect: Effect;
}

/** A policy in one phase. */
export interface Ground {
  /** What `evaluate` is asked to confirm a witness. */
  readonly policy: BoundPolicy | NetworkPolicy;
  /** Domain keys as written. */
  readonly keys: readonly string[];
  /** Patterns that divide the hosts: the keys, and `*` where everything is allowed. */
  readonly patterns: readonly string[];
  /** Hosts that a transform names in `Host`. */
  readonly namedHosts: readonly string[];
  /** Principals that have rules of their own. */
  readonly principals: readonly string[];
  /** The network of each tool, by name; a raw policy knows no tools. */
  readonly networks: ReadonlyMap<string, string>;
  /** The ticket of a principal; null where it has none. */
  ticketOf(principal: string): string | null;
  /** The key that holds for a host; null when none does. */
  keyAt(host: string): string | null;
  /** The rules of that key. The last one matches everything. */
  rulesAt(host: string): readonly Rule[];
}

/** Identity of the credential that a rule sends in a header. */
export type CredentialNames = (domain: string, index: number, header: string, value: string) => string | null;

/** Reads a policy. */
export function groundOf(
  policy: BoundPolicy | NetworkPolicy,
  credentialName: CredentialNames,
  networks: ReadonlyMap<string, string> = new Map(),
): Ground {
  const bound = typeof policy === "object" && "networkPolicy" in policy ? policy : null;
  const raw: NetworkPolicy = bound ? bound.networkPolicy : (policy as NetworkPolicy);
  const allow = typeof raw === "string" ? {} : (raw.allow ?? {});
  const entries = Array.isArray(allow) ? allow.map((key) => [key, []] as const) : Object.entries(allow);
  const index = typeof raw === "string" ? null : indexDomains(raw);
  const tickets = new Map(Object.entries(bound?.principals ?? {}).map(([ticket, principal]) => [principal, ticket]));
  const used = new Set(Object.values(bound?.rulePrincipals ?? {}).flat());
  const everything = (effect: Effect): Rule => ({
    id: JSON.stringify(effect),
    principal: null,
    methods: null,
    path: [],
    query: [],
    headers: [],
    effect,
  });
  return {
    policy,
    keys: entries.map(([key]) => key),
    patterns: raw === "allow-all" ? ["*"] : entries.map(([key]) => key),
    namedHosts: [
      ...new Set(
        entries.flatMap(([key, rules]) =>
          key.includes("*") ? rules.flatMap((rule) => transformHeaders(rule).host?.toLowerCase() ?? []) : [],
        ),
      ),
    ],
    principals: [...used].filter((principal): principal is string => principal !== null && principal !== "sandbox"),
    networks,
    ticketOf: (principal) => tickets.get(principal) ?? null,
    keyAt: (host) => index?.find(host)?.domain ?? null,
    rulesAt(host) {
      if (raw === "allow-all") return [everything(unchanged(true))];
      const entry = index?.find(host);
      if (!entry) return [everything({ kind: "denied" })];
      const { domain, rules } = entry;
      if (rules.length === 0) return [everything(unchanged(true))];
      const lowered = rules.flatMap((rule, i) => {
        const principal = bound?.rulePrincipals[domain]?.[i] ?? null;
        const own = principal === "sandbox" ? null : principal;
        const effect = effectOf(rule, host, (header, value) => credentialName(domain, i, header, value));
        return lower(rule, own, effect);
      });
      return [...lowered, everything(unchanged(false))];
    },
  };
}

function effectOf(
  rule: NetworkPolicyRule,
  host: string,
  credentialName: (header: string, value: string) => string | null,
): Effect {
  if (rule.response !== undefined) return { kind: "answered", status: rule.response.statusCode };
  if (rule.forwardURL !== undefined) {
    return { ...unchanged(false), to: { url: rule.forwardURL, proxy: true } };
  }
  const { host: pinned, ...headers } = transformHeaders(rule);
  const credentials = Object.entries(headers).flatMap(([name, value]) => credentialName(name, value) ?? []);
  return {
    kind: "sent",
    to: pinned === undefined || pinned.toLowerCase() === host ? null : { url: `https://${pinned}`, proxy: false },
    credentials: [...new Set(credentials)].sort(),
    overwrites: AUTH_HEADERS.filter((name) => headers[name] !== undefined),
    hostFree: pinned === undefined,
    opaque: false,
  };
}

/** One rule, or none where no request can match it. */
function lower({ match }: NetworkPolicyRule, principal: string | null, effect: Effect): Rule[] {
  const methods = match?.method?.filter((method) => TOKEN.test(method)) ?? null;
  if (methods?.length === 0) return [];
  const headers = (match?.headers ?? []).filter(
    ({ key }) => principal === null || !key || !("exact" in key) || key.exact !== TICKET_HEADER,
  );
  const condition = {
    methods: methods?.toSorted(),
    path: match?.path,
    query: match?.queryString,
    headers,
  };
  // An answer is an answer: what it says is no authority.
  const authority = effect.kind === "answered" ? { kind: "answered" } : effect;
  return [
    {
      id: JSON.stringify([sortKeys(condition), authority]),
      principal,
      methods,
      path: match?.path ? languagesOf(match.path, false) : [],
      query: (match?.queryString ?? []).map((entry) => conditionOf(entry, false)),
      headers: headers.map((entry) => conditionOf(entry, true)),
      effect,
    },
  ];
}

const conditions = new Map<string, Condition>();
const literals = new Map<string, Automaton>();
const MOST_KNOWN = 20_000;

function conditionOf(entry: NetworkPolicyKeyValueMatcher, ofHeader: boolean): Condition {
  return cached(conditions, JSON.stringify([sortKeys(entry), ofHeader]), () => {
    const names = entry.key ? languagesOf(entry.key, ofHeader) : [];
    const values = entry.value ? languagesOf(entry.value, false) : [];
    const readsHost = ofHeader && values.length > 0 && names.every((name) => contains(name, signsOf("host")));
    return { language: pairs(names, values), hostValues: readsHost ? intersection(values) : null };
  });
}

/** The condition that a header of this name is there. */
export function headerNamed(name: string): Condition {
  return conditionOf({ key: { exact: name } }, true);
}

/** Every kind of a matcher must hold. Names of headers, which are in lower case here, match in any. */
function languagesOf(matcher: NetworkPolicyMatcher, lowerCase: boolean): Automaton[] {
  const { exact, startsWith, regex }: { exact?: string; startsWith?: string; regex?: string } = matcher;
  const text = (written: string) => (lowerCase ? written.toLowerCase() : written);
  return [
    ...(exact === undefined ? [] : [cached(literals, `=${text(exact)}`, () => exactly(text(exact)))]),
    ...(startsWith === undefined
      ? []
      : [cached(literals, `^${text(startsWith)}`, () => beginningWith(text(startsWith)))]),
    ...(regex === undefined ? [] : [matching(lowerCase ? ignoringCase(regex) : regex)]),
  ];
}

function cached<T>(known: Map<string, T>, key: string, make: () => T): T {
  const found = known.get(key) ?? make();
  if (known.size >= MOST_KNOWN) known.clear();
  known.set(key, found);
  return found;
}

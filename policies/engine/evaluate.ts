/** What Vercel's firewall does with one request. The local firewall, the runner, tests and review all ask this. */
import { AUTH_HEADERS } from "./auth-headers.ts";
import type { BoundPolicy } from "./bind.ts";
import { type DomainIndex, indexDomains } from "./domain-index.ts";
import { PolicyError } from "./errors.ts";
import { type MatchSubject, matchSubject, mismatch, type QueryReading } from "./matcher.ts";
import type { NetworkPolicy, NetworkPolicyRule } from "./network-policy.ts";
import { rawCredentialLabels } from "./raw-credentials.ts";
import { TICKET_HEADER } from "./ticket.ts";

/** A request as the firewall sees it on a connection that it terminated. */
export interface WireRequest {
  readonly method: string;
  /** TLS server name; no port. */
  readonly host: string;
  /** Request target as sent: path and query, nothing normalised. */
  readonly target: string;
  readonly headers: ReadonlyArray<readonly [string, string]>;
}

/** What becomes of a request. */
export interface Outcome {
  /** `denied`: no connection. `answered`: by the firewall itself. The rest reaches an origin. */
  readonly kind: "denied" | "answered" | "plain" | "credentialed" | "forwarded";
  /** Names of the credentials that are added, sorted; for a raw policy a header with a label, `authorization#1`. */
  readonly credentials?: string[];
  /** Guest headers among {@link AUTH_HEADERS} that this request carries and that pass, sorted. */
  readonly guestHeaders?: string[];
  /** The guest chooses `Host`, and so possibly another site behind the same address. */
  readonly hostFree?: boolean;
  /** TLS is not terminated: no rule can hold, and any protocol passes. */
  readonly opaque?: boolean;
  /** Where it goes, when that is not the host that was asked for. */
  readonly to?: string;
  /** Status of the firewall's own answer. */
  readonly status?: number;
}

/** An outcome, and why. */
export interface Decision {
  readonly outcome: Outcome;
  /** Key of the policy that holds for the host, as written; null when none does. */
  readonly domain: string | null;
  /** Index of the deciding rule under that key; null when none matched. */
  readonly index: number | null;
  readonly rule: NetworkPolicyRule | null;
  /**
   * Whose rule decided: for a bound policy as its lock says (null: nobody's, e.g. the refusal of everything else), for a
   * raw one the name that the rule sets in {@link TICKET_HEADER}, if it does.
   */
  readonly principal: string | null;
  readonly why: string;
}

/**
 * Decides one request, by the most specific domain key and the first rule under it that matches; a request that matches
 * none goes out as it is (contracts/vercel-firewall.md §1.5 to §1.8, §1.16). Addresses (`subnets`) are decided before
 * there is a host name, and are not read here.
 *
 * @throws PolicyError when a regular expression is not RE2's.
 */
export function evaluate(
  policy: NetworkPolicy | BoundPolicy,
  request: WireRequest,
  options: { readonly query?: QueryReading } = {},
): Decision {
  const bound = isBound(policy) ? policy : null;
  const raw = isBound(policy) ? policy.networkPolicy : policy;
  const nothing = { domain: null, index: null, rule: null, principal: null };
  if (raw === "deny-all") return { outcome: { kind: "denied" }, ...nothing, why: "the policy denies everything" };
  if (raw === "allow-all") {
    return { outcome: passedThrough(request), ...nothing, why: "the policy allows everything" };
  }
  const entry = indexOf(raw).find(request.host);
  if (!entry) return { outcome: { kind: "denied" }, ...nothing, why: `no key of the policy matches ${request.host}` };
  const { domain, rules } = entry;
  if (rules.length === 0) {
    return {
      outcome: passedThrough(request),
      ...nothing,
      domain,
      why: `${domain} has no rules, so TLS is not terminated`,
    };
  }
  const index = firstMatch(domain, rules, matchSubject(request, options.query ?? "decoded"));
  const rule = index === null ? undefined : rules[index];
  if (index === null || rule === undefined) {
    const why = `no rule of ${domain} matches, so the request goes out unchanged`;
    return { outcome: sent(request, {}, []), ...nothing, domain, why };
  }
  const headers = transformHeaders(rule);
  const credentials = bound
    ? [bound.credentialHeaders[domain]?.[index]?.credential].filter((name) => name !== undefined)
    : rawCredentialLabels(raw, domain, index);
  const principal = bound ? (bound.rulePrincipals[domain]?.[index] ?? null) : (headers[TICKET_HEADER] ?? null);
  const outcome = outcomeOf(rule, request, headers, credentials);
  return { outcome, domain, index, rule, principal, why: `rule ${index} of ${domain} is the first that matches` };
}

function firstMatch(domain: string, rules: readonly NetworkPolicyRule[], subject: MatchSubject): number | null {
  for (const [index, rule] of rules.entries()) {
    try {
      if (mismatch(rule.match, subject) === null) return index;
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      throw new PolicyError(
        error.problems.map((problem) => ({ ...problem, place: `allow[${JSON.stringify(domain)}][${index}]` })),
      );
    }
  }
  return null;
}

function outcomeOf(
  rule: NetworkPolicyRule,
  request: WireRequest,
  headers: Readonly<Record<string, string>>,
  credentials: string[],
): Outcome {
  if (rule.response !== undefined) return { kind: "answered", status: rule.response.statusCode };
  if (rule.forwardURL !== undefined) return { ...sent(request, {}, []), kind: "forwarded", to: rule.forwardURL };
  return sent(request, headers, credentials);
}

/** A request that reaches an origin over a terminated connection, with these headers set (names in lower case). */
function sent(request: WireRequest, headers: Readonly<Record<string, string>>, credentials: string[]): Outcome {
  const { host } = headers;
  const guestHeaders = guestAuthHeaders(request).filter((name) => headers[name] === undefined);
  return {
    kind: credentials.length > 0 ? "credentialed" : "plain",
    ...(credentials.length > 0 && { credentials: credentials.toSorted() }),
    ...(guestHeaders.length > 0 && { guestHeaders }),
    ...(host === undefined && { hostFree: true }),
    ...(host !== undefined && host.toLowerCase() !== request.host.toLowerCase() && { to: `https://${host}` }),
  };
}

function passedThrough(request: WireRequest): Outcome {
  return { ...sent(request, {}, []), opaque: true };
}

function guestAuthHeaders({ headers }: WireRequest): string[] {
  const names = new Set(headers.map(([name]) => name.toLowerCase()));
  return AUTH_HEADERS.filter((name) => names.has(name));
}

/** Headers that a transform sets, by lower-case name; of several entries the last holds. */
export function transformHeaders(rule: NetworkPolicyRule): Record<string, string> {
  const entries = (rule.transform ?? []).flatMap(({ headers }) => Object.entries(headers ?? {}));
  return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), value]));
}

function isBound(policy: NetworkPolicy | BoundPolicy): policy is BoundPolicy {
  return typeof policy === "object" && "networkPolicy" in policy;
}

const indexes = new WeakMap<object, DomainIndex>();

function indexOf(policy: Exclude<NetworkPolicy, string>): DomainIndex {
  const known = indexes.get(policy);
  if (known) return known;
  const made = indexDomains(policy);
  indexes.set(policy, made);
  return made;
}

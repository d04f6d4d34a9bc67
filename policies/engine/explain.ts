/** What becomes of one request, which rule decides, and why the rules before it did not. */
import { PolicyError } from "./errors.ts";
import { evaluate, type Outcome } from "./evaluate.ts";
import { bindExample } from "./inline-tests.ts";
import type { Lock } from "./lock.ts";
import { matchSubject, mismatch } from "./matcher.ts";
import type { NetworkPolicy } from "./network-policy.ts";
import type { Phase, Policy } from "./policy.ts";
import { TICKET_HEADER } from "./ticket.ts";

/** What is asked about: a policy, or a network policy as Vercel takes it. */
export type ExplainSource = { readonly policy: Policy; readonly lock: Lock } | { readonly raw: NetworkPolicy };

/** A request to explain. */
export interface ExplainRequest {
  readonly method: string;
  /** Sent as written, without normalisation. */
  readonly url: string;
  /** `name: value` each. */
  readonly headers: readonly string[];
  readonly as: string;
  readonly phase: Phase;
}

/** The answer. */
export interface Explanation {
  readonly outcome: Outcome;
  readonly domain: string | null;
  readonly index: number | null;
  /** Place in the policy of the rule that decided; null for a raw policy. */
  readonly at: string | null;
  readonly principal: string | null;
  readonly why: string;
  /** One line for each rule before, e.g. `rule 2 (tools.get_customer.allow[0]): method POST is not GET`. */
  readonly passedOver: readonly string[];
}

/**
 * Explains a request. A policy is bound with its example variables, placeholders and new tickets.
 *
 * @throws PolicyError when the URL or a header is malformed, or the principal is unknown.
 */
export function explain(source: ExplainSource, request: ExplainRequest): Explanation {
  const [, host, target] = /^https:\/\/([^/?#]+)(\S*)$/.exec(request.url) ?? [];
  if (host === undefined || target === undefined) throw wrong("url", "is not https://host/path", "Write the whole URL");
  const headers = request.headers.map((line): [string, string] => {
    const [, name, value] = /^([^\s:]+):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) throw wrong("header", "is not name: value", "Write --header 'a: b'");
    return [name, value];
  });
  const bound = "raw" in source ? null : bindExample(source.policy, source.lock, request.phase);
  if (bound && request.as !== "sandbox") {
    const ticket = Object.entries(bound.principals).find(([, principal]) => principal === request.as)?.[0];
    if (ticket === undefined) {
      const known = ["sandbox", ...Object.values(bound.principals)].join(", ");
      throw wrong("as", `there is no principal ${JSON.stringify(request.as)}`, `Use one of ${known}`);
    }
    headers.push([TICKET_HEADER, ticket]);
  }
  const wire = { method: request.method, host, target: target === "" ? "/" : target, headers };
  const policy = "raw" in source ? source.raw : (bound?.networkPolicy ?? "deny-all");
  const decision = evaluate(bound ?? policy, wire);
  const { outcome, domain, index, principal } = decision;
  const lockRules = "raw" in source || domain === null ? [] : (source.lock.phases[request.phase][domain] ?? []);
  const name = (i: number) => `rule ${i}${lockRules[i] ? ` (${lockRules[i].at})` : ""}`;
  const rules = typeof policy === "string" || Array.isArray(policy.allow) ? [] : (policy.allow?.[domain ?? ""] ?? []);
  const subject = matchSubject(wire, "decoded");
  const at = index === null ? null : (lockRules[index]?.at ?? null);
  return {
    outcome,
    domain,
    index,
    at,
    principal,
    why: at === null ? decision.why : `${decision.why} (${at})`,
    passedOver: rules.slice(0, index ?? rules.length).map((rule, i) => `${name(i)}: ${mismatch(rule.match, subject)}`),
  };
}

function wrong(place: string, problem: string, fix: string): PolicyError {
  return new PolicyError([{ place, problem, fix }]);
}

/** What becomes of one request, which rule decides, and why the rules before it did not. */
import { PolicyError } from "./errors.ts";
import { evaluate, type Outcome } from "./evaluate.ts";
import { bindExample } from "./inline-tests.ts";
import type { Lock } from "./lock.ts";
import { matchSubject, mismatch } from "./matcher.ts";
import type { NetworkPolicy } from "./network-policy.ts";
import type { Phase, Policy } from "./policy.ts";
import { TICKET_HEADER } from "./ticket.ts";

/** What is asked about: a policy or its lock, or a network policy as Vercel takes it. */
export type ExplainSource =
  | { readonly policy?: Policy; readonly lock: Lock; readonly locate?: Locate }
  | { readonly raw: NetworkPolicy };

/** Finds the source line, from 1, of a place in the policy. */
export type Locate = (place: string) => { readonly file: string; readonly line: number } | null;

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

/** A rule, and where it was written. */
export interface ExplainedRule {
  /** Key of the network policy. */
  readonly domain: string;
  /** Among the rules of that key, from 0. */
  readonly index: number;
  /** Place in the policy, e.g. `tools.lookup.allow[0]`; a host where the rule is made for it as a whole. null: raw. */
  readonly at: string | null;
  /** null where the rule is raw, built in, or made for a whole host. */
  readonly source: { readonly file: string; readonly line: number } | null;
}

/** The answer; what `policy explain --json` prints. */
export interface Explanation {
  readonly outcome: Outcome;
  /** Key that holds for the host; null when none does. */
  readonly domain: string | null;
  /** The rule that decided; null when none did. */
  readonly rule: ExplainedRule | null;
  /** Whose rule it is; null where it is nobody's. */
  readonly principal: string | null;
  readonly why: string;
  /** Rules of the same key that were tried before, each with the first of its conditions that did not hold. */
  readonly passedOver: readonly (ExplainedRule & { readonly why: string })[];
}

/**
 * Explains a request. A policy is bound with its example variables (a lock, with `example`), placeholders and new tickets.
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
  const lock = "raw" in source ? null : source.lock;
  const bound =
    "raw" in source ? null : bindExample(source.policy ?? examplesOf(source.lock), source.lock, request.phase);
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
  const { outcome, domain, index, principal, why } = evaluate(bound ?? policy, wire);
  if (domain === null) return { outcome, domain, rule: null, principal, why, passedOver: [] };

  const lockRules = lock?.phases[request.phase][domain] ?? [];
  const explained = (index: number): ExplainedRule => {
    const at = lockRules[index]?.at ?? null;
    return { domain, index, at, source: at === null || "raw" in source ? null : (source.locate?.(at) ?? null) };
  };
  const rules = typeof policy === "string" || Array.isArray(policy.allow) ? [] : (policy.allow?.[domain] ?? []);
  const subject = matchSubject(wire, "decoded");
  const passedOver = rules.slice(0, index ?? rules.length).map((rule, i) => {
    const holder = lockRules[i]?.principal ?? null;
    const others = holder !== null && holder !== "sandbox" && holder !== request.as;
    return { ...explained(i), why: others ? `it is for ${holder} alone` : (mismatch(rule.match, subject) ?? "") };
  });
  return { outcome, domain, rule: index === null ? null : explained(index), principal, why, passedOver };
}

/** An explanation as lines for people, the outcome left out. */
export function describeExplanation({ rule, why, passedOver }: Explanation): string[] {
  const name = ({ index, at, source }: ExplainedRule) => {
    const place = source ? `${source.file}:${source.line}` : null;
    const shown = [at, place].filter((part) => part !== null).join(", ");
    return `rule ${index}${shown && ` (${shown})`}`;
  };
  return [
    rule === null || rule.at === null ? why : `${name(rule)} of ${rule.domain} is the first that matches`,
    ...passedOver.map((passed) => `${name(passed)}: ${passed.why}`),
  ];
}

/** A lock knows no examples. */
function examplesOf({ variables }: Lock): Pick<Policy, "variables"> {
  const custom = Object.entries(variables).filter(([, { source }]) => source.startsWith("metadata."));
  return {
    variables: Object.fromEntries(
      custom.map(([name, { source }]) => [name, { source: source as `metadata.${string}`, example: "example" }]),
    ),
  };
}

function wrong(place: string, problem: string, fix: string): PolicyError {
  return new PolicyError([{ place, problem, fix }]);
}

/** What becomes of one request, which rule decides, and why the rules before it did not. */
import { isIP } from "node:net";
import type { BoundPolicy } from "./bind.ts";
import { PolicyError } from "./errors.ts";
import { evaluate, type Outcome } from "./evaluate.ts";
import { bindExample } from "./inline-tests.ts";
import type { Lock } from "./lock.ts";
import { matchSubject, mismatch } from "./matcher.ts";
import { METHODS } from "./methods.ts";
import type { NetworkPolicy } from "./network-policy.ts";
import type { Phase, Policy } from "./policy.ts";
import { isWithin } from "./subnets.ts";
import { TICKET_HEADER } from "./ticket.ts";
import { TOKEN } from "./token.ts";

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
  /** What the firewall answers, where it answers itself. */
  readonly says?: string;
  /** About the principal or the method that was asked for, where it may be misspelt. */
  readonly note?: string;
  /** Rules of the same key that were tried before, each with the first of its conditions that did not hold. */
  readonly passedOver: readonly (ExplainedRule & { readonly why: string })[];
}

/**
 * Explains a request. A policy is bound with its example variables (a lock, with `example`), placeholders and new tickets.
 *
 * @throws PolicyError when the URL, the method or a header is malformed.
 */
export function explain(source: ExplainSource, request: ExplainRequest): Explanation {
  const { host, target } = partsOf(request.url);
  if (!TOKEN.test(request.method)) throw wrong("method", "is no HTTP method", "Write it as it is sent, e.g. GET");
  const headers = request.headers.map((line): [string, string] => {
    const [, name, value] = /^([^\s:]+):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) throw wrong("header", "is not name: value", "Write --header 'a: b'");
    return [name, value];
  });
  const lock = "raw" in source ? null : source.lock;
  const bound =
    "raw" in source ? null : bindExample(source.policy ?? examplesOf(source.lock), source.lock, request.phase);
  const policy = "raw" in source ? source.raw : (bound?.networkPolicy ?? "deny-all");
  const ticket = Object.entries(bound?.principals ?? {}).find(([, principal]) => principal === request.as)?.[0];
  if (ticket !== undefined) headers.push([TICKET_HEADER, ticket]);
  const notes = [
    ticket === undefined && request.as !== "sandbox" ? noteOn(request.as, lock, bound) : null,
    (METHODS as readonly string[]).includes(request.method)
      ? null
      : `methods are compared as they are sent: ${request.method} is not a usual one`,
  ].filter((note) => note !== null);
  const noted = notes.length === 0 ? {} : { note: notes.join("; ") };
  const nothing = { domain: null, rule: null, principal: null, passedOver: [], ...noted };
  if (lock?.tools[request.as]?.network === "none") {
    return { outcome: { kind: "denied" }, ...nothing, why: `${request.as} has no network` };
  }
  if (isIP(bare(host)) !== 0) return { ...ofAddress(policy, bare(host)), ...nothing };
  const wire = { method: request.method, host, target: target === "" ? "/" : target, headers };
  const { outcome, domain, index, principal, rule, why } = evaluate(bound ?? policy, wire);
  if (domain === null) return { outcome, ...nothing, principal, why };

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
  const says = rule?.response?.body?.trim();
  const decided = { outcome, domain, rule: index === null ? null : explained(index), principal, why };
  return { ...decided, ...(says && { says }), passedOver, ...noted };
}

/** Host and target of a URL, nothing in them normalised. */
function partsOf(url: string): { host: string; target: string } {
  const [, scheme = "", authority = "", target = ""] = /^([a-z]+):\/\/([^/?#]+)(\S*)$/i.exec(url) ?? [];
  if (scheme.toLowerCase() === "http") {
    throw wrong("url", "is plain HTTP, which rules do not hold for", "Write https://host/path");
  }
  if (scheme.toLowerCase() !== "https") throw wrong("url", "is not https://host/path", "Write the whole URL");
  const host = authority.replace(/:443$/, "");
  if (host.includes("@") || (!host.startsWith("[") && host.includes(":"))) {
    const fix = "Write https://host/path: policies know host names, on whatever port";
    throw wrong("url", "names a user or a port", fix);
  }
  return { host, target };
}

/** An address without the brackets of IPv6. */
function bare(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}

/** Addresses are decided by `subnets` alone (contracts/vercel-firewall.md §1.10). */
function ofAddress(policy: NetworkPolicy, address: string): Pick<Explanation, "outcome" | "why"> {
  const open: Outcome = { kind: "plain", hostFree: true, opaque: true };
  if (policy === "allow-all") return { outcome: open, why: "the policy allows everything" };
  const { allow = [], deny = [] } = typeof policy === "string" ? {} : (policy.subnets ?? {});
  const holds = (ranges: readonly string[]) => ranges.find((range) => isWithin(address, range));
  const [allowed, denied] = [holds(allow), holds(deny)];
  if (allowed !== undefined && denied === undefined) {
    return { outcome: open, why: `${allowed} in subnets.allow is reached past every rule` };
  }
  const why = denied === undefined ? `no range in subnets.allow has ${address}` : `${denied} is in subnets.deny`;
  return { outcome: { kind: "denied" }, why };
}

/** What to say of somebody who has no ticket. */
function noteOn(as: string, lock: Lock | null, bound: BoundPolicy | null): string | null {
  if (lock === null) return `a raw policy knows no principals: ${as} is anybody`;
  if (lock.tools[as] !== undefined) return null;
  const known = ["sandbox", ...Object.values(bound?.principals ?? {})].join(", ");
  return `nobody is called ${as} here (there are ${known}): whoever it is has what the sandbox has`;
}

/** An explanation as lines for people, the outcome left out. */
export function describeExplanation({ rule, why, says, note, passedOver }: Explanation): string[] {
  const name = ({ index, at, source }: ExplainedRule) => {
    const place = source ? `${source.file}:${source.line}` : null;
    const shown = [at, place].filter((part) => part !== null).join(", ");
    return `rule ${index}${shown && ` (${shown})`}`;
  };
  return [
    rule === null || rule.at === null ? why : `${name(rule)} of ${rule.domain} is the first that matches`,
    ...(says === undefined ? [] : says.split("\n").map((line) => `| ${line}`)),
    ...(note === undefined ? [] : [`note: ${note}`]),
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

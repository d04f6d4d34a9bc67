/** What a lock lets principals do, rule by rule, and a request that shows it. */
import { grantOf, reaches, sentCredential } from "./action.ts";
import { BUILT_IN_EXAMPLES } from "./built-in.ts";
import type { Automaton } from "./compare/automaton.ts";
import { OutOfBounds } from "./compare/words.ts";
import { evaluate } from "./evaluate.ts";
import type { ExpectedValues, ValuePart } from "./expected.ts";
import { bindExample } from "./inline-tests.ts";
import type { Lock, LockRule } from "./lock.ts";
import { pathLanguage, shortestPath, type VariableValues } from "./path-language.ts";
import { pathVariables } from "./path-template.ts";
import type { Phase, Policy } from "./policy.ts";
import { TICKET_HEADER } from "./ticket.ts";

/** A policy and what it compiles to. */
export interface PolicyAndLock {
  readonly policy: Policy;
  readonly lock: Lock;
}

/** A rule of a policy, as it stands in the lock: by which requests reach a server, or get an answer. */
export interface Authority {
  readonly phase: Phase;
  readonly host: string;
  /** Place among the host's rules. */
  readonly index: number;
  readonly rule: LockRule;
  readonly principal: string;
  readonly methods: readonly string[];
  readonly credential: string | null;
}

/** A request that shows an authority, with example values for variables. */
export interface Witness {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What is asked of a request besides that the rule decides it. */
export interface Region {
  /** Paths; every one when left out. */
  readonly path?: LockRule["match"]["path"];
  /** Host that is meant, where the rule's is a pattern. */
  readonly host?: string;
  readonly methods?: readonly string[];
}

/** Whether a rule decides requests of a region: never, as this one, or it cannot be ruled out. */
export type Shown =
  | { readonly kind: "never" }
  | { readonly kind: "witness"; readonly witness: Witness }
  | { readonly kind: "open"; readonly why: string };

/** Every rule of a lock by which requests reach a server. */
export function authorities(lock: Lock): Authority[] {
  return grantedRules(lock).filter(({ rule }) => reaches(rule.action));
}

/** Every rule of a lock that stands for a rule of the policy, and not for a refusal. */
export function grantedRules({ phases }: Lock): Authority[] {
  return (["run", "setup"] as const).flatMap((phase) =>
    Object.entries(phases[phase]).flatMap(([host, rules]) =>
      rules.flatMap((rule, index): Authority[] => {
        if (grantOf(rule.action) === null) return [];
        const { match, principal, action } = rule;
        const credential = sentCredential(action);
        return [
          { phase, host, index, rule, principal: principal ?? "sandbox", methods: match.methods ?? [], credential },
        ];
      }),
    ),
  );
}

/**
 * Whether a rule decides any request of a region, for whatever values the variables have. `never` is proved; a witness
 * is confirmed by `evaluate`.
 */
export function show(subject: PolicyAndLock, authority: Authority, region: Region = {}): Shown {
  const methods = authority.methods.filter((method) => region.methods?.includes(method) ?? true);
  try {
    if (methods.every((method) => pathFor(subject.lock, authority, region, method, null) === null)) {
      return { kind: "never" };
    }
    const examples = exampleValues(subject.policy);
    for (const method of methods) {
      const path = pathFor(subject.lock, authority, region, method, examples);
      const witness = path === null ? null : witnessOf(authority, region, method, path, examples);
      if (witness && decides(subject, authority, witness)) return { kind: "witness", witness };
    }
    return { kind: "open", why: "no request with the example values shows it, and other values may" };
  } catch (error) {
    if (!(error instanceof OutOfBounds)) throw error;
    return { kind: "open", why: error.message };
  }
}

/** A path by which a request of the region comes to the rule, past those before it; null when there is none. */
function pathFor(
  { phases }: Lock,
  { phase, host, index, rule }: Authority,
  region: Region,
  method: string,
  values: VariableValues,
): string | null {
  const before = (phases[phase][host] ?? []).slice(0, index).filter((earlier) => {
    if (earlier.principal !== null && earlier.principal !== rule.principal) return false;
    return decidesAll(earlier, method) && (values !== null || !hasVariables(earlier));
  });
  const language = (path: LockRule["match"]["path"]): Automaton => pathLanguage(path, values);
  return shortestPath({
    within: [language(rule.match.path), ...(region.path === undefined ? [] : [language(region.path)])],
    without: before.map(({ match }) => language(match.path)),
  });
}

/** Whether a rule takes every request of a method with its path, whatever else that carries. */
function decidesAll({ match }: LockRule, method: string): boolean {
  const { methods, path: _, ...conditions } = match;
  return Object.keys(conditions).length === 0 && (methods?.includes(method) ?? true);
}

/** Whether the paths of a rule are known only when it is bound. */
export function hasVariables({ match: { path } }: LockRule): boolean {
  return typeof path === "object" && "segments" in path && pathVariables(path).length > 0;
}

function witnessOf(
  { host, rule }: Authority,
  region: Region,
  method: string,
  path: string,
  values: Readonly<Record<string, string>>,
): Witness {
  const value = (expected: ExpectedValues) => (expected?.[0] ? text(expected[0], values) : "1");
  const query = (rule.match.required ?? []).map(({ name, values }) => `${name}=${value(values)}`);
  const headers = (rule.match.headers ?? []).map(({ name, values }) => [name, value(values)] as const);
  const url = `https://${nameFor(host, region.host)}${path}${query.length > 0 ? `?${query.join("&")}` : ""}`;
  return { method, url, headers: Object.fromEntries(headers) };
}

function text(parts: readonly ValuePart[], values: Readonly<Record<string, string>>): string {
  return parts.map((part) => ("text" in part ? part.text : (values[part.variable] ?? ""))).join("");
}

/** A name that both patterns mean, given that they overlap. */
function nameFor(host: string, wanted = host): string {
  const patterns = [host, wanted].filter((pattern) => pattern !== "*").sort((a, b) => b.length - a.length);
  const exact = patterns.find((pattern) => !pattern.includes("*"));
  return exact ?? (patterns[0] ?? "*.host.example").replace("*", "any");
}

function exampleValues(policy: Policy): Readonly<Record<string, string>> {
  const examples = Object.entries(policy.variables ?? {}).map(([name, { example }]) => [name, example]);
  return { ...BUILT_IN_EXAMPLES, ...Object.fromEntries(examples) };
}

/** Whether the firewall, bound with examples, sends the witness by this rule. */
function decides({ policy, lock }: PolicyAndLock, authority: Authority, { method, url, headers }: Witness): boolean {
  const bound = bindExample(policy, lock, authority.phase);
  const [, host = "", target = ""] = /^https:\/\/([^/]+)(.*)$/.exec(url) ?? [];
  const ticket = Object.entries(bound.principals).find(([, principal]) => principal === authority.principal)?.[0];
  const carried = [...Object.entries(headers), ...(ticket === undefined ? [] : [[TICKET_HEADER, ticket] as const])];
  return (["decoded", "raw"] as const).some((query) => {
    const decision = evaluate(bound, { method, host, target, headers: carried }, { query });
    return decision.domain === authority.host && decision.index === authority.index;
  });
}

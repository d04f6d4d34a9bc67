/** From a policy to its lock: the rules of each host, in the order in which the firewall tries them. */
import { AUTH_HEADERS } from "./auth-headers.ts";
import { SESSION_TOKEN, SUPERVISOR_RULES } from "./built-in.ts";
import { ruleLists } from "./check-rules.ts";
import { credentialHeader } from "./credential-header.ts";
import { PolicyError } from "./errors.ts";
import { type Lock, type LockMatch, type LockRule, sealLock } from "./lock.ts";
import { compareSpecificity } from "./path-order.ts";
import { type PathTemplate, parsePathTemplate } from "./path-template.ts";
import { place } from "./place.ts";
import { type AllowRule, BUILT_IN_VARIABLES, type Phase, type Policy } from "./policy.ts";
import { parseQuery, type QueryParam } from "./query.ts";
import { refusalOf } from "./refusal.ts";

/** An allow rule with its templates parsed. */
export interface Grant {
  readonly at: string;
  readonly principal: string;
  readonly rule: AllowRule;
  readonly path: PathTemplate | null;
  readonly query: readonly QueryParam[];
}

/**
 * Compiles a policy.
 *
 * Each host's rules are: a refusal of paths that servers read in different ways; for each principal with a ticket, then
 * for the sandbox, its rules from the most specific path on, each preceded by refusals of exactly the requests that it
 * would otherwise match with a query or an identity that it does not name; and a refusal of everything else.
 */
export function compile(policy: Policy): Lock {
  const credentials: Lock["credentials"] = {
    ...policy.credentials,
    [SESSION_TOKEN]: { form: { type: "bearer" }, source: { type: "sessionsToken" } },
  };
  const variables: Lock["variables"] = {
    ...Object.fromEntries(Object.entries(policy.variables ?? {}).map(([name, { source }]) => [name, { source }])),
    ...Object.fromEntries(BUILT_IN_VARIABLES.map((name) => [name, { source: name }])),
  };
  const hosts = (phase: Phase) => {
    const grants = grantsOf(policy, phase, (name) => Object.hasOwn(variables, name));
    const names = [...new Set(grants.map(({ rule }) => rule.host))].sort();
    return Object.fromEntries(
      names.map((host) => [
        host,
        hostRules(
          policy.agent,
          host,
          grants.filter(({ rule }) => rule.host === host),
          credentials,
        ),
      ]),
    );
  };
  return sealLock({
    version: 1,
    agent: policy.agent,
    variables,
    credentials,
    tools: Object.fromEntries(
      Object.entries(policy.tools).map(([name, { kind, network }]) => [name, { kind, network }]),
    ),
    phases: { run: hosts("run"), setup: hosts("setup") },
  });
}

function grantsOf(policy: Policy, wanted: Phase, isVariable: (name: string) => boolean): Grant[] {
  const lists = ruleLists(policy).filter(([, phase]) => phase === wanted);
  if (wanted === "run") lists.push(["supervisor", "run", ["supervisor"], SUPERVISOR_RULES]);
  const grants = lists.flatMap(([principal, , at, rules]) =>
    rules.map((rule, i): Grant => {
      const path = rule.path === undefined ? null : parsePathTemplate(rule.path, isVariable);
      const query = parseQuery(rule.query ?? [], isVariable);
      if ((path && "problem" in path) || "problem" in query) throw unchecked(place([...at, i]));
      return { principal, rule, path, query, at: place([...at, i]) };
    }),
  );
  // Tickets before no ticket, then by principal, then from the most specific path on.
  return grants.sort(
    (a, b) =>
      Number(a.principal === "sandbox") - Number(b.principal === "sandbox") ||
      compareText(a.principal, b.principal) ||
      compareSpecificity(a.path, b.path) ||
      compareText(a.rule.path ?? "", b.rule.path ?? "") ||
      compareText(a.rule.methods.toSorted().join(), b.rule.methods.toSorted().join()),
  );
}

function hostRules(agent: string, host: string, grants: Grant[], credentials: Lock["credentials"]): LockRule[] {
  const refusal = refusalOf(agent, host, grants);
  const rules: LockRule[] = [];
  // Where a whole host is open there is no path to protect, and some registries need escapes (`/@scope%2fname`).
  if (grants.every(({ path }) => path !== null)) {
    rules.push({ at: host, principal: null, match: { path: "odd" }, action: { answer: refusal.oddPath() } });
  }
  for (const grant of grants) rules.push(...grantRules(grant, refusal, credentials));
  rules.push({ at: host, principal: null, match: {}, action: { answer: refusal.rest() } });
  return rules;
}

function grantRules(grant: Grant, refusal: ReturnType<typeof refusalOf>, credentials: Lock["credentials"]): LockRule[] {
  const { at, principal, path, query, rule } = grant;
  const match: LockMatch = { methods: rule.methods.toSorted(), path: path ?? "any" };
  const refuse = (more: LockMatch, answer: { status: number; body: string }): LockRule => ({
    at,
    principal,
    match: { ...match, ...more },
    action: { answer },
  });
  const form = rule.credential === undefined ? undefined : credentials[rule.credential]?.form;
  const overwritten = form && credentialHeader(form);
  const anyHeader = AUTH_HEADERS.filter((name) => name !== overwritten);
  return [
    refuse({ query: { notNamed: query.map(({ name }) => name) } }, refusal.query(grant)),
    ...query.flatMap(({ name, value }) =>
      value === null ? [] : [refuse({ query: { name, notValue: value } }, refusal.query(grant))],
    ),
    refuse({ anyHeader }, refusal.headers(grant, anyHeader)),
    {
      at,
      principal,
      match,
      action: { send: { credential: rule.credential ?? null, query, ...(rule.reason && { reason: rule.reason }) } },
    },
  ];
}

function unchecked(at: string): PolicyError {
  return new PolicyError([{ place: at, problem: "was not checked", fix: "Make the policy with definePolicy" }]);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

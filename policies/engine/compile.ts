/** From a policy to its lock: the rules of each host, in the order in which the firewall tries them. */
import { AUTH_HEADERS } from "./auth-headers.ts";
import { SESSION_TOKEN, SUPERVISOR_RULES } from "./built-in.ts";
import { ruleLists } from "./check-rules.ts";
import { credentialHeader } from "./credential-header.ts";
import { PolicyError } from "./errors.ts";
import type { Grant } from "./grant.ts";
import { type Lock, type LockMatch, type LockRule, sealLock } from "./lock.ts";
import { isTemplate, parseRule } from "./parse-rule.ts";
import { compareSpecificity } from "./path-order.ts";
import { place } from "./place.ts";
import { BUILT_IN_VARIABLES, type Phase, type Policy } from "./policy.ts";
import { refusalOf } from "./refusal.ts";

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
    return Object.fromEntries(
      [...Map.groupBy(grants, ({ rule }) => rule.host)]
        .sort(([a], [b]) => compareText(a, b))
        .map(([host, own]) => [host, hostRules(policy.agent, host, own, credentials)]),
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
    ...(policy.unsafe && { unsafe: policy.unsafe }),
  });
}

function grantsOf(policy: Policy, wanted: Phase, isVariable: (name: string) => boolean): Grant[] {
  const lists = ruleLists(policy).filter(([, phase]) => phase === wanted);
  if (wanted === "run") lists.push(["supervisor", "run", ["supervisor"], SUPERVISOR_RULES]);
  const grants = lists.flatMap(([principal, , at, rules]) =>
    rules.map((rule, i): Grant => {
      const parsed = parseRule(rule, isVariable);
      if ("problems" in parsed) throw unchecked(place([...at, i]));
      return { principal, rule, ...parsed, at: place([...at, i]) };
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
  // Where a whole host is open there is no path to protect, and some registries need escapes (`/@scope%2fname`). A raw
  // path asks for them.
  if (grants.every(({ path }) => isTemplate(path))) {
    rules.push({ at: host, principal: null, match: { path: "odd" }, action: { answer: refusal.oddPath() } });
  }
  for (const grant of grants) rules.push(...grantRules(grant, refusal, credentials));
  rules.push({ at: host, principal: null, match: {}, action: { answer: refusal.rest() } });
  return rules;
}

function grantRules(grant: Grant, refusal: ReturnType<typeof refusalOf>, credentials: Lock["credentials"]): LockRule[] {
  const { at, principal, path, query, headers, rule } = grant;
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
    ...query.flatMap(({ name, values }) =>
      values === null ? [] : [refuse({ query: { name, notValues: values } }, refusal.query(grant))],
    ),
    ...headers.flatMap(({ name, values }) =>
      values === null ? [] : [refuse({ otherHeader: { name, notValues: values } }, refusal.condition(grant))],
    ),
    // What the firewall answers itself takes no identity anywhere.
    ...(rule.response ? [] : [refuse({ anyHeader }, refusal.headers(grant, anyHeader))]),
    {
      at,
      principal,
      match: {
        ...match,
        ...(query.some(({ required }) => required) && { required: query.filter(({ required }) => required) }),
        ...(headers.length > 0 && { headers }),
      },
      action: actionOf(grant),
    },
  ];
}

function actionOf({ rule, query }: Grant): LockRule["action"] {
  const { credential = null, forwardURL, response, reason, unsafe } = rule;
  const asked = Object.keys(unsafe ?? {}).filter((key) => key !== "reason");
  const why = [reason, unsafe?.reason].filter((text) => text !== undefined).join("; ");
  const granted = { query, ...(why && { reason: why }), ...(asked.length > 0 && { unsafe: asked.sort() }) };
  if (response) return { respond: { response, ...granted } };
  return forwardURL ? { forward: { url: forwardURL, ...granted } } : { send: { credential, ...granted } };
}

function unchecked(at: string): PolicyError {
  return new PolicyError([{ place: at, problem: "was not checked", fix: "Make the policy with definePolicy" }]);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

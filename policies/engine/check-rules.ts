/** What a policy's names and rules refer to, and whether its rules can stand beside each other. */
import { credentialHeaderProblem } from "./auth-headers.ts";
import { ANTHROPIC_HOST, BUILT_IN_PRINCIPALS, SESSION_TOKEN } from "./built-in.ts";
import { checkHandling, checkUnsafe } from "./check-unsafe.ts";
import type { PolicyProblem } from "./errors.ts";
import { headerVariables } from "./header-conditions.ts";
import { hostProblem } from "./host.ts";
import { isTemplate, parseRule, type RulePath } from "./parse-rule.ts";
import { isAmbiguous } from "./path-order.ts";
import { parsePathTemplate, pathParams, pathVariables } from "./path-template.ts";
import { place } from "./place.ts";
import { type AllowRule, BUILT_IN_VARIABLES, type PolicyInput } from "./policy.ts";
import { queryVariables } from "./query.ts";
import { hostsOverlap, isExactHost, isWildcard } from "./wildcard.ts";

interface Found {
  readonly principal: string;
  readonly phase: "setup" | "run";
  readonly rule: AllowRule;
  readonly at: readonly PropertyKey[];
  readonly path: RulePath;
}

/** Every problem of a policy whose shape is right; an empty list when there is none. */
export function checkRules(policy: PolicyInput): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const refuse = (at: readonly PropertyKey[], problem: string, fix: string) =>
    problems.push({ place: place(at), problem, fix });

  for (const name of Object.keys(policy.variables ?? {})) {
    if ((BUILT_IN_VARIABLES as readonly string[]).includes(name)) {
      refuse(["variables", name], "is built in", "Remove it, or choose another name");
    }
  }
  for (const [name, { form }] of Object.entries(policy.credentials ?? {})) {
    if (name === SESSION_TOKEN) refuse(["credentials", name], "is built in", "Choose another name");
    const problem = form.type === "header" ? credentialHeaderProblem(form.name) : null;
    if (problem) refuse(["credentials", name, "form", "name"], problem, "Use a header that the API documents");
  }
  for (const name of Object.keys(policy.tools)) {
    if ((BUILT_IN_PRINCIPALS as readonly string[]).includes(name)) {
      refuse(["tools", name], "is the name of a built-in principal", "Rename the tool");
    }
  }
  policy.tests?.forEach((test, i) => {
    if (!Object.hasOwn(policy.tools, test.as) && !(BUILT_IN_PRINCIPALS as readonly string[]).includes(test.as)) {
      refuse(
        ["tests", i, "as"],
        `${JSON.stringify(test.as)} is no tool of this policy`,
        `${knownNames(policy.tools)}, or ${BUILT_IN_PRINCIPALS.join(", ")}`,
      );
    } else if (Object.hasOwn(policy.tools, test.as) && policy.tools[test.as]?.kind !== "api") {
      refuse(["tests", i, "as"], `${test.as} has no principal of its own`, "Use sandbox, which its commands send as");
    }
    const credential = /^credentialed\((.*)\)$/.exec(test.expect)?.[1];
    if (
      credential !== undefined &&
      credential !== SESSION_TOKEN &&
      !Object.hasOwn(policy.credentials ?? {}, credential)
    ) {
      refuse(["tests", i, "expect"], `there is no credential ${credential}`, knownNames(policy.credentials));
    }
    if (!/^\S+ https:\/\/[^\s/?#]+\/\S*$/.test(test.send)) {
      refuse(["tests", i, "send"], "is not METHOD https://host/path", "Write it like GET https://api.example.com/v1");
    }
  });
  policy.unreachable?.forEach((claim, i) => {
    const wrongHost = hostProblem(claim.host);
    if (wrongHost) refuse(["unreachable", i, "host"], wrongHost.problem, wrongHost.fix);
    const known = ["anyone", ...BUILT_IN_PRINCIPALS] as readonly string[];
    if (!known.includes(claim.as) && policy.tools[claim.as]?.kind !== "api") {
      const fix = "Name an api tool, supervisor, sandbox or anyone";
      refuse(["unreachable", i, "as"], `${JSON.stringify(claim.as)} is no principal of this policy`, fix);
    }
    const path = claim.path === undefined ? null : parsePathTemplate(claim.path, variableTest(policy));
    if (path && "problem" in path) refuse(["unreachable", i, "path"], path.problem, path.fix);
  });

  const rules: Found[] = [];
  for (const [principal, phase, at, allowed] of ruleLists(policy)) {
    allowed.forEach((rule, i) => {
      const path = checkRule(policy, rule, principal, phase, (key, problem, fix) =>
        refuse([...at, i, ...(key === "" ? [] : key.split("."))], problem, fix),
      );
      if (path !== undefined) rules.push({ principal, phase, rule, at: [...at, i], path });
    });
  }
  rules.forEach((later, i) => {
    for (const earlier of rules.slice(0, i)) checkPair(earlier, later, refuse);
  });
  return problems;
}

/** Every list of rules of a policy, with the principal that it is for and its place. */
export function ruleLists(
  policy: PolicyInput,
): (readonly [principal: string, phase: "setup" | "run", at: readonly PropertyKey[], rules: readonly AllowRule[]])[] {
  const tools = Object.entries(policy.tools).flatMap(([name, tool]) =>
    tool.kind === "api" ? [[name, "run", ["tools", name, "allow"], tool.allow] as const] : [],
  );
  return [
    ...tools,
    ["sandbox", "run", ["sandbox"], policy.sandbox ?? []],
    ["sandbox", "setup", ["setup"], policy.setup ?? []],
  ];
}

/** Checks one rule by itself. Returns its path (null: any), or undefined when it has a problem that hides the rest. */
function checkRule(
  policy: PolicyInput,
  rule: AllowRule,
  principal: string,
  phase: "setup" | "run",
  refuse: (key: string, problem: string, fix: string) => void,
): RulePath | undefined {
  const { host, credential, modelChooses = [], unsafe } = rule;
  const reason = rule.reason ?? unsafe?.reason;
  const wrongHost = hostProblem(host, unsafe?.anyHost);
  if (wrongHost) return void refuse("host", wrongHost.problem, wrongHost.fix);
  // Below `*` the key of the Anthropic API itself holds for it (contracts/vercel-firewall.md §1.6).
  if (host !== "*" && hostsOverlap(host, ANTHROPIC_HOST)) {
    return void refuse("host", "reaches the API that the supervisor alone works for", "Remove the rule");
  }
  if (host === "*" && credential !== undefined) {
    return void refuse("credential", "is given to every host there is", "Name the hosts that need it");
  }
  if (isWildcard(host) && credential !== undefined && !unsafe?.wildcardCredential) {
    const fix = "Name the hosts that need it, or write `unsafe: { wildcardCredential: true, reason }`";
    return void refuse("credential", "is given to every host below a wildcard", fix);
  }
  checkUnsafe(rule, refuse);
  checkHandling(rule, refuse);
  if (isWildcard(host) && reason === undefined && rule.response === undefined) {
    refuse("host", "is a wildcard, for which Host cannot be pinned", "Name the hosts, or give a `reason`");
  }
  if (credential !== undefined && !Object.hasOwn(policy.credentials ?? {}, credential)) {
    refuse("credential", `there is no credential ${JSON.stringify(credential)}`, knownNames(policy.credentials));
  }
  if (credential !== undefined && principal === "sandbox" && reason === undefined) {
    refuse("credential", "is given to anything in the sandbox", "Give it to an api tool, or give a `reason`");
  }
  const parsed = parseRule(rule, variableTest(policy));
  if (credential !== undefined && "path" in parsed && parsed.path === null) {
    return void refuse(
      "path",
      "is missing, and the credential would go to the whole host",
      "Write the paths that need it",
    );
  }
  if (new Set(rule.methods).size < rule.methods.length) refuse("methods", "lists a method twice", "Remove one");

  if ("problems" in parsed) {
    for (const { key, problem, fix } of parsed.problems) refuse(key, problem, fix);
    return;
  }
  const { path, query, headers } = parsed;
  const isVariable = variableTest(policy);
  const params = isTemplate(path) ? pathParams(path) : [];
  for (const param of params.filter((param) => !modelChooses.includes(param))) {
    const fix = `Declare it in \`variables\`, or list it in \`modelChooses\` if the model may choose it`;
    refuse("path", `{${param}} is no variable (known: ${variableNames(policy).join(", ")})`, fix);
  }
  for (const name of modelChooses.filter((name) => !params.includes(name))) {
    const problem = isVariable(name) ? `{${name}} is a bound variable` : `the path has no {${name}}`;
    refuse("modelChooses", problem, "Remove it");
  }
  const used = [
    ...(isTemplate(path) ? pathVariables(path) : []),
    ...queryVariables(query),
    ...headerVariables(headers),
  ];
  if (phase === "setup" && used.length > 0) {
    refuse("path", `{${used[0]}} is bound to a session, and set-up has none`, "Write the value, or use a parameter");
  }
  return path;
}

function variableNames(policy: PolicyInput): string[] {
  return [...BUILT_IN_VARIABLES, ...Object.keys(policy.variables ?? {})];
}

function variableTest(policy: PolicyInput): (name: string) => boolean {
  const names = new Set(variableNames(policy));
  return (name) => names.has(name);
}

/** Checks that two rules of a phase can stand beside each other. */
function checkPair(
  a: Found,
  b: Found,
  refuse: (at: readonly PropertyKey[], problem: string, fix: string) => void,
): void {
  if (a.phase !== b.phase || !hostsOverlap(a.rule.host, b.rule.host)) return;
  if (a.rule.host !== b.rule.host) {
    // An exact name goes before `*`; that much is documented.
    if (isExactHost(a.rule.host) || isExactHost(b.rule.host)) {
      if (a.rule.host === "*" || b.rule.host === "*") return;
    }
    const problem = `${b.rule.host} overlaps ${a.rule.host} (${place(a.at)}), and which of them holds is not documented`;
    return void refuse([...b.at, "host"], problem, "Name the hosts so that none is in two patterns");
  }
  const shared = a.rule.methods.filter((method) => b.rule.methods.includes(method));
  if (a.principal === b.principal && shared.length > 0 && isAmbiguous(a.path, b.path)) {
    const problem = `matches ${shared.join(", ")} requests that ${place(a.at)} matches too, and neither is more specific`;
    return void refuse(b.at, problem, "Merge the two rules, or tell their paths apart");
  }
  const plain = [a, b].find(({ rule }) => rule.credential === undefined && isSent(rule));
  const credentialed = [a, b].find(({ rule }) => rule.credential !== undefined);
  if (plain && credentialed && plain.principal !== credentialed.principal && reasonOf(plain.rule) === undefined) {
    const problem = `reaches ${plain.rule.host} without a credential, where ${credentialed.principal} has one`;
    refuse(plain.at, problem, "Remove it, or give a `reason`: connections to the host may be shared");
  }
}

/** Whether the rule's requests reach the host itself. */
function isSent({ response, forwardURL }: AllowRule): boolean {
  return response === undefined && forwardURL === undefined;
}

function reasonOf({ reason, unsafe }: AllowRule): string | undefined {
  return reason ?? unsafe?.reason;
}

function knownNames(names: Readonly<Record<string, unknown>> | undefined): string {
  const known = Object.keys(names ?? {});
  return known.length === 0 ? "None is declared" : `Use one of ${known.join(", ")}`;
}

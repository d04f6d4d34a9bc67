/** What is allowed to be written, and worth a second look. */
import { actionQuery, grantOf } from "./action.ts";
import { type Authority, authorities, grantedRules, type PolicyAndLock, show } from "./authority.ts";
import { headerVariables } from "./header-conditions.ts";
import { isOnHostingPlatform } from "./host.ts";
import type { Lock } from "./lock.ts";
import { pathParams, pathVariables } from "./path-template.ts";
import { place } from "./place.ts";
import { queryVariables } from "./query.ts";
import { coveredBy } from "./redundant.ts";

/** One thing to look at. */
export interface Finding {
  /** What kind it is, for machines. */
  readonly code:
    | "every-host"
    | "everything-allowed"
    | "hosting-platform"
    | "missing-tool"
    | "model-parameter"
    | "opaque-host"
    | "other-tool"
    | "past-rules"
    | "path-prefix"
    | "redundant"
    | "same-host"
    | "shadowed"
    | "shared-host"
    | "unanchored-path"
    | "unlisted-tool"
    | "unmatched-passes"
    | "unreadable-host"
    | "unsafe"
    | "unused-credential"
    | "unused-variable"
    | "wildcard-credential";
  /** `error` fails `policy check`; `warning` is shown by it; `note` is shown by `policy lint` alone. */
  readonly level: "error" | "warning" | "note";
  /** Place in the policy. */
  readonly place: string;
  readonly words: string;
  readonly fix: string;
}

/** An agent as the runner serves it. */
export interface ServedAgent {
  readonly name: string;
  readonly tools: readonly { readonly name: string; readonly kind: string; readonly network: string }[];
}

/**
 * Looks over a policy.
 *
 * @param agents what the runner serves; nothing is said of tools when left out.
 */
export function lint(subject: PolicyAndLock, agents?: readonly ServedAgent[]): Finding[] {
  return [
    ...(agents ? toolFindings(subject.lock, agents) : []),
    ...unusedFindings(subject),
    ...grantedRules(subject.lock)
      .filter(({ principal }) => principal !== "supervisor")
      .flatMap((granted) => ruleFindings(subject, granted)),
    ...subnetFindings(subject.lock),
  ];
}

function ruleFindings(subject: PolicyAndLock, granted: Authority): Finding[] {
  const { rule, host, credential, principal, phase } = granted;
  const { at } = rule;
  const found: Finding[] = [];
  if (show(subject, granted).kind === "never") {
    const words = "never decides: the rules before it take every request that it matches";
    found.push({ code: "shadowed", level: "warning", place: at, words, fix: "Remove it, or narrow those before it" });
  } else {
    const cover = coveredBy(subject.lock, granted);
    if (cover) {
      const words = `changes nothing: ${cover.rule.at} lets the same requests through in the same way`;
      found.push({ code: "redundant", level: "warning", place: at, words, fix: "Remove one of the two" });
    }
  }
  const grant = grantOf(rule.action);
  if (grant?.unsafe) {
    const words = `is unsafe (${grant.unsafe.join(", ")}): ${grant.reason}`;
    found.push({ code: "unsafe", level: "note", place: at, words, fix: "Look whether the reason still holds" });
  }
  const { path } = rule.match;
  const params = typeof path === "object" && "segments" in path ? pathParams(path) : [];
  if (credential !== null && params.length > 0) {
    const words = `lets the model choose {${params.join("}, {")}} in what ${credential} is sent for`;
    const fix = "Bind it as a variable where the session fixes it";
    found.push({ code: "model-parameter", level: "note", place: at, words, fix });
  }
  if (credential === null && grant?.reason && "send" in rule.action) {
    const holder = authorities(subject.lock).find(
      (other) =>
        other.phase === phase && other.host === host && other.credential !== null && other.principal !== principal,
    );
    if (holder) {
      const words = `reaches ${host} without a credential, where ${holder.principal} has ${holder.credential}: ${grant.reason}`;
      const fix = "Look whether the reason still holds: connections to the host may be shared";
      found.push({ code: "shared-host", level: "note", place: at, words, fix });
    }
  }
  if (credential !== null && isOnHostingPlatform(host)) {
    const words = `sends ${credential} to ${host}, a name that a hosting platform gives to whoever asks for it first`;
    found.push({ code: "hosting-platform", level: "warning", place: at, words, fix: "Use a domain of your own" });
  }
  return found;
}

function unusedFindings({ policy, lock }: PolicyAndLock): Finding[] {
  const used = new Set(authorities(lock).map(({ credential }) => credential));
  const rules = [...Object.values(lock.phases.run), ...Object.values(lock.phases.setup)].flat();
  const bound = new Set(
    rules.flatMap(({ match: { path, headers }, action }) => [
      ...(typeof path === "object" && "segments" in path ? pathVariables(path) : []),
      ...queryVariables(actionQuery(action)),
      ...headerVariables(headers ?? []),
    ]),
  );
  const credentials = Object.keys(policy.credentials ?? {}).filter((name) => !used.has(name));
  const variables = Object.keys(policy.variables ?? {}).filter((name) => !bound.has(name));
  return [
    ...credentials.map((name): Finding => {
      const words = "is a credential that no rule uses, and the control plane holds it for nothing";
      return {
        code: "unused-credential",
        level: "warning",
        place: place(["credentials", name]),
        words,
        fix: "Remove it",
      };
    }),
    ...variables.map((name): Finding => {
      const words = "is a variable that no rule uses: it holds no request to this session";
      const fix = "Write it into the rules that it is for; keep it if only a tool reads it";
      return { code: "unused-variable", level: "note", place: place(["variables", name]), words, fix };
    }),
  ];
}

function toolFindings(lock: Lock, agents: readonly ServedAgent[]): Finding[] {
  const agent = agents.find(({ name }) => name === lock.agent);
  if (!agent) {
    const words = `is the policy of ${lock.agent}, which the runner does not serve`;
    return [
      { code: "unlisted-tool", level: "error", place: "agent", words, fix: "Add the agent to the runner's registry" },
    ];
  }
  const error = (code: Finding["code"], name: string, words: string, fix: string): Finding => ({
    code,
    level: "error",
    place: place(["tools", name]),
    words,
    fix,
  });
  const served = new Map(agent.tools.map((tool) => [tool.name, tool]));
  return [
    ...agent.tools
      .filter(({ name }) => !Object.hasOwn(lock.tools, name))
      .map(({ name }) => error("missing-tool", name, "is missing, and the agent has this tool", "Say where it runs")),
    ...Object.entries(lock.tools).flatMap(([name, { kind, network }]) => {
      const tool = served.get(name);
      if (!tool) return [error("unlisted-tool", name, "is no tool of the agent", "Remove it, or correct its name")];
      if (tool.kind === kind && tool.network === network) return [];
      const words = `is ${kind} with network ${network}, and the agent's tool is ${tool.kind} with ${tool.network}`;
      return [error("other-tool", name, words, "Make the two agree")];
    }),
  ];
}

function subnetFindings({ unsafe }: Lock): Finding[] {
  if (!unsafe?.subnets.allow?.length) return [];
  const words = `opens ${unsafe.subnets.allow.join(", ")} past every rule: ${unsafe.reason}`;
  return [{ code: "unsafe", level: "note", place: "unsafe", words, fix: "Look whether the reason still holds" }];
}

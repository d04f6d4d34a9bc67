/** Runs the tests that a policy holds, on the policy as the firewall would have it. */
import { type BoundPolicy, bind } from "./bind.ts";
import { BUILT_IN_EXAMPLES } from "./built-in.ts";
import { compile } from "./compile.ts";
import { evaluate, type Outcome, type WireRequest } from "./evaluate.ts";
import type { Lock } from "./lock.ts";
import type { InlineTest, Phase, Policy } from "./policy.ts";
import { newTicket, TICKET_HEADER } from "./ticket.ts";

/** How one inline test came out. */
export interface InlineResult {
  readonly name: string;
  readonly expected: string;
  /** What the policy does instead, with the reason; null when it does what was expected. */
  readonly failure: string | null;
}

/** Binds a policy with its example variables, placeholders for credentials, and new tickets. */
export function bindExample(policy: Pick<Policy, "variables">, lock: Lock, phase: Phase): BoundPolicy {
  const examples = Object.entries(policy.variables ?? {}).map(([name, { example }]) => [name, example]);
  const principals = ["supervisor", ...Object.keys(lock.tools).filter((name) => lock.tools[name]?.kind === "api")];
  return bind(lock, {
    phase,
    variables: { ...BUILT_IN_EXAMPLES, ...Object.fromEntries(examples) },
    credentials: Object.fromEntries(Object.keys(lock.credentials).map((name) => [name, `example-of-${name}`])),
    tickets: Object.fromEntries(principals.map((principal) => [principal, newTicket()])),
  });
}

/** Runs every inline test of a policy. */
export function runInlineTests(policy: Policy): InlineResult[] {
  const lock = compile(policy);
  const bound = { run: bindExample(policy, lock, "run"), setup: bindExample(policy, lock, "setup") };
  return (policy.tests ?? []).map((test) => {
    // Which of the two readings of a query holds is not documented: a test holds in both.
    const readings = (["decoded", "raw"] as const).map((query) =>
      evaluate(bound[test.phase ?? "run"], requestOf(test, bound.run), { query }),
    );
    const other = readings.find(({ outcome }) => !meets(outcome, test.expect));
    const headers = Object.keys(test.headers ?? {}).map((name) => ` with ${name}`);
    const name = `${test.phase === "setup" ? "set-up: " : ""}${test.as}: ${test.send}${headers.join("")}`;
    return {
      name,
      expected: test.expect,
      failure: other ? `${describeOutcome(other.outcome)}, because ${other.why}` : null,
    };
  });
}

function meets(outcome: Outcome, expected: InlineTest["expect"]): boolean {
  if (expected === "refused") return outcome.kind === "answered";
  return expected === "forwarded" ? outcome.kind === "forwarded" : expected === describeOutcome(outcome);
}

/** An outcome as people read it: `denied`, `answered(403)`, `plain`, `credentialed(crm)`. */
export function describeOutcome({ kind, credentials, status, to }: Outcome): string {
  if (kind === "credentialed") return `credentialed(${credentials?.join("+")})`;
  if (kind === "answered") return `answered(${status})`;
  return kind === "forwarded" ? `forwarded(${to})` : kind;
}

/** The request as written: a URL parser would resolve the dot segments that a test is about. */
function requestOf(test: InlineTest, bound: BoundPolicy): WireRequest {
  const [, method = "", host = "", target = ""] = /^(\S+) https:\/\/([^/?#]+)(\S*)$/.exec(test.send) ?? [];
  const ticket = Object.entries(bound.principals).find(([, principal]) => principal === test.as)?.[0];
  const headers: [string, string][] = [["host", host], ...Object.entries(test.headers ?? {})];
  if (ticket !== undefined) headers.push([TICKET_HEADER, ticket]);
  return { method, host, target, headers };
}

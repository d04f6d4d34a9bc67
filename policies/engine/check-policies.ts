/** Everything that `policy check` asks of the policies of a folder. */
import { compile } from "./compile.ts";
import { runInlineTests } from "./inline-tests.ts";
import { checkInvariants, type Invariant } from "./invariants.ts";
import { type Finding, lint, type ServedAgent } from "./lint.ts";
import { type PolicyFile, staleLock } from "./policy-files.ts";
import { sourceLine } from "./source-line.ts";
import { checkUnreachable } from "./unreachable.ts";

/** What came of a check. */
export interface CheckReport {
  /** A line for each policy, and one for the invariants. */
  readonly summary: readonly string[];
  /** What must be mended, each with its file, line and fix. */
  readonly failures: readonly string[];
  /** What is worth a second look. */
  readonly warnings: readonly string[];
}

/** What is checked beside the policies. */
export interface CheckOptions {
  readonly invariants: readonly Invariant[];
  readonly agents: readonly ServedAgent[];
}

/** Checks locks, inline tests, claims and invariants, and looks the policies over. */
export async function checkPolicies(
  policies: readonly PolicyFile[],
  { invariants, agents }: CheckOptions,
): Promise<CheckReport> {
  const summary: string[] = [];
  const failures: string[] = [];
  const warnings: string[] = [];
  for (const file of policies) {
    const subject = { policy: file.policy, lock: compile(file.policy) };
    const stale = await staleLock(file);
    if (stale !== null) failures.push(stale);
    const tests = runInlineTests(file.policy);
    tests.forEach(({ name, expected, failure }, i) => {
      if (failure !== null)
        failures.push(`${where(file, `tests[${i}]`)}: ${name}: expected ${expected}, got ${failure}`);
    });
    const claims = checkUnreachable(subject);
    claims.forEach(({ name, failure }, i) => {
      if (failure !== null)
        failures.push(`${where(file, `unreachable[${i}]`)}: ${name} is not unreachable: ${failure}`);
    });
    for (const found of lintPolicyFile(file, agents)) {
      if (found.finding.level === "error") failures.push(describeFinding(found));
      if (found.finding.level === "warning") warnings.push(describeFinding(found));
    }
    const holding = (results: readonly { failure: string | null }[]) =>
      `${results.filter(({ failure }) => failure === null).length} of ${results.length}`;
    summary.push(
      `${file.policy.agent}: ${stale ? "lock stale" : "lock current"}, ${holding(tests)} tests hold, ` +
        `${holding(claims)} claims proved`,
    );
  }
  const violations = checkInvariants(
    invariants,
    policies.map(({ policy }) => ({ policy, lock: compile(policy) })),
  );
  for (const { invariant, agent, problem, at } of violations) {
    const file = policies.find(({ policy }) => policy.agent === agent);
    const place = file && at !== null ? where(file, at) : agent === "*" ? "invariants" : agent;
    failures.push(`${place}: against the invariant "${invariant}": ${problem}`);
  }
  const broken = new Set(violations.map(({ invariant }) => invariant)).size;
  summary.push(`invariants: ${invariants.length - broken} of ${invariants.length} proved`);
  return { summary, failures, warnings };
}

/** A finding, and where it is. */
export interface LocatedFinding {
  readonly file: string;
  /** From 1; null where no line can be told. */
  readonly line: number | null;
  readonly finding: Finding;
}

/** Looks over the policy of a file. */
export function lintPolicyFile({ file, policy, source }: PolicyFile, agents: readonly ServedAgent[]): LocatedFinding[] {
  return lint({ policy, lock: compile(policy) }, agents).map((finding) => ({
    file,
    line: sourceLine(source, finding.place),
    finding,
  }));
}

/** A finding in one line, e.g. `support.policy.ts:31 (sandbox[0]): warning redundant: …`. */
export function describeFinding({ file, line, finding: { code, level, place, words, fix } }: LocatedFinding): string {
  return `${located(file, line, place)}: ${level} ${code}: ${words}. ${fix}.`;
}

function where({ file, source }: PolicyFile, place: string): string {
  return located(file, sourceLine(source, place), place);
}

function located(file: string, line: number | null, place: string): string {
  return `${file}${line === null ? "" : `:${line}`} (${place})`;
}

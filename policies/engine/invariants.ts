/**
 * Claims over all policies of a repository, for `policies/invariants.ts`. They are proved from the compiled rules, for
 * every request and every value of variables; what goes against one is shown with a request.
 *
 * @example
 * export default [
 *   credential("crm-write").isHeldOnlyBy("add_note"),
 *   credential("crm").onlyReads(),
 *   host("api.anthropic.com").isReachedOnlyBy("supervisor"),
 *   principal("sandbox").holdsNoCredential(),
 * ];
 */
import { type Authority, authorities, type PolicyAndLock, type Region, show, type Witness } from "./authority.ts";
import { BUILT_IN_PRINCIPALS } from "./built-in.ts";
import type { Lock } from "./lock.ts";
import { METHODS, READ_ONLY } from "./methods.ts";
import { keysFor } from "./unreachable.ts";

/** A claim about every policy. */
export interface Invariant {
  /** The claim in words. */
  readonly text: string;
  /** Names in it that this lock does not know; a name that no lock knows is a misspelt one. */
  unknown(lock: Lock): readonly string[];
  /** Rules that would go against it. */
  suspects(lock: Lock): readonly Authority[];
  /** Of their requests, those that would; all when left out. */
  readonly region?: Region;
  /** What goes against it besides rules, in words. */
  besides?(lock: Lock): string | null;
}

/** Something that goes against an invariant. */
export interface Violation {
  readonly invariant: string;
  readonly agent: string;
  readonly problem: string;
  /** Place in the policy; null where it is no rule. */
  readonly at: string | null;
  readonly witness: Witness | null;
}

const WRITES: readonly string[] = METHODS.filter((method) => !(READ_ONLY as readonly string[]).includes(method));

/** Claims about a credential. */
export function credential(name: string) {
  const carriers = (lock: Lock) => authorities(lock).filter((authority) => authority.credential === name);
  const unknown = (lock: Lock) => (Object.hasOwn(lock.credentials, name) ? [] : [`credential ${name}`]);
  return {
    /** No other principal's requests carry it. */
    isHeldOnlyBy: (...principals: string[]): Invariant => ({
      text: `credential ${name} is held only by ${principals.join(", ")}`,
      unknown: (lock) => [...unknown(lock), ...unknownPrincipals(lock, principals)],
      suspects: (lock) => carriers(lock).filter(({ principal }) => !principals.includes(principal)),
    }),
    /** No method carries it but {@link READ_ONLY}. */
    onlyReads: (): Invariant => ({
      text: `credential ${name} only reads`,
      unknown,
      suspects: (lock) => carriers(lock).filter(({ methods }) => methods.some((method) => WRITES.includes(method))),
      region: { methods: WRITES },
    }),
  };
}

/** Claims about a host: an exact name, or a leading `*.`. */
export function host(name: string) {
  return {
    /** No other principal's requests reach it, in any phase. */
    isReachedOnlyBy: (...principals: string[]): Invariant => ({
      text: `host ${name} is reached only by ${principals.join(", ")}`,
      unknown: (lock) => unknownPrincipals(lock, principals),
      suspects: (lock) =>
        authorities(lock)
          .filter(({ principal }) => !principals.includes(principal))
          .filter(({ phase, host }) => keysFor(lock, phase, name).includes(host)),
      region: { host: name },
      besides: ({ unsafe }) =>
        unsafe?.subnets.allow?.length
          ? `addresses in ${unsafe.subnets.allow.join(", ")} are open past every rule (${unsafe.reason})`
          : null,
    }),
  };
}

/** Claims about a principal: a tool, `supervisor` or `sandbox`. */
export function principal(name: string) {
  return {
    /** None of its requests carries a credential. */
    holdsNoCredential: (): Invariant => ({
      text: `${name} holds no credential`,
      unknown: (lock) => unknownPrincipals(lock, [name]),
      suspects: (lock) =>
        authorities(lock).filter(({ principal, credential }) => principal === name && credential !== null),
    }),
  };
}

/** Checks every invariant against every policy. */
export function checkInvariants(invariants: readonly Invariant[], subjects: readonly PolicyAndLock[]): Violation[] {
  return invariants.flatMap((invariant) => [
    ...misspelt(invariant, subjects),
    ...subjects.flatMap((subject) => violationsOf(invariant, subject)),
  ]);
}

function violationsOf(invariant: Invariant, subject: PolicyAndLock): Violation[] {
  const { lock } = subject;
  const common = { invariant: invariant.text, agent: lock.agent };
  const besides = invariant.besides?.(lock) ?? null;
  const violations: Violation[] = besides === null ? [] : [{ ...common, problem: besides, at: null, witness: null }];
  for (const suspect of invariant.suspects(lock)) {
    const shown = show(subject, suspect, invariant.region);
    if (shown.kind === "never") continue;
    const witness = shown.kind === "witness" ? shown.witness : null;
    const sends = witness ? `sends ${witness.method} ${witness.url}` : `may send requests to ${suspect.host}`;
    const carrying = suspect.credential === null ? "" : ` with ${suspect.credential}`;
    const problem = `${suspect.phase === "setup" ? "in set-up " : ""}${suspect.principal} ${sends}${carrying}`;
    violations.push({ ...common, problem, at: suspect.rule.at, witness });
  }
  return violations;
}

/** A claim about what no policy has holds always, and says nothing. */
function misspelt({ text, unknown }: Invariant, subjects: readonly PolicyAndLock[]): Violation[] {
  const [first, ...rest] = subjects.map(({ lock }) => unknown(lock));
  const nowhere = (first ?? []).filter((name) => rest.every((names) => names.includes(name)));
  return nowhere.map((name) => ({
    invariant: text,
    agent: "*",
    problem: `no policy has ${name}`,
    at: null,
    witness: null,
  }));
}

function unknownPrincipals({ tools }: Lock, principals: readonly string[]): string[] {
  const known = (name: string) =>
    (BUILT_IN_PRINCIPALS as readonly string[]).includes(name) || Object.hasOwn(tools, name);
  return principals.filter((name) => !known(name)).map((name) => `principal ${name}`);
}

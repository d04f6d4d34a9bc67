/** The two things to compare, made comparable: same values for what is bound, same names for the same credentials. */
import { createHash } from "node:crypto";
import { type BoundPolicy, bind } from "../bind.ts";
import { BUILT_IN_EXAMPLES } from "../built-in.ts";
import { canonicalDigest } from "../canonical-json.ts";
import { transformHeaders } from "../evaluate.ts";
import type { Lock } from "../lock.ts";
import type { NetworkPolicy } from "../network-policy.ts";
import type { Phase } from "../policy.ts";
import { TICKET_HEADER } from "../ticket.ts";
import { type Ground, groundOf } from "./ground.ts";

/** A lock, with example values of its variables where its policy gives them. */
export interface LockSource {
  readonly lock: Lock;
  readonly examples: Readonly<Record<string, string>>;
}

/** One side of a comparison. */
export type Side =
  | { readonly kind: "raw"; readonly policy: NetworkPolicy }
  /** `whole`: all agents of a repository, so that one that is missing here has no authority at all. */
  | { readonly kind: "locks"; readonly locks: readonly LockSource[]; readonly whole: boolean };

/** Two policies of one agent in one phase. */
export interface Match {
  readonly agent: string | null;
  readonly phase: Phase;
  readonly before: Ground;
  readonly after: Ground;
  /** A credential's name as it is told. */
  nameOf(credential: string): string;
}

type One = { readonly raw: NetworkPolicy } | LockSource | null;

/**
 * Pairs off the sides, by agent and phase.
 *
 * A raw policy has no phases: it is held against both phases of a lock. Where an agent is missing, nothing is allowed.
 */
export function matchesOf(before: Side, after: Side): Match[] {
  return pairsOf(before, after).flatMap(({ agent, old, now }) => {
    const names = new Names(old, now);
    const values = standIns([old, now]);
    const isRaw = [old, now].every((one) => one !== null && "raw" in one);
    const phases: readonly Phase[] = isRaw ? ["run"] : ["run", "setup"];
    const ground = (one: One, phase: Phase) => {
      if (one === null) return groundOf("deny-all", () => null);
      if ("raw" in one) return groundOf(one.raw, (_, __, header, value) => names.ofValue(header, value));
      const bound = bindExample(one.lock, values, phase);
      const networks = new Map(Object.entries(one.lock.tools).map(([name, { network }]) => [name, network]));
      const nameOf = (domain: string, index: number, header: string) => {
        const known = bound.credentialHeaders[domain]?.[index];
        return known?.header === header ? names.ofCredential(one.lock, known.credential) : null;
      };
      return groundOf(bound, nameOf, networks);
    };
    return phases.map((phase) => ({
      agent,
      phase,
      before: ground(old, phase),
      after: ground(now, phase),
      nameOf: (credential) => names.told(credential),
    }));
  });
}

function pairsOf(before: Side, after: Side): { agent: string | null; old: One; now: One }[] {
  if (before.kind === "raw" && after.kind === "raw") {
    return [{ agent: null, old: { raw: before.policy }, now: { raw: after.policy } }];
  }
  const both = [before, after].filter((side) => side.kind === "locks");
  // Two files were named: then these two are meant, even if the agent was renamed.
  if (both.every(({ whole, locks }) => !whole && locks.length === 1)) {
    const one = (side: Side): One => (side.kind === "raw" ? { raw: side.policy } : (side.locks[0] ?? null));
    return [{ agent: null, old: one(before), now: one(after) }];
  }
  const named = both.find(({ whole }) => !whole) ? both.filter(({ whole }) => !whole) : both;
  const agents = [...new Set(named.flatMap(({ locks }) => locks.map(({ lock }) => lock.agent)))].sort();
  const of = (side: Side, agent: string): One =>
    side.kind === "raw" ? { raw: side.policy } : (side.locks.find(({ lock }) => lock.agent === agent) ?? null);
  return agents.map((agent) => ({
    agent: agents.length > 1 ? agent : null,
    old: of(before, agent),
    now: of(after, agent),
  }));
}

/**
 * Values by the source that they come from, so that a variable that was renamed stays the same, and one that is taken
 * from elsewhere does not. Different sources have different values.
 */
function standIns(sides: readonly One[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  const sources = sides
    .toReversed()
    .flatMap((one) =>
      one === null || "raw" in one
        ? []
        : Object.entries(one.lock.variables).map(([name, { source }]) => ({ source, example: one.examples[name] })),
    );
  for (const { source, example } of sources) {
    if (values.has(source)) continue;
    const builtIn: Readonly<Record<string, string>> = BUILT_IN_EXAMPLES;
    const made = `${source.replace(/^metadata\./, "").replaceAll(/[^A-Za-z0-9_-]/g, "_")}_example`;
    const wanted =
      builtIn[source] ?? sources.find((other) => other.source === source && other.example)?.example ?? example ?? made;
    const taken = new Set(values.values());
    values.set(
      source,
      [wanted, made, `${made}_2`, `${made}_${values.size}`].find((value) => !taken.has(value)) ?? made,
    );
  }
  return values;
}

function bindExample(lock: Lock, values: ReadonlyMap<string, string>, phase: Phase): BoundPolicy {
  const principals = ["supervisor", ...Object.keys(lock.tools).filter((name) => lock.tools[name]?.kind === "api")];
  const variables = Object.entries(lock.variables).map(([name, { source }]) => [name, values.get(source) ?? name]);
  return bind(lock, {
    phase,
    variables: Object.fromEntries(variables),
    credentials: Object.fromEntries(Object.keys(lock.credentials).map((name) => [name, `example-of-${name}`])),
    tickets: Object.fromEntries(principals.map((principal) => [principal, ticketFor(principal)])),
  });
}

/** The same for the same principal on both sides. Nobody ever sends it. */
function ticketFor(principal: string): string {
  return createHash("sha256").update(principal).digest("hex").slice(0, 32);
}

/** Credentials by identity: what tells two of them apart, and what they are called. */
class Names {
  readonly #labels = new Map<string, string>();
  readonly #told = new Map<string, string>();
  readonly #meanings = new Map<string, Set<string>>();

  constructor(...sides: readonly One[]) {
    for (const one of sides) {
      if (one === null) continue;
      if ("raw" in one) this.#label(one.raw);
      else for (const name of Object.keys(one.lock.credentials)) this.ofCredential(one.lock, name);
    }
  }

  /** A header's value, by a label that says nothing of it. */
  ofValue(header: string, value: string): string | null {
    return this.#labels.get(`${header}\n${value}`) ?? null;
  }

  /** A lock's credential: with another form or source it is another one. */
  ofCredential({ credentials }: Lock, name: string): string {
    const meaning = canonicalDigest(credentials[name]);
    const identity = `${name}\n${meaning}`;
    const meanings = this.#meanings.get(name) ?? new Set();
    this.#meanings.set(name, meanings.add(meaning));
    const { form, source } = credentials[name] ?? {};
    const header = form?.type === "header" ? `header ${form.name}` : form?.type;
    const origin = source?.type === "secret" ? `secret ${source.name}` : source?.type;
    this.#told.set(identity, `${name} (${header}, ${origin})`);
    return identity;
  }

  told(identity: string): string {
    const [name = ""] = identity.split("\n");
    return (this.#meanings.get(name)?.size ?? 0) > 1 ? (this.#told.get(identity) ?? name) : name;
  }

  #label(policy: NetworkPolicy): void {
    if (typeof policy === "string" || policy.allow === undefined || Array.isArray(policy.allow)) return;
    const counts = new Map<string, number>();
    for (const key of this.#labels.keys()) {
      const [header = ""] = key.split("\n");
      counts.set(header, (counts.get(header) ?? 0) + 1);
    }
    for (const rule of Object.values(policy.allow).flat()) {
      for (const [header, value] of Object.entries(transformHeaders(rule))) {
        const key = `${header}\n${value}`;
        if (header === "host" || header === TICKET_HEADER || this.#labels.has(key)) continue;
        const count = (counts.get(header) ?? 0) + 1;
        counts.set(header, count);
        this.#labels.set(key, `${header}#${count}`);
      }
    }
  }
}

/**
 * Which authority a change of policy gives or takes, for every request that can be sent, with a request that shows it.
 *
 * Conditions are compared as regular languages, not by samples, for each class of hosts that the two policies' keys tell
 * apart and for each principal. What cannot be decided in bounds is told as incomparable, and why.
 */
import { evaluate, type Outcome, type WireRequest } from "../evaluate.ts";
import type { Lock } from "../lock.ts";
import { TICKET_HEADER } from "../ticket.ts";
import { addressChanges } from "./addresses.ts";
import { type Cell, Cells } from "./cell.ts";
import { type Change, type Comparison, comparisonOf } from "./comparison.ts";
import { differences, partition, type Unknown } from "./differences.ts";
import { divideHosts } from "./divide-hosts.ts";
import { type AuthHeader, atMost, decidingHeaders, type Effect, outcomeOf } from "./effect.ts";
import { type Ground, headerNamed, type Rule } from "./ground.ts";
import { type HostClass, hostClasses } from "./hosts.ts";
import { type Match, matchesOf, type Side } from "./sides.ts";
import { requestIn, witnessOf } from "./witness.ts";
import { Budget, OutOfBounds } from "./words.ts";

/** How much a comparison may look at before it says `undecided`. The same input always ends the same way. */
export interface Bounds {
  /** States of one search. @default 20_000 */
  readonly states?: number;
  /** Steps of all searches together. @default 50_000_000 */
  readonly steps?: number;
  /**
   * Parts into which the requests to one host are divided, for one principal, as long as every part is looked at: then
   * each witness is a shortest one. @default 20_000
   */
  readonly divided?: number;
  /** Parts that are looked at beyond that, in search of some witness for each change. @default 50_000 */
  readonly parts?: number;
}

/**
 * Compares two policies.
 *
 * @throws PolicyError when one cannot be read: a regular expression that RE2 refuses, a lock that cannot be bound.
 */
export function compare(before: Side, after: Side, bounds: Bounds = {}): Comparison {
  const budget = new Budget(bounds.states ?? 20_000, bounds.steps ?? 50_000_000);
  const found = matchesOf(before, after).map((match) => new Found(match, budget, bounds));
  return comparisonOf(
    found.flatMap((one) => one.changes()),
    found.flatMap((one) => [...one.assumed]),
  );
}

/** Compares two locks of one agent; null stands for an agent that has none. */
export function compareLocks(before: Lock | null, after: Lock | null, bounds: Bounds = {}): Comparison {
  const side = (lock: Lock | null): Side => ({
    kind: "locks",
    locks: lock ? [{ lock, examples: {} }] : [],
    whole: lock === null,
  });
  return compare(side(before), side(after), bounds);
}

/** What a principal gains and loses by a request, besides what it has without its ticket. */
interface Direction {
  readonly gains: boolean;
  readonly loses: boolean;
}

/** A change whose witness is confirmed, or that has none. */
interface Candidate {
  readonly change: Change;
  readonly length: number;
}

class Found {
  readonly #match: Match;
  readonly #budget: Budget;
  readonly #parts: readonly [divided: number, withHoles: number];
  /** Readings by which hosts were taken to be unchanged that others would change. Filled by {@link changes}. */
  readonly assumed = new Set<string>();
  readonly #online: ReadonlyMap<string, "before" | "after">;
  /** The one with the shortest witness, by what makes it a change of its own. */
  readonly #candidates = new Map<string, Candidate>();

  constructor(match: Match, budget: Budget, { divided = 20_000, parts = 50_000 }: Bounds) {
    this.#match = match;
    this.#budget = budget;
    this.#parts = [divided, parts];
    this.#online = onlineOnOneSide(match);
  }

  changes(): Change[] {
    const { before, after } = this.#match;
    const { classes, unreadable } = hostClasses(
      [...before.patterns, ...after.patterns],
      [...before.namedHosts, ...after.namedHosts],
    );
    for (const host of classes) for (const part of this.#dividedByHost(host)) this.#compareAt(part);
    const changes = [...this.#candidates.values()].map(({ change }) => change);
    for (const { key, reason } of unreadable) {
      const sides = [before, after].map(({ policy }) => keyText(policy, key));
      if (sides[0] !== sides[1])
        changes.push(this.#undecided("sandbox", key, { kind: "denied" }, { kind: "denied" }, reason));
    }
    const { agent, phase } = this.#match;
    const more = addressChanges(before, after, changes).map((change) => ({
      ...(agent !== null && { agent }),
      phase,
      ...change,
    }));
    return [...changes, ...more];
  }

  #compareAt(host: HostClass): void {
    const { before, after } = this.#match;
    const old = before.rulesAt(host.host);
    const now = after.rulesAt(host.host);
    if (sameRules(old, now)) {
      const differ = (key: string) => keyText(before.policy, key) !== keyText(after.policy, key);
      if (host.keys.some(differ)) for (const reading of this.#keysAssumed(host)) this.assumed.add(reading);
      if (this.#online.size === 0) return;
    }
    const without = [old, now].map((rules) => rules.filter(({ principal }) => principal === null));
    const [oldWithout = [], nowWithout = []] = without;
    this.#comparePrincipal(host, "sandbox", oldWithout, nowWithout, null);
    const principals = new Set([...old, ...now].flatMap(({ principal }) => principal ?? []));
    for (const name of principals) {
      const own = (rules: readonly Rule[]) => rules.filter(({ principal }) => principal === null || principal === name);
      this.#comparePrincipal(host, name, own(old), own(now), { old: oldWithout, now: nowWithout });
    }
    for (const [tool, side] of this.#online) {
      const rules = (mine: "before" | "after", own: readonly Rule[]) => (side === mine ? own : [NOTHING]);
      this.#comparePrincipal(host, tool, rules("before", oldWithout), rules("after", nowWithout), null);
    }
  }

  /** The class, or the classes into which conditions on the header `Host` divide it. */
  #dividedByHost(host: HostClass): readonly HostClass[] {
    // One host has one name.
    if (host.pattern === host.host) return [host];
    const { before, after } = this.#match;
    const [old, now] = [before.rulesAt(host.host), after.rulesAt(host.host)];
    const conditions = new Set(
      [...old, ...now].flatMap(({ headers }) => headers.flatMap(({ hostValues }) => hostValues ?? [])),
    );
    if (conditions.size === 0) return [host];
    const names = [before, after].flatMap(({ patterns, namedHosts }) => [...patterns, ...namedHosts]);
    try {
      return divideHosts(host, conditions, new Set(names), this.#budget);
    } catch (error) {
      if (!(error instanceof OutOfBounds)) throw error;
      if (!sameRules(old, now)) {
        const [was, is] = [old, now].map((rules) => told(deciding(rules), this.#match)) as [Outcome, Outcome];
        const reason = "conditions on the header Host tell apart the hosts that a wildcard stands for";
        this.#keep(this.#undecided("sandbox", host.pattern, was, is, reason), 0);
      }
      return [host];
    }
  }

  #comparePrincipal(
    host: HostClass,
    principal: string,
    old: readonly Rule[],
    now: readonly Rule[],
    without: { readonly old: readonly Rule[]; readonly now: readonly Rule[] } | null,
  ): void {
    const [divided, parts] = this.#parts;
    const ways = [
      new Cells(host.host, this.#budget, divided),
      new Cells(host.host, this.#budget, parts, { holes: true }),
    ];
    for (const difference of differences(old, now, ways)) {
      if ("reason" in difference) {
        this.#addUndecided(host, principal, difference, deciding(old), deciding(now));
        continue;
      }
      const { before, after, cell, cells } = difference;
      try {
        if (without === null) this.#weigh(host, principal, cells, cell, before.effect, after.effect, null);
        else if (!same(before.effect, after.effect)) {
          for (const a of partition(cell, without.old, cells)) {
            for (const b of partition(a.cell, without.now, cells)) {
              const bare = { old: a.rule.effect, now: b.rule.effect };
              this.#weigh(host, principal, cells, b.cell, before.effect, after.effect, bare);
            }
          }
        }
      } catch (error) {
        if (!(error instanceof OutOfBounds)) throw error;
        this.#addUndecided(host, principal, { before, after, reason: error.message }, before.effect, after.effect);
      }
    }
  }

  /** Looks at the requests of a cell, apart by which headers of a guest they carry where that makes a difference. */
  #weigh(
    host: HostClass,
    principal: string,
    cells: Cells,
    cell: Cell,
    old: Effect,
    now: Effect,
    bare: { readonly old: Effect; readonly now: Effect } | null,
  ): void {
    if (same(old, now)) return;
    const deciding = decidingHeaders([old, now, ...(bare ? [bare.old, bare.now] : [])]);
    for (const carried of subsets(deciding)) {
      let part: Cell | null = cell;
      for (const header of deciding) {
        const condition = headerNamed(header);
        if (part === null) break;
        part = carried.includes(header)
          ? cells.with(part, "headers", condition)
          : cells.without(part, "headers", condition);
      }
      if (part === null) continue;
      const order = (a: Effect, b: Effect) => atMost(a, b, { carried, wildcard: !host.exact });
      const direction = directionOf(old, now, bare, order);
      if (!direction.gains && !direction.loses) continue;
      const whole = cells.whole(part);
      if (whole !== null) this.#add(host, principal, whole, old, now, direction);
    }
  }

  #add(host: HostClass, principal: string, cell: Cell, old: Effect, now: Effect, direction: Direction): void {
    const { agent, phase } = this.#match;
    const request = requestIn(cell, host.host, this.#budget);
    if (request === null) return;
    const before = this.#outcome(this.#match.before, principal, request, old);
    const after = this.#outcome(this.#match.after, principal, request, now);
    if (before === null || after === null) {
      const reason = `evaluate does not confirm ${request.method} https://${host.host}${request.target}`;
      this.#keep(this.#undecided(principal, host.pattern, told(old, this.#match), told(now, this.#match), reason), 0);
      return;
    }
    const verdict = direction.gains ? (direction.loses ? "incomparable" : "wider") : "narrower";
    const assumes = [...this.#keysAssumed(host), ...this.#queryAssumed(principal, request, cell)];
    const witness = witnessOf(request);
    for (const credential of credentialsOf(before, after, direction)) {
      const change: Change = {
        verdict,
        ...(agent !== null && { agent }),
        principal,
        phase,
        host: host.pattern,
        credential,
        witness,
        before,
        after,
        ...(assumes.length > 0 && { assumes }),
      };
      this.#keep(change, request.method.length + witness.url.length + JSON.stringify(witness.headers).length);
    }
  }

  #keep(change: Change, length: number): void {
    const { verdict, principal, host, credential, undecided } = change;
    const key = JSON.stringify([verdict, principal, host, credential, undecided !== undefined]);
    const known = this.#candidates.get(key);
    if (known === undefined || length < known.length) this.#candidates.set(key, { change, length });
  }

  #addUndecided(
    host: HostClass,
    principal: string,
    { before, after, reason }: Unknown,
    old: Effect,
    now: Effect,
  ): void {
    const effects = [before?.effect ?? old, after?.effect ?? now].map((effect) => told(effect, this.#match));
    const [first, second] = effects as [Outcome, Outcome];
    this.#keep(this.#undecided(principal, host.pattern, first, second, reason), 0);
  }

  #undecided(principal: string, host: string, before: Outcome, after: Outcome, reason: string): Change {
    const { agent, phase } = this.#match;
    const credential = after.credentials?.[0] ?? before.credentials?.[0] ?? null;
    return {
      verdict: "incomparable",
      ...(agent !== null && { agent }),
      principal,
      phase,
      host,
      credential,
      witness: null,
      undecided: reason,
      before,
      after,
    };
  }

  /** What `evaluate` says of a request, if that is what was expected. */
  #outcome(ground: Ground, principal: string, request: WireRequest, expected: Effect): Outcome | null {
    const side = this.#online.get(principal);
    if (side !== undefined && ground !== this.#match[side]) return { kind: "denied" };
    const { outcome } = evaluate(ground.policy, withTicket(request, ground.ticketOf(principal)));
    const carried = new Set(request.headers.map(([name]) => name));
    const mine = outcomeOf(
      expected,
      AUTH.filter((header) => carried.has(header)),
    );
    const shape = ({ credentials, ...rest }: Outcome) =>
      JSON.stringify([Object.entries(rest).sort(), credentials?.length]);
    return shape(mine) === shape(outcome) ? named(mine, this.#match) : null;
  }

  /** Which of several keys holds is documented for an exact one beside `*` only. */
  #keysAssumed(host: HostClass): string[] {
    return [this.#match.before, this.#match.after]
      .flatMap((ground) => {
        const holding = ground.keyAt(host.host);
        const others = host.keys.filter((key) => key !== holding && ground.keys.includes(key));
        const unsure = others.filter((key) => holding?.includes("*") || key !== "*");
        return unsure.length === 0 ? [] : [`${holding} holds for ${host.host}, not ${unsure.join(" or ")}`];
      })
      .filter((text, i, all) => all.indexOf(text) === i);
  }

  #queryAssumed(principal: string, request: WireRequest, { query }: Cell): string[] {
    const { before, after } = this.#match;
    const raw = [before, after].some(({ policy }) => typeof policy === "string" || !("networkPolicy" in policy));
    const differs = [before, after].some((ground) => {
      const wire = withTicket(request, ground.ticketOf(principal));
      const [decoded, asSent] = (["decoded", "raw"] as const).map((reading) =>
        JSON.stringify(evaluate(ground.policy, wire, { query: reading }).outcome),
      );
      return decoded !== asSent;
    });
    const matters = query.present.size > 0 || (raw && query.absent.length > 0);
    return differs || (raw && matters) ? ["names and values of the query are compared percent-decoded"] : [];
  }
}

const AUTH = ["authorization", "cookie", "proxy-authorization", "x-api-key"] as const satisfies readonly AuthHeader[];

function directionOf(
  old: Effect,
  now: Effect,
  bare: { readonly old: Effect; readonly now: Effect } | null,
  atMost: (a: Effect, b: Effect) => boolean,
): Direction {
  const gains = !atMost(now, old);
  const loses = !atMost(old, now);
  if (bare === null) return { gains, loses };
  // Without its ticket a principal has what the sandbox has: it gains nothing that the sandbox had before.
  const reallyGains = gains && !atMost(now, bare.old);
  const reallyLoses = loses && !atMost(old, bare.now);
  // And what the sandbox gains or loses is told of the sandbox.
  const ofItsOwn = (reallyGains && !atMost(now, bare.now)) || (reallyLoses && !atMost(old, bare.old));
  return { gains: ofItsOwn && reallyGains, loses: ofItsOwn && reallyLoses };
}

/** What a change is about: each credential that is gained (or lost), or the ones on both sides; null where there is none. */
function credentialsOf(before: Outcome, after: Outcome, { gains }: Direction): (string | null)[] {
  const [from, to] = gains ? [before, after] : [after, before];
  const had = from.credentials ?? [];
  const has = to.credentials ?? [];
  const gained = has.filter((name) => !had.includes(name));
  if (gained.length > 0) return gained;
  const lost = had.find((name) => !has.includes(name));
  return [lost ?? has[0] ?? null];
}

function sameRules(old: readonly Rule[], now: readonly Rule[]): boolean {
  return (
    old.length === now.length &&
    old.every(({ id, principal }, i) => id === now[i]?.id && principal === now[i]?.principal)
  );
}

/** What a list of rules does with whatever comes to its first rule without a condition. */
function deciding(rules: readonly Rule[]): Effect {
  const all = rules.find(
    ({ principal, methods, path, query, headers }) =>
      principal === null && methods === null && path.length + query.length + headers.length === 0,
  );
  return all?.effect ?? { kind: "denied" };
}

/**
 * Tools without a principal of their own (commands, files) that have the network of the sandbox on one side, and none on
 * the other: what the sandbox may do becomes what this tool may do, or ceases to be.
 */
function onlineOnOneSide({ before, after, phase }: Match): Map<string, "before" | "after"> {
  const found = new Map<string, "before" | "after">();
  for (const [tool, network] of phase === "run" ? before.networks : []) {
    const other = after.networks.get(tool);
    if (network === "sandbox" && other === "none") found.set(tool, "before");
    if (network === "none" && other === "sandbox") found.set(tool, "after");
  }
  return found;
}

/** The rule of a tool that sends nothing. */
const NOTHING: Rule = {
  id: "nothing",
  principal: null,
  methods: null,
  path: [],
  query: [],
  headers: [],
  effect: { kind: "denied" },
};

function withTicket(request: WireRequest, ticket: string | null): WireRequest {
  return ticket === null ? request : { ...request, headers: [...request.headers, [TICKET_HEADER, ticket]] };
}

/** An outcome with credentials by the names that they are told by. */
function named(outcome: Outcome, match: Match): Outcome {
  return outcome.credentials
    ? { ...outcome, credentials: outcome.credentials.map((name) => match.nameOf(name)).sort() }
    : outcome;
}

function told(effect: Effect, match: Match): Outcome {
  return named(outcomeOf(effect, []), match);
}

function same(a: Effect, b: Effect): boolean {
  return a === b || (a.kind === "answered" && b.kind === "answered") || JSON.stringify(a) === JSON.stringify(b);
}

function subsets<T>(items: readonly T[]): T[][] {
  const all = items.reduce<T[][]>((found, item) => found.concat(found.map((set) => [...set, item])), [[]]);
  return all.sort((a, b) => a.length - b.length);
}

function keyText(policy: Ground["policy"], key: string): string {
  const raw = typeof policy === "object" && "networkPolicy" in policy ? policy.networkPolicy : policy;
  if (typeof raw === "string" || raw.allow === undefined) return "";
  if (Array.isArray(raw.allow)) return String(raw.allow.includes(key));
  return JSON.stringify(raw.allow[key]) ?? "";
}

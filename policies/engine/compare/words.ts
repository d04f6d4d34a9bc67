/** Finds a shortest word that is in some languages and not in others, in bounds. */
import { type Automaton, contains, DEAD, merged, rangeOf, SEPARATOR, type Sign } from "./automaton.ts";

/** How much may be looked at; shared by everything that one comparison asks. */
export class Budget {
  /** States that one search may visit. */
  readonly perSearch: number;
  /** Steps that are left for all searches. */
  left: number;
  /** What was found before, so that nobody looks twice. */
  readonly found = new Map<string, readonly Sign[] | null | OutOfBounds>();
  readonly #numbers = new Map<Automaton, number>();

  constructor(perSearch: number, steps: number) {
    this.perSearch = perSearch;
    this.left = steps;
  }

  /** The same for the same question. */
  keyOf({ within, without }: Words): string {
    const number = (automaton: Automaton) => {
      const known = this.#numbers.get(automaton) ?? this.#numbers.size;
      this.#numbers.set(automaton, known);
      return known;
    };
    const numbers = (automata: readonly Automaton[]) => [...new Set(automata.map(number))].sort((a, b) => a - b).join();
    return `${numbers(within)} ${numbers(without)}`;
  }
}

/** Why a search ended without an answer. */
export class OutOfBounds extends Error {
  override name = "OutOfBounds";
}

/** Words of all of `within`, of none of `without`. */
export interface Words {
  readonly within: readonly Automaton[];
  readonly without: readonly Automaton[];
}

// Signs in the order in which a witness prefers them.
const PREFERRED = [..."abcdefghijklmnopqrstuvwxyz0123456789/-_.ABCDEFGHIJKLMNOPQRSTUVWXYZ~"].map((c) =>
  c.charCodeAt(0),
);

/**
 * A shortest word, of readable characters where there is a choice; null when there is none.
 *
 * @throws OutOfBounds when the budget ends before the search does.
 */
export function shortestWord({ within, without }: Words, budget: Budget): readonly Sign[] | null {
  if (within.some((language, i) => within.slice(0, i).some((other) => neverShare(language.prefix, other.prefix)))) {
    return null;
  }
  const narrowing = without.filter((language) => within.every(({ prefix }) => !neverShare(language.prefix, prefix)));
  if (narrowing.some((language) => within.includes(language))) return null;
  const words = { within, without: narrowing };
  const key = budget.keyOf(words);
  let found = budget.found.get(key);
  if (found === undefined) {
    found = search(words, budget);
    budget.found.set(key, found);
  }
  if (found instanceof OutOfBounds) throw found;
  return found;
}

/** By breadth, over the product of the automata. */
function search({ within, without }: Words, budget: Budget): readonly Sign[] | null | OutOfBounds {
  const automata = [...new Set(within), ...new Set(without)];
  const wanted = new Set(within).size;
  const signs = representatives(automata);

  const accepts = (states: readonly number[]) =>
    automata.every((automaton, i) => {
      const state = states[i] ?? DEAD;
      return (state !== DEAD && automaton.accepts(state)) === i < wanted;
    });
  interface Visit {
    readonly states: readonly number[];
    readonly from: Visit | null;
    readonly sign: Sign;
  }
  const start: Visit = { states: automata.map(({ start }) => start), from: null, sign: 0 };
  const seen = new Set([start.states.join()]);
  let level: Visit[] = [start];
  while (level.length > 0) {
    const nextLevel: Visit[] = [];
    for (const visit of level) {
      if (accepts(visit.states)) return wordOf(visit);
      for (const sign of signs) {
        budget.left -= automata.length;
        if (budget.left < 0) return new OutOfBounds("the comparison as a whole took more steps than it may");
        const states = next(automata, wanted, visit.states, sign);
        if (states === null) continue;
        const key = states.join();
        if (seen.has(key)) continue;
        if (seen.size >= budget.perSearch) {
          return new OutOfBounds(`the conditions need more than ${budget.perSearch} states to be told apart`);
        }
        seen.add(key);
        nextLevel.push({ states, from: visit, sign });
      }
    }
    level = nextLevel;
  }
  return null;

  function wordOf(visit: Visit): Sign[] {
    const word: Sign[] = [];
    for (let at: Visit = visit; at.from !== null; at = at.from) word.push(at.sign);
    return word.reverse();
  }
}

/** Whether a word is among them. */
export function isAmong({ within, without }: Words, word: readonly Sign[]): boolean {
  return within.every((language) => contains(language, word)) && !without.some((language) => contains(language, word));
}

/** Whether no word begins with both. */
export function neverShare(a: string, b: string): boolean {
  return a.length <= b.length ? !b.startsWith(a) : !a.startsWith(b);
}

function next(
  automata: readonly Automaton[],
  wanted: number,
  states: readonly number[],
  sign: Sign,
): readonly number[] | null {
  const to: number[] = [];
  for (const [i, automaton] of automata.entries()) {
    const state = states[i] ?? DEAD;
    const reached = state === DEAD ? DEAD : automaton.step(state, sign);
    if (reached === DEAD && i < wanted) return null;
    to.push(reached);
  }
  return to;
}

/** One sign for each range in which no automaton tells signs apart, the preferred ones first. */
function representatives(automata: readonly Automaton[]): Sign[] {
  const bounds = merged(automata.map(({ bounds }) => bounds)).filter((bound) => bound < SEPARATOR);
  const chosen: Sign[] = [];
  const open = new Set(bounds.keys());
  const choose = (sign: Sign) => {
    const range = rangeOf(bounds, sign);
    if (open.delete(range)) chosen.push(sign);
  };
  for (const sign of PREFERRED) choose(sign);
  for (let sign = 0x21; sign < 0x7f; sign++) choose(sign);
  for (const range of [...open]) {
    const first = bounds[range] ?? 0;
    const last = (bounds[range + 1] ?? SEPARATOR) - 1;
    // Surrogates are no characters.
    if (first < 0xd800 || first > 0xdfff) chosen.push(first);
    else if (last > 0xdfff) chosen.push(0xe000);
  }
  return [...chosen, SEPARATOR];
}

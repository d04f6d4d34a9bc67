/**
 * Regular languages as deterministic automata whose states are made when they are asked for.
 *
 * A regular expression is read from the program that re2js compiled it to, the one that `evaluate` runs: what a symbol
 * of the syntax means is decided in one place. Search is unanchored, as the firewall's is.
 */
import { compileRegex } from "../matcher.ts";

/** A code point, or {@link SEPARATOR}. */
export type Sign = number;

/** Stands between the name and the value of a header or a query parameter. No text holds it. */
export const SEPARATOR: Sign = 0x110000;

/** What a state cannot lead away from: no word that begins like this is in the language. */
export const DEAD = -1;

/** A deterministic automaton. States are integers. */
export interface Automaton {
  readonly start: number;
  step(state: number, sign: Sign): number;
  accepts(state: number): boolean;
  /** First code points of the ranges in which the automaton tells none apart, ascending, from 0. */
  readonly bounds: readonly number[];
  /** Every word of the language begins with this; {@link SEPARATOR}, which is no character, is {@link SEPARATED} here. */
  readonly prefix: string;
  /** The prefix is the one word of the language. */
  readonly only?: true;
}

/** Stands for {@link SEPARATOR} in a prefix. That a text may hold it too makes two prefixes look alike, never different. */
const SEPARATED = "\u{10ffff}";

/** Whether a word is in the language. */
export function contains(automaton: Automaton, word: Iterable<Sign>): boolean {
  let state = automaton.start;
  for (const sign of word) {
    state = automaton.step(state, sign);
    if (state === DEAD) return false;
  }
  return automaton.accepts(state);
}

/** The code points of a text. */
export function signsOf(text: string): Sign[] {
  return Array.from(text, (character) => character.codePointAt(0) ?? 0);
}

/** The one word. */
export function exactly(text: string): Automaton {
  return literal(text, false);
}

/** Every word that begins so. */
export function beginningWith(text: string): Automaton {
  return literal(text, true);
}

function literal(text: string, open: boolean): Automaton {
  const signs = signsOf(text);
  return {
    start: 0,
    step: (state, sign) => (state === signs.length ? (open ? state : DEAD) : signs[state] === sign ? state + 1 : DEAD),
    accepts: (state) => state === signs.length,
    bounds: boundsOf(signs.map((sign) => [sign, sign])),
    prefix: text,
    ...(!open && { only: true }),
  };
}

/** Both: a name of the one language, {@link SEPARATOR}, a value of the other. Several stand for their intersection. */
export function pairs(names: readonly Automaton[], values: readonly Automaton[]): Automaton {
  const inName = intersection(names);
  const inValue = intersection(values);
  // States of the value's automaton come after the sign, and are told apart by being odd.
  return {
    start: inName.start * 2,
    step(state, sign) {
      if (state % 2 === 1) {
        if (sign === SEPARATOR) return DEAD;
        const next = inValue.step((state - 1) / 2, sign);
        return next === DEAD ? DEAD : next * 2 + 1;
      }
      if (sign === SEPARATOR) return inName.accepts(state / 2) ? inValue.start * 2 + 1 : DEAD;
      const next = inName.step(state / 2, sign);
      return next === DEAD ? DEAD : next * 2;
    },
    accepts: (state) => state % 2 === 1 && inValue.accepts((state - 1) / 2),
    bounds: merged([inName.bounds, inValue.bounds]),
    prefix: inName.only ? `${inName.prefix}${SEPARATED}${inValue.prefix}` : inName.prefix,
  };
}

const anything: Automaton = {
  start: 0,
  step: (state, sign) => (sign === SEPARATOR ? DEAD : state),
  accepts: () => true,
  bounds: [0],
  prefix: "",
};

/** Texts that are in every one; with none given, all texts. */
export function intersection(automata: readonly Automaton[]): Automaton {
  const [only = anything] = automata;
  if (automata.length < 2) return only;
  const numbers = new Map<string, number>();
  const states: (readonly number[])[] = [];
  const number = (state: readonly number[]) => {
    const key = state.join();
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, states.length);
    return states.push(state) - 1;
  };
  return {
    start: number(automata.map(({ start }) => start)),
    step(state, sign) {
      const next = automata.map((automaton, i) => automaton.step(states[state]?.[i] ?? DEAD, sign));
      return next.includes(DEAD) ? DEAD : number(next);
    },
    accepts: (state) => automata.every((automaton, i) => automaton.accepts(states[state]?.[i] ?? DEAD)),
    bounds: merged(automata.map(({ bounds }) => bounds)),
    prefix: automata.reduce((longest, { prefix }) => (prefix.length > longest.length ? prefix : longest), ""),
  };
}

const known = new Map<string, Automaton>();
const MOST_KNOWN = 20_000;

/**
 * The texts in which a regular expression of RE2 finds something. Kept by its source.
 *
 * @throws PolicyError when RE2 refuses it.
 */
export function matching(regex: string): Automaton {
  const made = known.get(regex) ?? readProgram(compileRegex(regex).re2().prog);
  if (known.size >= MOST_KNOWN) known.clear();
  known.set(regex, made);
  return made;
}

/** What re2js makes of a regular expression (a Thompson automaton), as far as it is read here. */
interface Program {
  readonly start: number;
  readonly inst: readonly {
    readonly op: number;
    readonly out: number;
    readonly arg: number;
    readonly runes: Int32Array;
    matchRune(sign: number): boolean;
  }[];
}

// Operations of re2js' Inst, and conditions of its empty-width ones.
const OP = {
  alt: 1,
  altMatch: 2,
  capture: 3,
  empty: 4,
  fail: 5,
  match: 6,
  nop: 7,
  rune: 8,
  rune1: 9,
  any: 10,
  anyNotNewline: 11,
};
const BEGIN_LINE = 1;
const END_LINE = 2;
const BEGIN_TEXT = 4;
const END_TEXT = 8;
const WORD_BOUNDARY = 16;
const NO_WORD_BOUNDARY = 32;

const NEWLINE = 0x0a;
const FOLD_CASE = 1;

/** What came before: nothing, a line feed, a character of a word, another. */
type Before = 0 | 1 | 2 | 3;
const AT_START: Before = 0;

interface State {
  readonly places: readonly number[];
  readonly before: Before;
  /** Something was found; the rest of the text does not matter. */
  readonly found: boolean;
  /** By range of {@link Automaton.bounds}; undefined where it was not asked for. */
  readonly next: (number | undefined)[];
  accepts?: boolean;
}

function readProgram(program: Program): Automaton {
  const { inst } = program;
  const used = inst.filter(({ op }) => isRune(op));
  const bounds = boundsOf([
    ...used.flatMap(rangesOf),
    [NEWLINE, NEWLINE],
    ...(inst.some(({ op, arg }) => op === OP.empty && (arg & (WORD_BOUNDARY | NO_WORD_BOUNDARY)) !== 0) ? WORD : []),
  ]);
  const ascii = Array.from({ length: 128 }, (_, sign) => rangeOf(bounds, sign));
  const range = (sign: Sign) => ascii[sign] ?? rangeOf(bounds, sign);

  // States differ by what lies before only as far as some condition asks for it.
  const asked = inst.reduce((all, { op, arg }) => (op === OP.empty ? all | arg : all), 0);
  const asksForWords = (asked & (WORD_BOUNDARY | NO_WORD_BOUNDARY)) !== 0;
  const asksForLines = (asked & BEGIN_LINE) !== 0;
  const beforeOf = (sign: Sign): Before =>
    asksForLines && sign === NEWLINE ? 1 : asksForWords && isWord(sign) ? 2 : 3;

  const numbers = new Map<string, number>();
  const states: State[] = [];
  const number = (places: readonly number[], before: Before, found: boolean) => {
    const key = found ? "found" : `${before}:${places.join()}`;
    const made = numbers.get(key);
    if (made !== undefined) return made;
    numbers.set(key, states.length);
    return states.push({ places, before, found, next: [] }) - 1;
  };

  /** Every instruction that is reached without reading, given what lies before and after. */
  function reach(places: readonly number[], conditions: number): { runes: number[]; found: boolean } {
    const seen = new Set<number>();
    const stack = [...places];
    const runes: number[] = [];
    let found = false;
    for (let place = stack.pop(); place !== undefined; place = stack.pop()) {
      if (seen.has(place)) continue;
      seen.add(place);
      const at = inst[place];
      if (at === undefined || at.op === OP.fail) continue;
      if (at.op === OP.match) found = true;
      else if (isRune(at.op)) runes.push(place);
      else if (at.op === OP.alt || at.op === OP.altMatch) stack.push(at.out, at.arg);
      else if (at.op === OP.capture || at.op === OP.nop) stack.push(at.out);
      else if (at.op === OP.empty) {
        if ((at.arg & ~conditions) === 0) stack.push(at.out);
      } else throw new Error(`re2js has an instruction ${at.op} that is unknown here`);
    }
    return { runes, found };
  }

  // Where a search that begins later can find nothing, it need not begin.
  const everything = BEGIN_LINE | END_LINE | END_TEXT | WORD_BOUNDARY | NO_WORD_BOUNDARY;
  const later = reach([program.start], everything);
  const anchored = later.runes.length === 0 && !later.found;

  const start = number([program.start], AT_START, false);
  const accepts = (of: number): boolean => {
    const state = states[of];
    if (state === undefined) return false;
    state.accepts ??= state.found || reach(state.places, conditionsBetween(state.before, null)).found;
    return state.accepts;
  };
  const step = (of: number, sign: Sign): number => {
    const state = states[of];
    if (state === undefined || sign === SEPARATOR) return DEAD;
    if (state.found) return of;
    const at = range(sign);
    const made = state.next[at];
    if (made !== undefined) return made;
    const { runes, found } = reach(state.places, conditionsBetween(state.before, sign));
    const next = new Set(anchored ? [] : [program.start]);
    for (const place of runes) {
      const instruction = inst[place];
      if (instruction && reads(instruction, sign)) next.add(instruction.out);
    }
    const to =
      next.size === 0 && !found
        ? DEAD
        : number(
            [...next].sort((a, b) => a - b),
            beforeOf(sign),
            found,
          );
    state.next[at] = to;
    return to;
  };
  return { start, step, accepts, bounds, prefix: prefixOf(program, anchored) };
}

function isRune(op: number): boolean {
  return op >= OP.rune && op <= OP.anyNotNewline;
}

function reads(at: Program["inst"][number], sign: Sign): boolean {
  if (at.op === OP.any) return true;
  return at.op === OP.anyNotNewline ? sign !== NEWLINE : at.matchRune(sign);
}

function conditionsBetween(before: Before, sign: Sign | null): number {
  const word = before === 2;
  let conditions = word === (sign !== null && isWord(sign)) ? NO_WORD_BOUNDARY : WORD_BOUNDARY;
  if (before === AT_START) conditions |= BEGIN_TEXT | BEGIN_LINE;
  if (before === 1) conditions |= BEGIN_LINE;
  if (sign === null) conditions |= END_TEXT | END_LINE;
  if (sign === NEWLINE) conditions |= END_LINE;
  return conditions;
}

const WORD: readonly (readonly [number, number])[] = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];

function isWord(sign: Sign): boolean {
  return WORD.some(([first, last]) => sign >= first && sign <= last);
}

/** The text with which everything begins that an anchored program finds. */
function prefixOf({ start, inst }: Program, anchored: boolean): string {
  let prefix = "";
  if (!anchored) return prefix;
  for (let place = start; ; ) {
    const at = inst[place];
    if (at === undefined) return prefix;
    if (at.op === OP.capture || at.op === OP.nop || (at.op === OP.empty && prefix === "" && at.arg === BEGIN_TEXT)) {
      place = at.out;
      continue;
    }
    const [only] = at.runes;
    const single = at.op === OP.rune1 || (at.op === OP.rune && at.runes.length === 1 && (at.arg & FOLD_CASE) === 0);
    if (!single || only === undefined) return prefix;
    prefix += String.fromCodePoint(only);
    place = at.out;
  }
}

const folded = new Map<number, (readonly [number, number])[]>();

/** The ranges that an instruction reads. */
function rangesOf(at: Program["inst"][number]): (readonly [number, number])[] {
  if (at.op === OP.any || at.op === OP.anyNotNewline) return [];
  const [only] = at.runes;
  if (at.runes.length !== 1 || only === undefined) {
    return Array.from({ length: at.runes.length >> 1 }, (_, i) => [at.runes[i * 2] ?? 0, at.runes[i * 2 + 1] ?? 0]);
  }
  if ((at.arg & FOLD_CASE) === 0 || at.op === OP.rune1) return [[only, only]];
  const known = folded.get(only);
  if (known) return known;
  // No character beyond has another case (Unicode's case folding ends with U+1E943).
  const alike: (readonly [number, number])[] = [];
  for (let sign = 0; sign < 0x1f000; sign++) if (at.matchRune(sign)) alike.push([sign, sign]);
  folded.set(only, alike);
  return alike;
}

function boundsOf(ranges: Iterable<readonly [number, number]>): number[] {
  const bounds = new Set([0]);
  for (const [first, last] of ranges) bounds.add(first).add(last + 1);
  return [...bounds].sort((a, b) => a - b);
}

/** Bounds of several automata together. */
export function merged(several: readonly (readonly number[])[]): number[] {
  return [...new Set(several.flat())].sort((a, b) => a - b);
}

/** Index of the range that a sign is in: of the last bound that is at most the sign. */
export function rangeOf(bounds: readonly number[], sign: Sign): number {
  let low = 0;
  let high = bounds.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((bounds[middle] ?? 0) <= sign) low = middle;
    else high = middle;
  }
  return low;
}

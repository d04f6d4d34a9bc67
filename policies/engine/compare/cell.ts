/** Sets of requests to one host, cut ever smaller by the conditions of rules. */
import { type Automaton, contains, matching, pairs, SEPARATOR, type Sign, signsOf } from "./automaton.ts";
import type { Condition, Rule } from "./ground.ts";
import { type Budget, neverShare, OutOfBounds, shortestWord, type Words } from "./words.ts";

/** Methods: some, or all but some. */
export type Methods = { readonly only: ReadonlySet<string> } | { readonly except: ReadonlySet<string> };

/** Headers, or query parameters: some that must be there (with an example of each), some that must not. */
export interface Fields {
  readonly present: ReadonlyMap<Condition, readonly Sign[] | null>;
  readonly absent: readonly Condition[];
}

/** Requests that meet all of this. Made by {@link Cells}, which makes none that is known to be empty. */
export interface Cell {
  readonly methods: Methods;
  readonly path: Words;
  /** A path of the cell, where one is known. */
  readonly example: readonly Sign[] | null;
  readonly query: Fields;
  readonly headers: Fields;
  /** Rules that match none of these requests, and by which the cell was not divided: see {@link Cells.whole}. */
  readonly holes: readonly Rule[];
  /** Why it is not known whether any request is in here; null when one is (holes apart). */
  readonly doubt: string | null;
}

// What is sent in a request line: visible ASCII without the marks of query and fragment (RFC 9112 §3.2 allows less, but
// clients send, and servers take, the rest too).
const PATH = matching('^/[!"$->@-~]*$');
const HEADER = pairs([matching("^[!#$%&'*+.^_`|~0-9a-z-]+$")], [matching("^(?:[!-~](?:[\\t -~]*[!-~])?)?$")]);
const HOST_HEADER = pairs([matching("^host$")], []);
// Percent-encoding can spell every text.
const QUERY = pairs([], []);

/**
 * Sets of requests to one host.
 *
 * What a rule of several conditions does not match falls into parts, one for each condition that does not hold. Over many
 * such rules the parts multiply. So there are two ways: to make them, which gives every cell a shortest request; and, with
 * `holes`, to note the rule and to look for one part that is not empty when a request is wanted.
 */
export class Cells {
  readonly #budget: Budget;
  readonly #hostHeader: readonly Sign[];
  readonly #holes: boolean;
  #left: number;

  /** @param most cells that may be made. */
  constructor(host: string, budget: Budget, most: number, { holes = false } = {}) {
    this.#budget = budget;
    this.#hostHeader = [...signsOf("host"), SEPARATOR, ...signsOf(host)];
    this.#holes = holes;
    this.#left = most;
  }

  /** Every request. */
  all(): Cell {
    const fields: Fields = { present: new Map(), absent: [] };
    return {
      methods: { except: new Set() },
      path: { within: [PATH], without: [] },
      example: signsOf("/"),
      query: fields,
      headers: fields,
      holes: [],
      doubt: null,
    };
  }

  /**
   * A part of a cell without holes, where there is one: the cell itself, when it has none.
   *
   * @throws OutOfBounds when none was found in bounds.
   */
  whole(cell: Cell): Cell | null {
    const [hole, ...holes] = cell.holes;
    if (hole === undefined) return cell;
    let doubtful: Cell | null = null;
    for (const part of this.#outside({ ...cell, holes }, hole)) {
      this.#spend(1);
      const found = this.whole(part);
      if (found !== null && found.doubt === null) return found;
      doubtful ??= found;
    }
    return doubtful;
  }

  /** What of a cell a rule does not match, once for each condition: the parts overlap. Those without a field come first. */
  #outside(cell: Cell, { methods, path, query, headers }: Rule): Cell[] {
    return [
      ...headers.map((condition) => this.without(cell, "headers", condition)),
      ...query.map((condition) => this.without(cell, "query", condition)),
      methods && withoutMethods(cell, methods),
      ...path.map((language) => this.#withoutPath(cell, language)),
    ].filter((part) => part !== null);
  }

  #spend(cells: number): void {
    this.#left -= cells;
    if (this.#left < 0) throw new OutOfBounds("the rules of this host divide its requests into too many parts");
  }

  /** Cuts a cell in two: what a rule matches, and the rest. */
  cut(cell: Cell, rule: Rule): { matched: Cell | null; rest: readonly Cell[] } {
    const untouched = { matched: null, rest: [cell] };
    if (!mayMatch(cell, rule)) return untouched;
    const matched = this.#matched(cell, rule);
    if (matched === null) return untouched;
    if (this.#holes) {
      this.#spend(1);
      const parts = this.#outside(cell, rule);
      const conditions = rule.path.length + rule.query.length + rule.headers.length + (rule.methods ? 1 : 0);
      // Of one condition there is one part: no need to look for it later.
      if (conditions < 2 || parts.length === 0) return { matched, rest: parts };
      return { matched, rest: [{ ...cell, holes: [...cell.holes, rule] }] };
    }
    const rest: (Cell | null)[] = [];
    let at: Cell | null = cell;
    const divide = (outside: (cell: Cell) => Cell | null, inside: (cell: Cell) => Cell | null) => {
      if (at === null) return;
      rest.push(outside(at));
      at = inside(at);
    };
    const { methods } = rule;
    if (methods) {
      divide(
        (from) => withoutMethods(from, methods),
        (from) => withMethods(from, methods),
      );
    }
    for (const language of rule.path) {
      divide(
        (from) => this.#withoutPath(from, language),
        (from) => this.#withPath(from, language),
      );
    }
    for (const kind of ["query", "headers"] as const) {
      for (const condition of rule[kind]) {
        divide(
          (from) => this.without(from, kind, condition),
          (from) => this.with(from, kind, condition),
        );
      }
    }
    const made = rest.filter((part) => part !== null);
    this.#spend(made.length + 1);
    return { matched, rest: made };
  }

  /** What of a cell has such a header or query parameter. */
  with(cell: Cell, kind: "query" | "headers", condition: Condition): Cell | null {
    const fields = cell[kind];
    if (fields.present.has(condition)) return cell;
    if (fields.absent.includes(condition)) return null;
    const found = this.#field(kind, condition, fields.absent);
    if (found.word === null && found.doubt === null) return null;
    const present = new Map(fields.present).set(condition, found.word);
    return { ...cell, [kind]: { ...fields, present }, doubt: cell.doubt ?? found.doubt };
  }

  /** What of a cell has no such header or query parameter. */
  without(cell: Cell, kind: "query" | "headers", condition: Condition): Cell | null {
    const fields = cell[kind];
    if (fields.present.has(condition)) return null;
    if (fields.absent.includes(condition)) return cell;
    if (kind === "headers" && contains(condition.language, this.#hostHeader)) return null;
    const absent = [...fields.absent, condition];
    const present = new Map(fields.present);
    let { doubt } = cell;
    for (const [wanted, example] of present) {
      if (example !== null && !contains(condition.language, example)) continue;
      const found = this.#field(kind, wanted, absent);
      if (found.word === null && found.doubt === null) return null;
      present.set(wanted, found.word);
      doubt ??= found.doubt;
    }
    return { ...cell, [kind]: { present, absent }, doubt };
  }

  /** A header or query parameter of this kind beside none of those. */
  #field(
    kind: "query" | "headers",
    condition: Condition,
    absent: readonly Condition[],
  ): { word: readonly Sign[] | null; doubt: string | null } {
    if (kind === "headers" && contains(condition.language, this.#hostHeader)) {
      return { word: this.#hostHeader, doubt: null };
    }
    return this.#search(fieldWords(kind, [condition], absent));
  }

  #matched(cell: Cell, { methods, path, query, headers }: Rule): Cell | null {
    let at = methods ? withMethods(cell, methods) : cell;
    for (const language of path) at = at && this.#withPath(at, language);
    for (const condition of query) at = at && this.with(at, "query", condition);
    for (const condition of headers) at = at && this.with(at, "headers", condition);
    return at;
  }

  #withPath(cell: Cell, language: Automaton): Cell | null {
    const { within, without } = cell.path;
    if (within.includes(language)) return cell;
    if (without.includes(language)) return null;
    return this.#ofPath(
      cell,
      { within: [...within, language], without: without.filter((other) => !neverShare(other.prefix, language.prefix)) },
      (example) => contains(language, example),
    );
  }

  #withoutPath(cell: Cell, language: Automaton): Cell | null {
    const { within, without } = cell.path;
    if (within.includes(language)) return null;
    if (without.includes(language) || within.some(({ prefix }) => neverShare(prefix, language.prefix))) return cell;
    return this.#ofPath(cell, { within, without: [...without, language] }, (example) => !contains(language, example));
  }

  #ofPath(cell: Cell, path: Words, isStill: (example: readonly Sign[]) => boolean): Cell | null {
    if (cell.example !== null && isStill(cell.example)) return { ...cell, path };
    const found = this.#search(path);
    if (found.word === null && found.doubt === null) return null;
    return { ...cell, path, example: found.word, doubt: cell.doubt ?? found.doubt };
  }

  #search(words: Words): { word: readonly Sign[] | null; doubt: string | null } {
    try {
      return { word: shortestWord(words, this.#budget), doubt: null };
    } catch (error) {
      if (!(error instanceof OutOfBounds)) throw error;
      return { word: null, doubt: error.message };
    }
  }
}

/** The headers or query parameters, as pairs, that meet all of some conditions and none of others. */
export function fieldWords(
  kind: "query" | "headers",
  present: readonly Condition[],
  absent: readonly Condition[],
): Words {
  const without = absent.map(({ language }) => language);
  return {
    within: [kind === "query" ? QUERY : HEADER, ...present.map(({ language }) => language)],
    without: kind === "query" ? without : [HOST_HEADER, ...without],
  };
}

/** A cheap look: false where the rule matches nothing of the cell. */
function mayMatch({ methods, path }: Cell, rule: Rule): boolean {
  for (const { prefix } of rule.path) {
    if (path.within.some((language) => neverShare(language.prefix, prefix))) return false;
  }
  if (rule.methods === null) return true;
  return "only" in methods
    ? rule.methods.some((method) => methods.only.has(method))
    : rule.methods.some((method) => !methods.except.has(method));
}

function withMethods(cell: Cell, wanted: readonly string[]): Cell | null {
  const { methods } = cell;
  const only = wanted.filter((method) => ("only" in methods ? methods.only.has(method) : !methods.except.has(method)));
  return only.length === 0 ? null : { ...cell, methods: { only: new Set(only) } };
}

function withoutMethods(cell: Cell, unwanted: readonly string[]): Cell | null {
  const { methods } = cell;
  if ("except" in methods) return { ...cell, methods: { except: new Set([...methods.except, ...unwanted]) } };
  const only = [...methods.only].filter((method) => !unwanted.includes(method));
  return only.length === 0 ? null : { ...cell, methods: { only: new Set(only) } };
}

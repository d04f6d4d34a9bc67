/** From a set of requests to one of them: a short one that reads like a real one. */
import type { WireRequest } from "../evaluate.ts";
import { contains, SEPARATOR, type Sign, signsOf } from "./automaton.ts";
import { type Cell, type Fields, fieldWords, type Methods } from "./cell.ts";
import type { Witness } from "./comparison.ts";
import { type Budget, isAmong, shortestWord } from "./words.ts";

const METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "PROPFIND", "REPORT", "QUERY"];
const SEGMENTS = ["orders", "items", "42", "report.json"];
const VALUES = ["1", "yes", "example"];
const NAMES = ["page", "q", "x-example"];

type Pair = readonly [name: string, value: string];

/**
 * A shortest request of a cell; null when there is none.
 *
 * @throws OutOfBounds when none was found in bounds.
 */
export function requestIn(cell: Cell, host: string, budget: Budget): WireRequest | null {
  const path = shortestWord(cell.path, budget);
  const query = fieldsIn("query", cell.query, host, budget);
  const headers = fieldsIn("headers", cell.headers, host, budget);
  if (path === null || query === null || headers === null) return null;
  const target = [readablePath(cell, path), query.map(([name, value]) => parameter(name, value)).join("&")];
  return {
    method: methodIn(cell.methods),
    host,
    target: query.length === 0 ? (target[0] ?? "") : target.join("?"),
    headers,
  };
}

/** As it is told. */
export function witnessOf({ method, host, target, headers }: WireRequest): Witness {
  const byName = new Map<string, string[]>();
  for (const [name, value] of headers) byName.set(name, [...(byName.get(name) ?? []), value]);
  const told = [...byName].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? "") : values]);
  return { method, url: `https://${host}${target}`, headers: Object.fromEntries(told) };
}

function methodIn(methods: Methods): string {
  if ("only" in methods) return METHODS.find((method) => methods.only.has(method)) ?? [...methods.only][0] ?? "GET";
  const other = METHODS.find((method) => !methods.except.has(method));
  if (other !== undefined) return other;
  for (let i = 1; ; i++) if (!methods.except.has(`METHOD-${i}`)) return `METHOD-${i}`;
}

/** Puts words in the place of segments, as long as it stays in the cell. */
function readablePath(cell: Cell, shortest: readonly Sign[]): string {
  const text = (signs: readonly Sign[]) => String.fromCodePoint(...signs);
  const segments = text(shortest).split("/");
  const isIn = (path: readonly string[]) => isAmong(cell.path, signsOf(path.join("/")));
  for (const i of segments.keys()) {
    if (i === 0) continue;
    const shown = segments[i] ?? "";
    // An empty last segment is short and readable; so is what cannot be a word.
    if (shown === "" || shown.length > 2) continue;
    const word = SEGMENTS.find((word) => isIn(segments.with(i, word)));
    if (word !== undefined) segments[i] = word;
  }
  return segments.join("/");
}

function fieldsIn(kind: "query" | "headers", { present, absent }: Fields, host: string, budget: Budget): Pair[] | null {
  const pairs: Pair[] = [];
  const open = new Set(present.keys());
  const hostHeader = [...signsOf("host"), SEPARATOR, ...signsOf(host)];
  const meet = (word: readonly Sign[]) => {
    for (const condition of [...open]) if (contains(condition.language, word)) open.delete(condition);
  };
  // Every request has it, so it is not told.
  if (kind === "headers") meet(hostHeader);
  for (const condition of open) {
    if (!open.has(condition)) continue;
    // One header or parameter that meets as many conditions as it can.
    let words = fieldWords(kind, [condition], absent);
    let shortest = shortestWord(words, budget);
    if (shortest === null) return null;
    const met = [condition];
    for (const other of open) {
      if (met.includes(other)) continue;
      const both = fieldWords(kind, [...met, other], absent);
      const word = shortestWord(both, budget);
      if (word === null) continue;
      met.push(other);
      [words, shortest] = [both, word];
    }
    const pair = readablePair(shortest, (pair) => isAmong(words, pair));
    meet(pair);
    pairs.push(pairOf(pair));
  }
  return pairs;
}

function readablePair(shortest: readonly Sign[], isIn: (word: readonly Sign[]) => boolean): readonly Sign[] {
  const [name, value] = pairOf(shortest);
  const word = (name: string, value: string) => [...signsOf(name), SEPARATOR, ...signsOf(value)];
  const names = name.length > 1 ? [name] : [...NAMES, name];
  const values = value.length > 1 ? [value] : [...VALUES, value];
  for (const readableName of names) {
    for (const readableValue of values) {
      const readable = word(readableName, readableValue);
      if (isIn(readable)) return readable;
    }
  }
  return shortest;
}

function pairOf(word: readonly Sign[]): Pair {
  const at = word.indexOf(SEPARATOR);
  return [String.fromCodePoint(...word.slice(0, at)), String.fromCodePoint(...word.slice(at + 1))];
}

function parameter(name: string, value: string): string {
  return value === "" && name !== ""
    ? encodeURIComponent(name)
    : `${encodeURIComponent(name)}=${encodeURIComponent(value)}`;
}

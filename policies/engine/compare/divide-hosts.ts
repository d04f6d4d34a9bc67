/** Divides a class of hosts by conditions on the header `Host`, which has the name of the host in every request. */
import { type Automaton, matching, type Sign } from "./automaton.ts";
import { type HostClass, patternRegex } from "./hosts.ts";
import { type Budget, OutOfBounds, shortestWord, type Words } from "./words.ts";

/** Names beside the ones of the class that are looked at. */
const MOST_NAMES = 40;
/** Parts that are made. */
const MOST_PARTS = 64;

/**
 * One class for each of the answers that the conditions give together, with a host of its own as the example.
 *
 * @param conditions the values of `Host` that meet each.
 * @param names keys of both policies, and other hosts that stand for themselves: who matches another one than the keys of
 * the class is in another class.
 * @throws OutOfBounds when there are too many of either.
 */
export function divideHosts(
  host: HostClass,
  conditions: Iterable<Automaton>,
  names: ReadonlySet<string>,
  budget: Budget,
): HostClass[] {
  const others = [...names].filter((name) => !host.keys.includes(name) && mayMeet(name, host.pattern));
  if (others.length > MOST_NAMES) throw new OutOfBounds("too many keys overlap with a wildcard");
  const without = others.map((name) => matching(patternRegex(name.toLowerCase())));
  const all: Words = { within: [matching(patternRegex(host.pattern))], without };
  let parts: { words: Words; example: readonly Sign[] }[] = [{ words: all, example: [] }];
  for (const condition of conditions) {
    parts = parts.flatMap(({ words: { within, without } }) =>
      [
        { within: [...within, condition], without },
        { within, without: [...without, condition] },
      ].flatMap((words) => {
        const example = shortestWord(words, budget);
        return example === null ? [] : { words, example };
      }),
    );
    if (parts.length > MOST_PARTS) throw new OutOfBounds("too many conditions on Host below a wildcard");
  }
  return parts.map(({ example }) => ({ ...host, host: String.fromCodePoint(...example) }));
}

/** A cheap look: false where a name and a pattern have no host in common. */
function mayMeet(name: string, pattern: string): boolean {
  const [a = [], b = []] = [name, pattern].map((text) => text.toLowerCase().split(".").reverse());
  for (const [i, label] of a.entries()) {
    const other = b[i];
    if (other === undefined || label === "*" || other === "*") return true;
    if (label !== other) return false;
  }
  return true;
}

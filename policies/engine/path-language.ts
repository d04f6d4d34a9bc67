/** The raw paths that a rule matches, as a regular language. */
import { type Automaton, matching } from "./compare/automaton.ts";
import { Budget, shortestWord, type Words } from "./compare/words.ts";
import type { LockMatch } from "./lock.ts";
import { ODD_PATH } from "./odd-path.ts";
import { pathRegex } from "./path-template.ts";

/** Values of the bound variables; null stands for every value that they can be bound to. */
export type VariableValues = Readonly<Record<string, string>> | null;

/** Paths that a request target can hold: from the root, visible ASCII, up to the query. */
const SENDABLE = '^/[!-"$->@-~]*$';

/** The paths that a rule's path condition lets through. */
export function pathLanguage(path: LockMatch["path"], variables: VariableValues): Automaton {
  if (path === undefined || path === "any") return matching(SENDABLE);
  if (path === "odd") return matching(ODD_PATH);
  if ("regex" in path) return matching(path.regex);
  if ("startsWith" in path) return matching(`^${quote(path.startsWith)}`);
  return matching(pathRegex(path, (name) => (variables === null ? "[A-Za-z0-9_-]+" : quote(variables[name] ?? ""))));
}

/**
 * A shortest path that can be sent and is in all of `within` and none of `without`; null when there is none.
 *
 * @throws OutOfBounds when that cannot be told in bounds.
 */
export function shortestPath({ within, without }: Words): string | null {
  const word = shortestWord({ within: [matching(SENDABLE), ...within], without }, new Budget(50_000, 2_000_000));
  return word === null ? null : String.fromCodePoint(...word);
}

function quote(text: string): string {
  return text.replace(/[^A-Za-z0-9_]/g, (character) => `\\x{${character.codePointAt(0)?.toString(16)}}`);
}

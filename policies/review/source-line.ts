/** Where in a policy's file a change is best shown. */
import type { Change } from "../engine/compare/comparison.ts";

/**
 * Line of the first mention of the host below the principal's key, else of the key, else of the host, else the first;
 * counted from 1. Text is searched, not parsed: what is gone from the file still gets a place near to where it was.
 */
export function sourceLine(
  source: string,
  { principal, phase, host }: Pick<Change, "principal" | "phase" | "host">,
): number {
  const lines = source.split("\n");
  const key = principal === "sandbox" && phase === "setup" ? "setup" : principal;
  const opens = new RegExp(`^\\s*["']?${escapeRegex(key)}["']?\\s*:\\s*[[{]`);
  const quoted = [`"${host}"`, `'${host}'`];
  const names = (line: string) => quoted.some((text) => line.includes(text));
  const start = lines.findIndex((line) => opens.test(line));
  if (start === -1) return Math.max(0, lines.findIndex(names)) + 1;
  const indent = /^\s*/.exec(lines[start] ?? "")?.[0].length ?? 0;
  const length = lines
    .slice(start + 1)
    .findIndex((line) => line.trim() !== "" && /^\s*/.exec(line)?.[0].length === indent);
  const end = length === -1 ? lines.length : start + 1 + length;
  const named = lines.slice(start, end).findIndex(names);
  return start + Math.max(0, named) + 1;
}

function escapeRegex(text: string): string {
  return text.replace(/[^A-Za-z0-9_]/g, "\\$&");
}

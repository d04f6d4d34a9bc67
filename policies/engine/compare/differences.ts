/** Where two lists of rules decide a request differently. */
import { unaligned } from "./align.ts";
import type { Cell, Cells } from "./cell.ts";
import type { Rule } from "./ground.ts";
import { OutOfBounds } from "./words.ts";

/** Requests that one rule decides in the one list, and another in the other. */
export interface Difference {
  readonly before: Rule;
  readonly after: Rule;
  /** May have holes. */
  readonly cell: Cell;
  /** What made the cell. */
  readonly cells: Cells;
}

/** A rule of one list only, of which it was not found out what the other list does with its requests. */
export interface Unknown {
  readonly before: Rule | null;
  readonly after: Rule | null;
  readonly reason: string;
}

/**
 * Every difference between two lists, each of which ends with a rule that matches everything.
 *
 * A request that matches no rule of one list alone is decided, in both, by the first that it matches of the rules that
 * the lists share in order. So only what the others decide is looked at.
 *
 * @param ways to divide requests, each tried where the one before is out of bounds.
 */
export function differences(
  before: readonly Rule[],
  after: readonly Rule[],
  ways: readonly Cells[],
): (Difference | Unknown)[] {
  const { inA, inB } = unaligned(
    before.map(({ id }) => id),
    after.map(({ id }) => id),
  );
  const onlyBefore = new Set(inA);
  const found: (Difference | Unknown)[] = [];
  for (const i of inB) {
    found.push(
      ...decided(after, i, before, ways, null, (rule, other, cell) => ({ before: other, after: rule, ...cell })),
    );
  }
  // Where both sides decide by a rule of their own, the loop above has seen it.
  const onlyAfter = new Set(inB);
  for (const i of onlyBefore) {
    found.push(
      ...decided(before, i, after, ways, onlyAfter, (rule, other, cell) => ({ before: rule, after: other, ...cell })),
    );
  }
  return found;
}

/** Divides a cell by the rule that decides, until every request is decided. */
export function partition(
  cell: Cell,
  rules: readonly Rule[],
  cells: Cells,
): { rule: Rule; index: number; cell: Cell }[] {
  const parts: { rule: Rule; index: number; cell: Cell }[] = [];
  let open: readonly Cell[] = [cell];
  for (const [index, rule] of rules.entries()) {
    const left: Cell[] = [];
    for (const part of open) {
      const { matched, rest } = cells.cut(part, rule);
      if (matched) parts.push({ rule, index, cell: matched });
      left.push(...rest);
    }
    open = left;
    if (open.length === 0) break;
  }
  return parts;
}

function decided(
  rules: readonly Rule[],
  index: number,
  others: readonly Rule[],
  [cells, ...ways]: readonly Cells[],
  skip: ReadonlySet<number> | null,
  differenceOf: (rule: Rule, other: Rule, cell: Pick<Difference, "cell" | "cells">) => Difference,
): (Difference | Unknown)[] {
  const rule = rules[index];
  if (rule === undefined || cells === undefined) return [];
  try {
    const { matched } = cells.cut(cells.all(), rule);
    let open: readonly Cell[] = matched ? [matched] : [];
    for (const earlier of rules.slice(0, index)) {
      open = open.flatMap((cell) => cells.cut(cell, earlier).rest);
      if (open.length === 0) return [];
    }
    return open
      .flatMap((cell) => partition(cell, others, cells))
      .filter((part) => !skip?.has(part.index))
      .map((part) => differenceOf(rule, part.rule, { cell: part.cell, cells }));
  } catch (error) {
    if (!(error instanceof OutOfBounds)) throw error;
    if (ways.length > 0) return decided(rules, index, others, ways, skip, differenceOf);
    const after = skip === null;
    return [{ before: after ? null : rule, after: after ? rule : null, reason: error.message }];
  }
}

/** Finds what two lists have in common, in order. */

/**
 * Positions, in either list, of what has no counterpart in the other. The rest forms the same sequence in both.
 *
 * Not always the longest such sequence, but found in about linear time: what stands at both ends, then the longest rising
 * run of positions of the rest.
 */
export function unaligned(a: readonly string[], b: readonly string[]): { inA: number[]; inB: number[] } {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end++;

  const places = new Map<string, number[]>();
  for (let i = a.length - end - 1; i >= start; i--) {
    const id = a[i] ?? "";
    const known = places.get(id);
    if (known) known.push(i);
    else places.set(id, [i]);
  }
  const matches: { inA: number; inB: number }[] = [];
  for (let i = start; i < b.length - end; i++) {
    const inA = places.get(b[i] ?? "")?.pop();
    if (inA !== undefined) matches.push({ inA, inB: i });
  }
  const kept = risingRun(matches.map(({ inA }) => inA)).flatMap((i) => matches[i] ?? []);
  const inA = new Set(kept.map((match) => match.inA));
  const inB = new Set(kept.map((match) => match.inB));
  const others = (length: number, aligned: ReadonlySet<number>) =>
    Array.from({ length: length - start - end }, (_, i) => start + i).filter((i) => !aligned.has(i));
  return { inA: others(a.length, inA), inB: others(b.length, inB) };
}

/** Indexes of a longest rising run of different numbers. */
function risingRun(numbers: readonly number[]): number[] {
  const ends: number[] = [];
  const before: (number | undefined)[] = [];
  for (const [i, number] of numbers.entries()) {
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((numbers[ends[middle] ?? 0] ?? 0) < number) low = middle + 1;
      else high = middle;
    }
    before[i] = ends[low - 1];
    ends[low] = i;
  }
  const run: number[] = [];
  for (let i = ends.at(-1); i !== undefined; i = before[i]) run.push(i);
  return run.reverse();
}

/** Which of two path templates is more specific, and whether they leave that open. */
import type { PathTemplate, Segment } from "./path-template.ts";
import { type RawPath, rawPathsMeet } from "./raw-path.ts";

/** A path as rules are ordered by it; null is any path. */
export type OrderedPath = TemplateShape | RawPath | null;

type TemplateShape = Pick<PathTemplate, "segments" | "end">;

// Ranks of what stands at a place; the lower one is more specific.
const TEXT = 0;
const VARIABLE = 1;
const MIXED = 2;
const PARAM = 3;
const TAIL = 4;

/**
 * Orders templates so that the more specific one comes first: at the first segment where they differ, text comes before
 * a bound variable, then a parameter within text, a whole parameter, a tail, a raw path, and any path at all.
 */
export function compareSpecificity(a: OrderedPath, b: OrderedPath): number {
  if (!isShape(a) || !isShape(b)) return openness(a) - openness(b);
  const left = ranks(a);
  const right = ranks(b);
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** Whether some path may match both templates although neither is more specific: then which one decides is unclear. */
export function isAmbiguous(a: OrderedPath, b: OrderedPath): boolean {
  if (!isShape(a) || !isShape(b)) {
    if (openness(a) !== openness(b)) return false;
    return a === null || b === null || isShape(a) || isShape(b) || rawPathsMeet(a, b);
  }
  if (compareSpecificity(a, b) !== 0 || kindOfEnd(a) !== kindOfEnd(b)) return false;
  return a.segments.every((segment, i) => {
    const other = b.segments[i];
    return other !== undefined && mayBeSame(segment, other);
  });
}

function isShape(path: OrderedPath): path is TemplateShape {
  return path !== null && "segments" in path;
}

function openness(path: OrderedPath): number {
  return path === null ? 2 : isShape(path) ? 0 : 1;
}

function ranks({ segments, end }: TemplateShape): number[] {
  const ranked = segments.map(rank);
  return typeof end === "object" ? [...ranked, TAIL] : ranked;
}

function rank(segment: Segment): number {
  if (segment.some((part) => "param" in part)) return segment.length === 1 ? PARAM : MIXED;
  return segment.some((part) => "variable" in part) ? VARIABLE : TEXT;
}

function kindOfEnd({ end }: TemplateShape): string {
  return typeof end === "object" ? "tail" : end;
}

/** Of one rank: different text never meets; what is bound later, or chosen by the sender, may. */
function mayBeSame(a: Segment, b: Segment): boolean {
  return rank(a) !== TEXT || JSON.stringify(a) === JSON.stringify(b);
}

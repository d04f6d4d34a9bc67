/** What the drawing of a policy shows and where: principals left, hosts right, a line each with its credential between. */
import type { Change } from "../engine/compare/comparison.ts";
import { grows, type PolicyReview } from "./review.ts";
import { grantKey, type StandingGrant } from "./standing-grants.ts";

/** How a line is drawn. `more` and `less`: it was there, and carries other requests now. */
export type LineState = "new" | "more" | "changed" | "undecided" | "less" | "gone" | "kept";

/** One line: principal, credential, host. */
export interface Line {
  readonly principal: string;
  readonly phase: "run" | "setup";
  readonly host: string;
  readonly credential: string | null;
  readonly state: LineState;
  readonly changes: readonly Change[];
  /** Requests of the policy after (before, for a line that is gone), as templates; empty when they are not known. */
  readonly requests: readonly string[];
  /** Row of the middle column, counted from 0. */
  readonly row: number;
}

/** A box at the side: a principal with a phase, or a host. `top` and `rows` count rows. */
export interface Box {
  readonly name: string;
  readonly setup: boolean;
  readonly top: number;
  readonly rows: number;
}

/** A drawing in rows; pixels are the renderer's. */
export interface Drawing {
  readonly lines: readonly Line[];
  readonly principals: readonly Box[];
  readonly hosts: readonly Box[];
  readonly rows: number;
  /** Unchanged lines that were left out to keep it readable. */
  readonly leftOut: number;
}

const MOST_LINES = 80;

/** Lays out the drawing of one policy. Every change has a line; of the unchanged ones, as many as there is room for. */
export function layOut(policy: PolicyReview): Drawing {
  const all = linesOf(policy);
  const changed = all.filter(({ state }) => state !== "kept");
  const room = Math.max(0, MOST_LINES - changed.length);
  const kept = all.filter(({ state }) => state === "kept").slice(0, room);
  const drawn = new Set([...changed, ...kept]);
  const lines = all.filter((line) => drawn.has(line)).map((line, row): Line => ({ ...line, row }));
  const principals = boxes(lines, ({ principal }) => principal);
  const hosts = spread(boxes(lines, ({ host }) => host));
  const rows = Math.max(lines.length, ...hosts.map(({ top, rows }) => top + rows));
  return { lines, principals, hosts, rows, leftOut: all.length - drawn.size };
}

function linesOf({ comparison, grants }: PolicyReview): Omit<Line, "row">[] {
  const changes = Map.groupBy(comparison.changes, grantKey);
  const before = new Map(grants.before.map((grant) => [grantKey(grant), grant]));
  const after = new Map(grants.after.map((grant) => [grantKey(grant), grant]));
  const keys = new Set([...before.keys(), ...after.keys(), ...changes.keys()]);
  const lines = [...keys].map((key): Omit<Line, "row"> => {
    const [phase, principal, host, credential] = JSON.parse(key);
    const its = changes.get(key) ?? [];
    const [was, is] = [before.get(key), after.get(key)];
    const state = stateOf(its, was, is);
    return { phase, principal, host, credential, state, changes: its, requests: (is ?? was)?.requests ?? [] };
  });
  return lines.sort((a, b) => compareKeys(orderOf(a), orderOf(b)));
}

/** The comparison decides: a new rule that lets nothing new through is no new line. */
function stateOf(changes: readonly Change[], was?: StandingGrant, is?: StandingGrant): LineState {
  if (changes.some(({ undecided }) => undecided !== undefined)) return "undecided";
  if (changes.some(({ verdict }) => verdict === "incomparable")) return "changed";
  const gained = changes.some(({ verdict }) => grows(verdict));
  const lost = changes.some(({ verdict }) => verdict === "narrower");
  if (gained && lost) return "changed";
  if (gained) return was === undefined ? "new" : "more";
  if (lost) return is === undefined ? "gone" : "less";
  return was !== undefined && is === undefined ? "gone" : "kept";
}

/** The supervisor first, the sandbox last, set-up after everything: who is most like whom stands together. */
function orderOf({ phase, principal, host, credential }: Omit<Line, "row">): (string | number)[] {
  const rank = phase === "setup" ? 3 : principal === "supervisor" ? 0 : principal === "sandbox" ? 2 : 1;
  return [rank, principal, host, credential ?? ""];
}

function compareKeys(a: readonly (string | number)[], b: readonly (string | number)[]): number {
  const index = a.findIndex((part, i) => part !== b[i]);
  if (index === -1) return 0;
  return (a[index] ?? "") < (b[index] ?? "") ? -1 : 1;
}

/** One box for each name, as high as its lines, around the middle of their rows. */
function boxes(lines: readonly Line[], nameOf: (line: Line) => string): Box[] {
  const bySide = (line: Line) =>
    JSON.stringify([line.phase === "setup" && nameOf(line) === line.principal, nameOf(line)]);
  return [...Map.groupBy(lines, bySide)].map(([key, own]) => {
    const [setup, name] = JSON.parse(key);
    const middle = own.reduce((sum, { row }) => sum + row + 0.5, 0) / own.length;
    return { name, setup, rows: own.length, top: middle - own.length / 2 };
  });
}

/** Moves boxes down until none overlaps another. */
function spread(all: readonly Box[]): Box[] {
  let bottom = 0;
  return all
    .toSorted((a, b) => a.top - b.top)
    .map((box) => {
      const top = Math.max(box.top, bottom);
      bottom = top + box.rows + 0.25;
      return { ...box, top };
    });
}

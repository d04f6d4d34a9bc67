/** The drawing as SVG, styled by the page (page-style.ts). */
import { type Box, type Drawing, type Line, type LineState, layOut } from "./drawing.ts";
import { escapeHtml } from "./escape-html.ts";
import type { PolicyReview } from "./review.ts";
import { curlLine, outcomeWords, principalWords } from "./words.ts";

const WIDTH = 1080;
const ROW = 38;
const PAD = 12;
const BOX_WIDTH = 232;
const CHIP_WIDTH = 190;
const LEFT = BOX_WIDTH;
const RIGHT = WIDTH - BOX_WIDTH;
const MIDDLE = WIDTH / 2;

/** What a line's state is called, and the sign that stands for it where colours cannot be told apart. */
export const LINE_STATES: Readonly<Record<LineState, { readonly sign: string; readonly words: string }>> = {
  new: { sign: "+", words: "new" },
  more: { sign: "+", words: "more than before" },
  changed: { sign: "±", words: "gains and loses" },
  undecided: { sign: "?", words: "could not be decided" },
  less: { sign: "−", words: "less than before" },
  gone: { sign: "−", words: "gone" },
  kept: { sign: "", words: "unchanged" },
};

/** The SVG, and beside it one template a line that the page shows when the line is pointed at or focused. */
export function drawingSvg(policy: PolicyReview, id: string): string {
  const drawing = layOut(policy);
  if (drawing.lines.length === 0) return `<p class="muted">Nothing is let through, before or after.</p>`;
  const height = drawing.rows * ROW + 2 * PAD;
  const side = sides(drawing);
  const left = drawing.leftOut > 0 ? `<p class="muted">${drawing.leftOut} unchanged lines are not drawn.</p>` : "";
  return [
    `<svg viewBox="0 0 ${WIDTH} ${height}" role="group" aria-label="Who reaches what with which credential">`,
    ...drawing.lines.map((line) => lineSvg(line, side(line), `${id}-${line.row}`)),
    ...drawing.principals.map((box) =>
      boxSvg({ ...box, name: box.setup ? `${box.name} (set-up)` : box.name }, 0, box.setup ? SETUP : who(box.name)),
    ),
    ...drawing.hosts.map((box) => boxSvg(box, RIGHT, "")),
    "</svg>",
    left,
    ...drawing.lines.map((line) => `<template id="${id}-${line.row}">${detailHtml(line)}</template>`),
  ].join("\n");
}

const SETUP = "while the snapshot is built";

function who(principal: string): string {
  return principal === "sandbox"
    ? "anything that runs in it"
    : principal === "supervisor"
      ? "talks to Anthropic"
      : "tool";
}

/** Where a line meets its boxes: at the host, in the order of its rows. */
function sides({ lines, hosts }: Drawing): (line: Line) => { from: number; to: number } {
  const ports = new Map<Line, number>();
  for (const { name, top } of hosts) {
    for (const [i, line] of lines.filter(({ host }) => host === name).entries()) ports.set(line, top + i + 0.5);
  }
  return (line) => ({ from: line.row + 0.5, to: ports.get(line) ?? 0 });
}

function lineSvg(line: Line, { from, to }: { from: number; to: number }, id: string): string {
  const { state, principal, host, credential } = line;
  const [y1, y2] = [PAD + from * ROW, PAD + to * ROW];
  const [start, end] = [MIDDLE - CHIP_WIDTH / 2, MIDDLE + CHIP_WIDTH / 2];
  const bend = (RIGHT - end) / 2;
  const path = `M${LEFT},${y1} H${start} M${end},${y1} C${end + bend},${y1} ${RIGHT - bend},${y2} ${RIGHT},${y2}`;
  const { sign, words } = LINE_STATES[state];
  const using = credential === null ? "no credential" : credential;
  const label = `${principalWords(principal)} to ${host}, ${using}: ${words}`;
  const shown = clip(`${sign}${sign && " "}${using}`, 24);
  return [
    `<g class="line ${state}${credential === null ? " bare" : ""}" tabindex="0" role="button" data-detail="${id}"`,
    ` aria-label="${escapeHtml(label)}" aria-expanded="false">`,
    `<path class="reach" d="${path}"/><path class="stroke" d="${path}"/>`,
    `<rect x="${start}" y="${y1 - 13}" width="${CHIP_WIDTH}" height="26" rx="13"/>`,
    `<text x="${MIDDLE}" y="${y1 + 4.5}" text-anchor="middle">${escapeHtml(shown)}</text></g>`,
  ].join("");
}

function boxSvg({ name, top, rows }: Box, x: number, note: string): string {
  const [y, height] = [PAD + top * ROW + 3, rows * ROW - 6];
  const middle = y + height / 2;
  const second = note !== "" && height >= 36;
  const text = (dy: number, of: string, kind: string, most: number) =>
    `<text class="${kind}" x="${x + 14}" y="${middle + dy}">${escapeHtml(clip(of, most))}</text>`;
  return [
    `<g class="box"><title>${escapeHtml(note === "" ? name : `${name}: ${note}`)}</title>`,
    `<rect x="${x + 0.5}" y="${y}" width="${BOX_WIDTH - 1}" height="${height}" rx="8"/>`,
    second ? text(-3, name, "name", 25) + text(14, note, "note", 34) : text(5, name, "name", 25),
    "</g>",
  ].join("");
}

/** What is said about a line: of a changed one its witnesses, of any its requests. */
export function detailHtml(line: Line): string {
  const { principal, host, credential, changes, requests, state } = line;
  const parts = [
    `<p class="who"><b>${escapeHtml(principal)}</b> → ${escapeHtml(host)} ` +
      `${credential === null ? "without a credential" : `with <b>${escapeHtml(credential)}</b>`} ` +
      `<span class="state ${state}">${LINE_STATES[state].words}</span></p>`,
  ];
  for (const { witness, undecided, before, after, assumes = [] } of changes) {
    if (undecided !== undefined) parts.push(`<p>${escapeHtml(undecided)}</p>`);
    else {
      if (witness) parts.push(`<pre tabindex="0">${escapeHtml(curlLine(witness))}</pre>`);
      parts.push(
        `<dl><dt>before</dt><dd>${escapeHtml(outcomeWords(before))}</dd>` +
          `<dt>after</dt><dd>${escapeHtml(outcomeWords(after))}</dd></dl>`,
      );
    }
    parts.push(...assumes.map((reading) => `<p class="muted">assumed: ${escapeHtml(reading)}</p>`));
  }
  if (requests.length > 0) {
    const shown = requests.slice(0, 12).map((request) => `<li><code>${escapeHtml(request)}</code></li>`);
    const more = requests.length > 12 ? `<li class="muted">and ${requests.length - 12} more</li>` : "";
    parts.push(`<ul class="requests">${shown.join("")}${more}</ul>`);
  }
  return parts.join("");
}

function clip(text: string, most: number): string {
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join("")}…`;
}

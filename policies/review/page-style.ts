/** Style and behaviour of the HTML report. The report is one file: nothing of it is fetched. */

export const PAGE_STYLE = `
:root { color-scheme: light dark; --bg: #fbfbfa; --card: #ffffff; --ink: #1c2024; --muted: #60646c; --edge: #d9d9e0;
  --kept: #4a6fa5; --new: #c6221f; --new-bg: #fdecea; --gone: #8b8d98; --good: #18794e; --good-bg: #e6f6ec;
  --warn: #ad5700; --warn-bg: #fff3df; }
@media (prefers-color-scheme: dark) { :root { --bg: #111113; --card: #19191b; --ink: #edeef0; --muted: #b0b4ba;
  --edge: #363a3f; --kept: #7ea6dd; --new: #ff7369; --new-bg: #3b1614; --gone: #7d828a; --good: #4cc38a; --good-bg: #132d21;
  --warn: #ffb55c; --warn-bg: #331e0b; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1160px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 20px; margin: 40px 0 12px; } h3 { font-size: 16px; margin: 28px 0 10px; }
p { margin: 6px 0; } .muted { color: var(--muted); }
code, pre { font: 13px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
pre { margin: 8px 0; padding: 8px 12px; background: var(--bg); border: 1px solid var(--edge); border-radius: 6px;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.badge { display: inline-block; padding: 1px 12px; border-radius: 999px; font-weight: 650; }
.badge.wider, .badge.incomparable { background: var(--new-bg); color: var(--new); }
.badge.narrower, .badge.equivalent { background: var(--good-bg); color: var(--good); }
.gate { margin: 14px 0 0; padding: 10px 14px; border-radius: 8px; font-weight: 600; background: var(--good-bg); color: var(--good); }
.gate.stopped { background: var(--new-bg); color: var(--new); }
.gate.accepted { background: var(--warn-bg); color: var(--warn); }
figure { position: relative; margin: 0; padding: 8px 16px 12px; background: var(--card); border: 1px solid var(--edge); border-radius: 12px; }
.scroll { overflow-x: auto; } svg { display: block; width: 100%; min-width: 860px; height: auto; }
.columns { display: flex; justify-content: space-between; min-width: 860px; padding: 6px 4px 0; color: var(--muted); font-size: 13px; }
.box rect { fill: var(--bg); stroke: var(--edge); } .box text { fill: var(--ink); } .box .name { font: 600 14px system-ui, sans-serif; }
.box text.note { fill: var(--muted); font: 12px system-ui, sans-serif; }
.line { cursor: pointer; outline: none; color: var(--kept); }
.line .stroke { fill: none; stroke: currentColor; stroke-width: 1.8; }
.line .reach { fill: none; stroke: transparent; stroke-width: 18; }
.line rect { fill: var(--card); stroke: currentColor; stroke-width: 1.4; }
.line text { fill: currentColor; font: 600 12.5px system-ui, sans-serif; pointer-events: none; }
.line.bare text { font-weight: 400; font-style: italic; } .line.bare rect { stroke-dasharray: 2 3; }
.line.new, .line.more, .line.changed, .line.undecided { color: var(--new); }
.line.new .stroke, .line.more .stroke { stroke-width: 3; } .line.changed .stroke { stroke-width: 3; stroke-dasharray: 14 4 3 4; }
.line.undecided .stroke { stroke-width: 3; stroke-dasharray: 2 5; }
.line.new rect, .line.more rect, .line.changed rect, .line.undecided rect { fill: var(--new-bg); stroke-width: 1.8; }
.line.gone, .line.less { color: var(--gone); } .line.gone .stroke { stroke-dasharray: 6 5; } .line.gone text { text-decoration: line-through; }
.line:hover .stroke, .line:focus-visible .stroke, .line[aria-expanded=true] .stroke { stroke-width: 4; }
.line:focus-visible rect { stroke-width: 3.5; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 8px 0 0; padding: 0; list-style: none; font-size: 13px; color: var(--muted); }
.legend svg { display: inline-block; width: 34px; min-width: 0; height: 10px; margin-right: 6px; }
.tip { position: absolute; z-index: 2; width: min(520px, calc(100% - 32px)); padding: 10px 14px; background: var(--card);
  border: 1px solid var(--edge); border-radius: 10px; box-shadow: 0 8px 28px rgb(0 0 0 / .22); font-size: 14px; }
.state { margin-left: 6px; font-size: 12px; color: var(--kept); }
.state.new, .state.more, .state.changed, .state.undecided { color: var(--new); font-weight: 650; } .state.gone, .state.less { color: var(--gone); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 12px; margin: 6px 0; } dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
.requests { margin: 6px 0 0; padding-left: 18px; } .requests code { overflow-wrap: anywhere; }
.change { margin: 0 0 12px; padding: 10px 16px; background: var(--card); border: 1px solid var(--edge); border-left: 4px solid var(--new); border-radius: 8px; }
.change.lost { border-left-color: var(--gone); } .change h4 { margin: 0 0 4px; font-size: 15px; }
table { width: 100%; border-collapse: collapse; font-size: 14px; } th, td { padding: 5px 10px 5px 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--edge); }
td { overflow-wrap: anywhere; } summary { cursor: pointer; margin-top: 16px; color: var(--muted); } summary:focus-visible { outline: 2px solid var(--kept); }
@media print { .tip { display: none; } details > * { display: block; } }
`;

// Points, focus and Enter show a line's detail; Escape and leaving hide it. Without the script the same is said below.
export const PAGE_SCRIPT = `
for (const figure of document.querySelectorAll("figure")) {
  const tip = figure.querySelector(".tip");
  let shown = null, timer = 0;
  const hide = () => { clearTimeout(timer); if (shown) shown.setAttribute("aria-expanded", "false"); shown = null; tip.hidden = true; };
  const show = (line) => {
    clearTimeout(timer);
    if (shown === line) return;
    hide();
    shown = line;
    tip.replaceChildren(document.getElementById(line.dataset.detail).content.cloneNode(true));
    tip.hidden = false;
    line.setAttribute("aria-expanded", "true");
    const frame = figure.getBoundingClientRect(), chip = line.querySelector("rect").getBoundingClientRect();
    const left = chip.left + chip.width / 2 - frame.left - tip.offsetWidth / 2;
    tip.style.left = Math.max(16, Math.min(left, frame.width - tip.offsetWidth - 16)) + "px";
    const below = chip.bottom + 8 + tip.offsetHeight < innerHeight || chip.top < tip.offsetHeight + 8;
    tip.style.top = (below ? chip.bottom - frame.top + 8 : chip.top - frame.top - tip.offsetHeight - 8) + "px";
  };
  const later = () => { clearTimeout(timer); timer = setTimeout(hide, 250); };
  for (const line of figure.querySelectorAll(".line")) {
    line.addEventListener("mouseenter", () => show(line));
    line.addEventListener("mouseleave", later);
    line.addEventListener("focus", () => show(line));
    line.addEventListener("blur", later);
    line.addEventListener("click", () => show(line));
    line.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); show(line); }
    });
  }
  tip.addEventListener("mouseenter", () => clearTimeout(timer));
  tip.addEventListener("mouseleave", later);
  tip.addEventListener("focusin", () => clearTimeout(timer));
  tip.addEventListener("focusout", later);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
}
`;

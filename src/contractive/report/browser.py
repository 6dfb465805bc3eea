"""What the page looks like in a browser, and what it does there."""

# A dark page is the light one inverted, hues kept; pictures are inverted once more, back to what they were.
STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5em auto; max-width: 1360px; padding: 0 1em;
  background: #fff; color: #222; }
h1, h2, h3 { font-weight: 600; overflow-wrap: anywhere; }
h1 { font-size: 1.6em; }
h2 { margin-top: 1.6em; border-bottom: 1px solid #ddd; }
h3 { margin: 0.4em 0; font-size: 1em; }
h2 small { font-weight: 400; color: #666; }
summary { cursor: pointer; }
.warnings { border-left: 4px solid #d55e00; padding: 0.2em 1em; background: #fff4ec; }
.warnings li { overflow-wrap: anywhere; }
.bar { display: flex; flex-wrap: wrap; gap: 0.4em 1.5em; padding: 0.5em 0; background: #fff;
  position: sticky; top: 0; z-index: 3; }
.bar input[type=search] { font: inherit; width: 14em; padding: 0.1em 0.4em; }
.note { color: #666; }
.chips { display: flex; flex-wrap: wrap; gap: 0.3em; margin: 0.3em 0; }
.chip { font: 13px/1.4 system-ui, sans-serif; border: 1px solid #ccc; border-radius: 1em; background: #fff;
  color: #222; padding: 0.1em 0.7em; max-width: 100%; overflow-wrap: anywhere; text-align: left; }
.chip.off { opacity: 0.35; text-decoration: line-through; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 380px), 1fr)); gap: 1em; }
.plot { min-width: 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); gap: 1em;
  margin: 0.6em 0; }
figure { margin: 0; min-width: 0; }
figure img { display: block; max-width: 100%; }
figcaption { font-size: 13px; overflow-wrap: anywhere; }
[hidden] { display: none !important; }
.table .dt-layout-table > div { overflow-x: auto; scrollbar-color: #888 #eee; }
.table.more .dt-layout-table { mask-image: linear-gradient(to right, #000 calc(100% - 3em), #0003); }
.table th:first-child, .table td:first-child { position: sticky; left: 0; background: #fff; z-index: 1;
  max-width: 16em; white-space: normal !important; overflow-wrap: break-word; border-right: 1px solid #ddd; }
.hint { color: #666; display: none; } .hint.more { display: block; }
@media (max-width: 600px) {
  .table th:first-child, .table td:first-child { max-width: 8em; }
}
@media (prefers-color-scheme: dark) {
  html { filter: invert(0.92) hue-rotate(180deg); background: #fff; }
  figure img { filter: invert(1) hue-rotate(180deg); }
}
"""

# Hides runs that were clicked away or that the search leaves out, in the legends, the plots and the pictures.
SCRIPT = """
const off = new Set(), left = new Set(), all = selector => [...document.querySelectorAll(selector)];
// A place changes with the window, and where a figure or a scroll bar comes or goes beside it.
const sizes = new ResizeObserver(changes => changes.filter(change => change.contentRect.width).forEach(
  change => Plotly.Plots.resize(change.target.querySelector(".js-plotly-plot"))));
for (const plot of all(".plot")) sizes.observe(plot);
const search = document.getElementById("search"), stage = document.getElementById("stage");
function redraw() {
  const hidden = run => off.has(run) || left.has(run);
  for (const chip of all(".chip")) {
    chip.hidden = left.has(+chip.dataset.run);
    chip.classList.toggle("off", off.has(+chip.dataset.run));
  }
  for (const figure of all("figure[data-run]")) figure.hidden = hidden(+figure.dataset.run);
  for (const section of all("section")) section.hidden = all(".chip").length > 0 &&
    [...section.querySelectorAll(".chip")].every(chip => chip.hidden);
  const now = stage.checked ? "train" : "val";
  for (const plot of all(".js-plotly-plot"))
    Plotly.restyle(plot, { visible: plot.data.map(trace =>
      !trace.meta.runs.some(hidden) && (!trace.meta.stage || trace.meta.stage === now)) });
}
search.addEventListener("input", () => {
  const words = search.value.toLowerCase().split(/[\\s,]+/).filter(Boolean);
  left.clear();
  for (const chip of all(".chip"))
    if (!words.every(word => chip.dataset.text.includes(word))) left.add(+chip.dataset.run);
  for (const rest of all("details.rest")) rest.open = words.length > 0;
  const total = all(".chip").length;
  document.getElementById("found").textContent = words.length ? `${total - left.size} of ${total} runs` : "";
  redraw();
});
stage.addEventListener("change", redraw);
for (const chip of all(".chip")) chip.addEventListener("click", () => {
  const run = +chip.dataset.run;
  if (!off.delete(run)) off.add(run);
  redraw();
});
// Where the table is wider than the page it says so, until its end is seen.
function hint() {
  for (const table of all(".table")) {
    const inner = table.querySelector(".dt-layout-table > div");
    const beyond = inner ? inner.scrollWidth - inner.clientWidth : 0;
    table.classList.toggle("more", beyond > 1 && inner.scrollLeft < beyond - 1);
    document.querySelector(".hint").classList.toggle("more", beyond > 1);
  }
}
new ResizeObserver(hint).observe(document.querySelector(".table"));
addEventListener("scroll", hint, true);
new MutationObserver(hint).observe(document.querySelector(".table"), { childList: true, subtree: true });
"""

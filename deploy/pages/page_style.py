"""How a report looks, and the script of what can be moved in it; both stand in the page itself."""

STYLE = """
:root { color-scheme: light; --line: #d5dbe3; --soft: #f4f6f9; --accent: #1f5fa8; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem 1.25rem 4rem; color: #1b2430;
  background: #fff; font: 16px/1.55 system-ui, "DejaVu Sans", sans-serif;
  overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .8rem 0 1rem; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .8rem; padding-top: .6rem;
  border-top: 1px solid var(--line); }
nav { margin: 1rem 0; font-size: .92rem; } nav a { margin-right: 1rem; white-space: nowrap; }
a { color: var(--accent); }
code { background: var(--soft); padding: .05em .3em; border-radius: 3px; font-size: .92em; }
.note { background: #fff5dc; border-left: 4px solid #d98200; padding: .6rem .9rem; }
.scroll { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .32rem .65rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; overflow-wrap: normal; }
thead th { background: var(--soft); } tbody th { font-weight: normal; }
td { font-variant-numeric: tabular-nums; }
td.good { color: #1c6b2a; font-weight: 600; } td.bad { color: #b3261e; font-weight: 600; }
td.warn { color: #8a5300; font-weight: 600; }
.bars table { width: 100%; } .bars td { min-width: 7.5rem; }
.bar { display: block; height: .55rem; margin-top: .15rem; border-radius: 2px; }
.series0 { background: #1f5fa8; } .series1 { background: #d98200; }
figure { margin: 1.4rem 0; } figcaption { font-size: .92rem; color: #49566a; }
figure > .scroll > img { display: block; height: auto; max-width: max(min(100%, 860px), 620px); }
figure > .scroll > img.shrinks { max-width: 100%; margin: 0 auto; }
svg { display: block; width: 100%; min-width: 620px; max-width: 860px; touch-action: pan-x; }
svg text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: #1b2430; }
svg .grid { stroke: #e3e7ed; } svg .cursor { stroke: #1b2430; stroke-width: 1; }
.key { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; padding: 0;
  margin: .4rem 0; font-size: .88rem; }
.key span { display: inline-block; width: 1.8rem; margin-right: .45rem; vertical-align: middle; }
.reading { display: block; min-height: 1.5em; font-size: .92rem; color: #1b2430; }
.films { display: flex; flex-wrap: wrap; gap: 1rem; }
.film { flex: 1 1 9rem; max-width: 15rem; font-size: .92rem; }
.film img { width: 100%; image-rendering: pixelated; border: 1px solid var(--line); }
.step { display: block; margin: .6rem 0; } .step input { vertical-align: middle; width: 12rem; }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--accent); }
@media (max-width: 480px) {
  body { padding: .6rem .8rem 3rem; font-size: 15px; } h1 { font-size: 1.4rem; }
  .bars td { min-width: 5.2rem; } th, td { padding: .3rem .45rem; }
  table.wide { min-width: 44rem; }
}
"""

SCRIPT = """
"use strict";
for (const figure of document.querySelectorAll("figure.frames")) {
  const slider = figure.querySelector("input");
  slider.addEventListener("input", () => {
    figure.querySelector("output").value = slider.value;
    for (const film of figure.querySelectorAll(".film")) {
      const images = film.querySelectorAll("img");
      images.forEach((image, i) => { image.hidden = i + 1 !== +slider.value; });
    }
  });
}
for (const figure of document.querySelectorAll("figure.chart")) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  const svg = figure.querySelector("svg"), cursor = figure.querySelector(".cursor");
  svg.addEventListener("pointermove", (event) => {
    const scale = svg.viewBox.baseVal.width / svg.getBoundingClientRect().width;
    const x = (event.clientX - svg.getBoundingClientRect().left) * scale;
    const wanted = (x - data.left) / data.width * data.last;
    let best = 0;
    data.positions.forEach((p, i) => {
      if (Math.abs(p - wanted) < Math.abs(data.positions[best] - wanted)) best = i;
    });
    const at = data.left + data.width * data.positions[best] / data.last;
    cursor.setAttribute("x1", at); cursor.setAttribute("x2", at);
    cursor.setAttribute("visibility", "visible");
    const told = Object.entries(data.series).map(([name, values]) => `${name} ${values[best]} %`);
    figure.querySelector(".reading").value =
      `after ${data.positions[best]} samples: ${told.join(", ")}`;
  });
}
"""

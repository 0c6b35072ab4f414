"use strict";
const PAPER = 660; // pixels of a figure on A4, between the margins
const drawings = JSON.parse(document.getElementById("drawings").textContent);
const plots = [...document.querySelectorAll("[data-plot]")];
for (const place of plots) {
  const { data, layout, config } = drawings[place.dataset.plot];
  Plotly.newPlot(place, data, layout, config);
}
// On paper everything is open, and figures are as wide as the paper.
let folded = [];
window.addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const one of folded) one.open = true;
  for (const place of plots) Plotly.relayout(place, { width: PAPER, autosize: false });
});
window.addEventListener("afterprint", () => {
  for (const one of folded) one.open = false;
  for (const place of plots) Plotly.relayout(place, { width: null, autosize: true });
});

"use strict";

// Tables: a click sorts by a column, a second one turns it round. Missing cells stay at the end.
for (const table of document.querySelectorAll("table[data-name]")) {
  const heads = [...table.querySelectorAll("th")];
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => row.cells[column].dataset.key;
    const rows = [...table.tBodies[0].rows];
    const numeric = rows.every((row) => key(row) === "" || !Number.isNaN(Number(key(row))));
    rows.sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      return (numeric ? x - y : x.localeCompare(y)) * (down ? -1 : 1);
    });
    table.tBodies[0].append(...rows);
  }));
}

// Figures are drawn when they come near the window: a report may hold dozens.
const unescape = (text) => new DOMParser().parseFromString(text, "text/html").documentElement.textContent;
const charts = [...document.querySelectorAll(".chart")];
const figures = new Map(charts.map((section) => [section, JSON.parse(section.querySelector("script").textContent)]));
// Figures are written for light paper; on dark paper their ink turns light, and so does a black curve. Print is light.
const dark = matchMedia("screen and (prefers-color-scheme: dark)");
const axis = (spec) => ({ ...spec, gridcolor: "#363c49", linecolor: "#6b7383", zerolinecolor: "#a3abba" });
const themed = (layout) => !dark.matches ? layout : {
  ...layout, font: { ...layout.font, color: "#d5d9e2" }, xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis),
};
const ink = (part) => part?.color === "#000000" ? { ...part, color: "#ffffff" } : part;
const coloured = (trace) => {
  const light = { ...trace };
  for (const part of ["line", "marker", "error_x"]) if (dark.matches && trace[part]) light[part] = ink(trace[part]);
  if (dark.matches && trace.fillcolor === "#000000") light.fillcolor = "#ffffff";
  return light;
};
const draw = (section) => {
  if (section.dataset.drawn) return;
  section.dataset.drawn = "true";
  section.querySelectorAll(".facet").forEach((facet, index) => {
    const { data, layout, config } = figures.get(section)[index];
    Plotly.newPlot(facet, data.map(coloured), themed(layout), config);
  });
};
// Their room is kept before that, or a link to a section would miss it.
for (const [section, parts] of figures) {
  section.querySelectorAll(".facet").forEach((facet, index) => {
    facet.style.minHeight = `${parts[index].layout.height}px`;
  });
}
const near = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) draw(entry.target);
}, { rootMargin: "800px" });
for (const section of charts) near.observe(section);
const resize = (width) => document.querySelectorAll(".facet.js-plotly-plot").forEach((facet) => {
  Plotly.relayout(facet, { width: width(facet), autosize: true });
});
const folded = [...document.querySelectorAll(".attention, .claim details, details.note")];
let opened = [];
addEventListener("beforeprint", () => {
  charts.forEach(draw);
  opened = folded.filter((details) => !details.open);
  for (const details of opened) details.open = true;
  document.body.classList.add("paper");
  resize((facet) => facet.clientWidth);
});
addEventListener("afterprint", () => {
  document.body.classList.remove("paper");
  for (const details of opened) details.open = false;
  resize(() => null);
});
// Another scheme, or paper: what is drawn is drawn again in its colours, with what was hidden hidden.
dark.addEventListener("change", () => {
  for (const section of charts.filter((chart) => chart.dataset.drawn)) {
    section.querySelectorAll(".facet").forEach((facet, index) => {
      const { data, layout, config } = figures.get(section)[index];
      const again = data.map((trace, i) => ({ ...coloured(trace), visible: facet.data[i].visible ?? true }));
      Plotly.react(facet, again, themed(layout), config);
    });
  }
});

// Legends: a button hides its curves in every facet of its figure.
for (const section of charts) {
  for (const button of section.querySelectorAll(".legend button")) {
    button.addEventListener("click", () => {
      draw(section);
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(shown));
      for (const facet of section.querySelectorAll(".facet")) {
        const traces = facet.data.flatMap((trace, i) => unescape(trace.meta ?? "") === button.dataset.group ? [i] : []);
        if (traces.length) Plotly.restyle(facet, { visible: shown }, traces);
      }
    });
  }
}

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
const draw = (section) => {
  if (section.dataset.drawn) return;
  section.dataset.drawn = "true";
  section.querySelectorAll(".facet").forEach((facet, index) => {
    const { data, layout, config } = figures.get(section)[index];
    Plotly.newPlot(facet, data, layout, config);
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
addEventListener("beforeprint", () => charts.forEach(draw));

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

"""What the models cost -> against their scores, with the Pareto front, as a chart."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from analysis.draw.chart import GREY, LABELS, Axis, Chart, Facet, Series, Style, style_of
from analysis.draw.metric_words import counted_words
from analysis.read.frames import Study
from analysis.statistics import selection
from analysis.statistics.counted import COUNTED, in_brackets
from segtrain import records
from segtrain.records import TEST_MEAN_IOU

ALIKE = 0.02
"""Costs that differ by a smaller share tell nothing apart."""
COSTS: dict[str, tuple[str, str, Callable[[float], float]]] = {
    "runtime_s": ("training time", "minutes", lambda seconds: seconds / 60),
    records.IMAGES_PER_S: ("time per training image", "ms", lambda speed: 1000 / speed if speed > 0 else float("nan")),
    "multiply_adds": ("forward pass", "10⁹ multiply-adds", lambda count: count / 1e9),
    "parameters": ("size", "10⁶ parameters", lambda count: count / 1e6),
}


def cost(study: Study) -> Chart | None:
    """A facet for each cost that tells the models apart; the others are told in the caption."""
    cells = selection.best_cells(study)
    facets, alike = [], []
    for column, (title, unit, convert) in COSTS.items():
        known = cells[cells[column].notna()].to_dict("records")
        points = [(convert(cell[column]), 100 * cell[TEST_MEAN_IOU], cell) for cell in known]
        points = [point for point in points if not np.isnan(point[0])]
        if not points:
            continue
        least, most = min(x for x, _, _ in points), max(x for x, _, _ in points)
        if len(points) > 1 and most - least < ALIKE * most:
            alike.append(f"{title} ({most:.3g} {unit})")
        else:
            facets.append(_facet(study, points, title, unit))
    caption = (
        "The settings that validate best, means over seeds. No model on the dotted front is beaten in both by another."
    )
    caption += counted_words(zip(cells["name"], cells[COUNTED[TEST_MEAN_IOU]], strict=True))
    if alike:
        caption += f" Within {100 * ALIKE:g} % of each other, and so not drawn: {', '.join(alike)}."
    return Chart(name="cost", title="Cost against score", caption=caption, facets=facets) if facets else None


def _facet(study: Study, points: Sequence[tuple[float, float, Mapping[Any, Any]]], title: str, unit: str) -> Facet:
    front = pareto([x for x, _, _ in points], [y for _, y, _ in points])
    line = Style(GREY, "dot", "none")
    x, y = [points[i][0] for i in front], [points[i][1] for i in front]
    series = [Series(name="Pareto front", group="Pareto front", style=line, x=x, y=y)]
    for cost_, score, cell in points:
        few = in_brackets(cell[COUNTED[TEST_MEAN_IOU]])
        hover = [f"{cell['name']}: {cost_:.4g} {unit}, {score:.2f} % (n={cell['n']}){few}"]
        look = style_of(study, cell["model"], cell["freeze"])
        shared: dict[str, Any] = {"style": look, "joined": False, "marked": True, "hover": hover}
        series.append(Series(name=cell["name"], group=cell["name"], x=[cost_], y=[score], **shared))
    # From 0: a difference of a hundredth is to look like one.
    x_axis = Axis(title=unit, range=(0.0, 1.08 * max(x for x, _, _ in points)))
    return Facet(title=title, x=x_axis, y=Axis(title=LABELS[TEST_MEAN_IOU]), series=series)


def pareto(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Indices of the points that no other point beats by costing no more and scoring higher, or the reverse; cheapest
    first."""
    front: list[int] = []
    for index in sorted(range(len(costs)), key=lambda i: (costs[i], -scores[i])):
        if not front or scores[index] > scores[front[-1]]:
            front.append(index)
    return front

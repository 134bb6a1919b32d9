"""The figures of a report, as charts. Scores are drawn in percent. A figure that has nothing to show is None."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis import selection
from analysis.charts import Axis, Chart, Facet, Series, Style, style_of
from analysis.classes import class_iou, confusion, roc
from analysis.curves import CURVES, curves
from analysis.frames import Study
from analysis.table import interval_text
from analysis.trial import SIZE_NUMBERS
from segtrain import records
from segtrain.records import TEST_MEAN_IOU, VAL_MEAN_IOU


def all_charts(study: Study) -> tuple[list[Chart], list[str]]:
    """The charts that have something to show, and a sentence for every file that could not be read."""
    problems: list[str] = []
    charts = [
        scores(study),
        *(curves(study, column, title) for column, title in CURVES.items()),
        class_iou(study),
        confusion(study, problems),
        roc(study, problems),
        edges_and_sizes(study),
        learning_rates(study),
        cost(study),
    ]
    return [chart for chart in charts if chart], problems


def scores(study: Study) -> Chart | None:
    cells = selection.best_cells(study)
    if cells.empty:
        return None
    facet = _dots(study, cells, TEST_MEAN_IOU, "", "test mean IoU [%]")
    caption = (
        "Test mean IoU of the settings that validate best: the mean over seeds with its 95 % interval, and each seed "
        "as a pale dot. One seed has no interval."
    )
    return Chart(name="test_scores", title="Test mean IoU", caption=caption, facets=[facet])


def edges_and_sizes(study: Study) -> Chart | None:
    cells = selection.best_cells(study)
    measures = {"mean_boundary_iou": "boundary IoU"}
    measures |= {name: f"{size} objects" for name, size in zip(SIZE_NUMBERS, records.OBJECT_SIZES, strict=True)}
    facets = [
        _dots(study, cells, name, title, "IoU [%]") for name, title in measures.items() if cells[name].notna().any()
    ]
    caption = (
        "Boundary IoU (within 2 % of the image diagonal of an edge) and IoU by object size (below 1/300 of the image, "
        "up to 3 % of it, above), means over classes, with 95 % intervals over seeds."
    )
    title = "Edges and small objects"
    return Chart(name="boundary_and_size", title=title, caption=caption, facets=facets) if facets else None


def _dots(study: Study, cells: pd.DataFrame, column: str, title: str, label: str) -> Facet:
    """A row per cell: the mean with its interval, and its seeds."""
    trials = selection.usable(study)
    series = []
    for cell in cells[cells[column].notna()].to_dict("records"):
        look = style_of(study, cell["model"], cell["freeze"])
        shared: dict[str, Any] = {
            "name": cell["name"],
            "group": cell["name"],
            "style": look,
            "joined": False,
            "marked": True,
        }
        found = 100 * trials.loc[trials["setting"] == cell["setting"], column].dropna().to_numpy()
        if len(found) > 1:
            hover = [f"{cell['name']}: {score:.2f} (one seed)" for score in found]
            series.append(Series(**shared, x=list(found), y=[cell["name"]] * len(found), faint=True, hover=hover))
        mean, low, high = (100 * cell[f"{column}{part}"] for part in ("", "_low", "_high"))
        text = interval_text(mean, high - mean, cell[f"{column}_n"], scale=1)
        hover = [f"{cell['name']}, {cell['setting_name']}: {text}"]
        series.append(Series(**shared, x=[mean], y=[cell["name"]], low=[low], high=[high], across=True, hover=hover))
    ends = np.array([float(end) for one in series for end in (*one.x, *(one.low or ()), *(one.high or ()))])
    # At least a point of room: scores that agree to the last digit would be drawn at that digit.
    room = max(1.0, 0.05 * float(np.nanmax(ends) - np.nanmin(ends)))
    x_axis = Axis(title=label, range=(float(np.nanmin(ends)) - room, float(np.nanmax(ends)) + room))
    return Facet(title=title, x=x_axis, y=Axis(categories=list(cells["name"])), series=series)


def learning_rates(study: Study) -> Chart | None:
    """None unless some model was tried at two rates."""
    best = selection.best_settings(study, [*selection.CELL, "lr"]).sort_values("lr")
    if best.empty or best.groupby(selection.CELL)["lr"].nunique().max() == 1:
        return None
    facets = []
    for column, title in ((VAL_MEAN_IOU, "validation"), (TEST_MEAN_IOU, "test")):
        series = []
        for cell in selection.best_cells(study).to_dict("records"):
            line = best[(best["model"] == cell["model"]) & (best["freeze"] == cell["freeze"])]
            mean, low, high = ((100 * line[f"{column}{part}"]).tolist() for part in ("", "_low", "_high"))
            hover = [
                f"{cell['name']}, lr {lr:g}: {interval_text(m, h - m, n, scale=1)}"
                for lr, m, h, n in zip(line["lr"], mean, high, line[f"{column}_n"], strict=True)
            ]
            shared: dict[str, Any] = {"name": cell["name"], "group": cell["name"], "marked": True, "hover": hover}
            if not np.isnan(low).any():
                shared |= {"low": low, "high": high}
            look = style_of(study, cell["model"], cell["freeze"])
            series.append(Series(style=look, x=line["lr"].tolist(), y=mean, **shared))
        x, y = Axis(title="learning rate", log=True), Axis(title="mean IoU [%]")
        facets.append(Facet(title=title, x=x, y=y, series=series))
    caption = (
        "Each rate's best setting: the mean over seeds, in the band of its 95 % interval where every rate has two "
        "seeds. The rates were chosen by validation."
    )
    return Chart(name="learning_rate", title="Learning rate against score", caption=caption, facets=facets)


COSTS: dict[str, tuple[str, str, Callable[[float], float]]] = {
    "runtime_s": ("training time", "hours", lambda seconds: seconds / 3600),
    records.IMAGES_PER_S: ("time per training image", "ms", lambda speed: 1000 / speed if speed > 0 else float("nan")),
    "multiply_adds": ("forward pass", "10⁹ multiply-adds", lambda count: count / 1e9),
    "parameters": ("size", "10⁶ parameters", lambda count: count / 1e6),
}


def cost(study: Study) -> Chart | None:
    cells = selection.best_cells(study)
    facets = []
    for column, (title, unit, convert) in COSTS.items():
        known = cells[cells[column].notna()].to_dict("records")
        points = [(convert(cell[column]), 100 * cell[TEST_MEAN_IOU], cell) for cell in known]
        points = [point for point in points if not np.isnan(point[0])]
        if not points:
            continue
        front = pareto([x for x, _, _ in points], [y for _, y, _ in points])
        line = Style("#999999", "dot", "circle")
        x, y = [points[i][0] for i in front], [points[i][1] for i in front]
        series = [Series(name="Pareto front", group="Pareto front", style=line, x=x, y=y)]
        for cost_, score, cell in points:
            hover = [f"{cell['name']}: {cost_:.4g} {unit}, {score:.2f} % (n={cell['n']})"]
            look = style_of(study, cell["model"], cell["freeze"])
            shared: dict[str, Any] = {"style": look, "joined": False, "marked": True, "hover": hover}
            series.append(Series(name=cell["name"], group=cell["name"], x=[cost_], y=[score], **shared))
        facets.append(Facet(title=title, x=Axis(title=unit), y=Axis(title="test mean IoU [%]"), series=series))
    caption = (
        "The settings that validate best, means over seeds. No model on the dotted front is beaten in both by another."
    )
    return Chart(name="cost", title="Cost against score", caption=caption, facets=facets) if facets else None


def pareto(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Indices of the points that no other point beats by costing no more and scoring higher, or the reverse; cheapest
    first."""
    front: list[int] = []
    for index in sorted(range(len(costs)), key=lambda i: (costs[i], -scores[i])):
        if not front or scores[index] > scores[front[-1]]:
            front.append(index)
    return front

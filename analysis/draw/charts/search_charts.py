"""The cells of a search -> its charts.

A trial that was stopped early shows the best validation mean IoU that it had reached until then, with fewer epochs than
the others; trials that ran whole are marked as such.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analysis.draw.chart import Axis, Chart, Facet, Series, Style, style, style_of
from analysis.draw.charts.contour_chart import contour
from analysis.draw.charts.search_axes import FIELDS, field_axis, fields_of, params_text, reached, span_of
from analysis.read.frames import Study
from analysis.read.search_history import Cell

SCORE = "best validation mean IoU so far [%]"
SEARCH_CHARTS = (
    "search_slices",
    "search_history",
    "search_courses",
    "search_contour",
    "search_parallel",
    "search_importance",
)
"""Their names, in the order of the page."""


def search_charts(cells: Sequence[Cell], study: Study) -> list[Chart]:
    if not any(trial["intermediate"] for cell in cells for trial in cell.trials):
        return []
    looks = [_look(study, cell, number) for number, cell in enumerate(cells)]
    found = [_slices(cells, looks), _history(cells, looks), _courses(cells, looks)]
    further = (contour(cells, looks), _parallel(cells, looks), _importance(cells, looks))
    return found + [chart for chart in further if chart]


def _look(study: Study, cell: Cell, number: int) -> Style:
    """That of the cell's model and freeze in the other figures, by the first of its trials that the study knows."""
    ids = [trial["trial_id"] for trial in cell.trials]
    known = study.trials[study.trials["trial_id"].isin(ids)].dropna(subset=["model", "freeze"])
    return (
        style(number, "unfreeze") if known.empty else style_of(study, known["model"].iloc[0], known["freeze"].iloc[0])
    )


def _slices(cells: Sequence[Cell], looks: Sequence[Style]) -> Chart:
    """A facet for each searched field."""
    facets = []
    for field in fields_of(cells):
        series = [
            _slice(cell, look, field, whole) for cell, look in zip(cells, looks, strict=True) for whole in (True, False)
        ]
        facets.append(Facet(title="", x=field_axis(cells, field), y=Axis(title=SCORE), series=series))
    caption = "Every trial at the value it was given. A pale one was stopped early: its score is that of fewer epochs."
    return Chart(name="search_slices", title="Searched fields against score", caption=caption, facets=facets)


def _slice(cell: Cell, look: Style, field: str, whole: bool) -> Series:
    trials = [
        t for t in cell.trials if (t["state"] == "complete") == whole and t["intermediate"] and field in t["params"]
    ]
    name = cell.name if whole else f"{cell.name}, stopped early"
    scores = [100 * reached(trial) for trial in trials]
    hover = [f"{params_text(t)}: {s:.2f} after {t['epochs']} epochs" for t, s in zip(trials, scores, strict=True)]
    x = [trial["params"][field] for trial in trials]
    shared: dict[str, Any] = {"style": look, "joined": False, "marked": True, "faint": not whole}
    return Series(name=name, group=name, x=x, y=scores, hover=hover, **shared)


def _parallel(cells: Sequence[Cell], looks: Sequence[Style]) -> Chart | None:
    """A row for each field and one for the score, a line for each whole trial; None for a single field."""
    fields = fields_of(cells)
    whole = [
        (cell, look, trial)
        for cell, look in zip(cells, looks, strict=True)
        for trial in cell.trials
        if trial["state"] == "complete" and set(fields) <= set(trial["params"])
    ]
    if len(fields) < 2 or not whole:
        return None
    scores = [trial["value"] for _, _, trial in whole]
    good = float(np.median(scores))
    spans = {field: span_of(cells, field) for field in fields}
    series = []
    for cell, look, trial in whole:
        places = [_place(trial["params"][field], *spans[field]) for field in fields]
        x = [*places, _place(trial["value"], min(scores), max(scores), log=False)]
        text = f"{cell.name}, {params_text(trial)}: {100 * trial['value']:.2f}"
        rows: dict[str, Any] = {"x": x, "y": [*_rows(spans), _score_row(scores)], "hover": [text] * len(x)}
        series.append(Series(name=cell.name, group=cell.name, style=look, faint=trial["value"] < good, **rows))
    y_axis = Axis(categories=[*_rows(spans), _score_row(scores)])
    x_axis = Axis(title="from the lowest to the highest value of the row", range=(-0.03, 1.03))
    caption = (
        "A line is a trial that ran whole; a row goes from the lowest value tried to the highest, logarithmically "
        "where it spans a decade. Thin lines scored below the median."
    )
    facet = Facet(title="", x=x_axis, y=y_axis, series=series)
    return Chart(name="search_parallel", title="Parallel coordinates", caption=caption, facets=[facet])


def _rows(spans: Mapping[str, tuple[float, float]]) -> list[str]:
    return [f"{FIELDS.get(field, field)}, {low:.3g} to {high:.3g}" for field, (low, high) in spans.items()]


def _score_row(scores: Sequence[float]) -> str:
    return f"validation mean IoU, {100 * min(scores):.1f} to {100 * max(scores):.1f} %"


def _place(value: float, low: float, high: float, *, log: bool = True) -> float:
    """Where a value lies between two, from 0 to 1; in the middle when there is nothing between them."""
    if high == low:
        return 0.5
    if log and low > 0 and high / low >= 10:
        value, low, high = math.log(value), math.log(low), math.log(high)
    return (value - low) / (high - low)


def _importance(cells: Sequence[Cell], looks: Sequence[Style]) -> Chart | None:
    fields = list(dict.fromkeys(name for cell in cells for name in cell.importance or {}))
    if not fields:
        return None
    series = []
    for cell, look in zip(cells, looks, strict=True):
        shares = {FIELDS.get(name, name): 100 * share for name, share in (cell.importance or {}).items()}
        hover = [f"{cell.name}, {name}: {share:.0f} %" for name, share in shares.items()]
        points: dict[str, Any] = {"x": list(shares.values()), "y": list(shares), "hover": hover}
        shared: dict[str, Any] = {"style": look, "joined": False, "marked": True}
        series.append(Series(name=cell.name, group=cell.name, **points, **shared))
    rows = [FIELDS.get(field, field) for field in fields]
    facet = Facet(title="", x=Axis(title="importance [%]", range=(-3, 103)), y=Axis(categories=rows), series=series)
    caption = "Share of the variance of the scores that a field explains, by Optuna's default evaluator."
    return Chart(name="search_importance", title="Importance of the searched fields", caption=caption, facets=[facet])


def _history(cells: Sequence[Cell], looks: Sequence[Style]) -> Chart:
    series = []
    for cell, look in zip(cells, looks, strict=True):
        trials = [trial for trial in cell.trials if trial["state"] == "complete"]
        best = (100 * np.maximum.accumulate([trial["value"] for trial in trials])).tolist() if trials else []
        hover = [
            f"{params_text(t)}: {100 * t['value']:.2f}, best so far {b:.2f}" for t, b in zip(trials, best, strict=True)
        ]
        x = [trial["number"] + 1 for trial in trials]
        shared: dict[str, Any] = {"name": cell.name, "group": cell.name, "style": look, "marked": True, "hover": hover}
        series.append(Series(x=x, y=best, **shared))
    facet = Facet(title="", x=Axis(title="trial"), y=Axis(title="best validation mean IoU [%]"), series=series)
    caption = "The best score of a whole trial so far, by the number of trials that had been asked for."
    return Chart(name="search_history", title="History", caption=caption, facets=[facet])


def _courses(cells: Sequence[Cell], looks: Sequence[Style]) -> Chart:
    facets = []
    for cell, look in zip(cells, looks, strict=True):
        series = []
        for trial in cell.trials:
            if not trial["intermediate"]:
                continue
            whole = trial["state"] == "complete"
            epochs, scores = zip(*trial["intermediate"], strict=True)
            name = "whole" if whole else "stopped early"
            hover = [f"{params_text(trial)}, epoch {e}: {100 * s:.2f}" for e, s in zip(epochs, scores, strict=True)]
            shared: dict[str, Any] = {"style": look, "marked": True, "faint": not whole, "hover": hover}
            series.append(Series(name=name, group=name, x=epochs, y=[100 * score for score in scores], **shared))
        x, y = Axis(title="epoch"), Axis(title="validation mean IoU [%]")
        facets.append(Facet(title=cell.name, x=x, y=y, series=series))
    caption = "Validation mean IoU of every trial as far as it was trained."
    return Chart(name="search_courses", title="Courses of the trials", caption=caption, facets=facets)

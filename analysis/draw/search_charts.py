"""The cells of a search -> its charts.

A trial that was stopped early shows the best validation mean IoU that it had reached until then, with fewer epochs than
the others; trials that ran whole are marked as such.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analysis.draw.chart import Axis, Chart, Facet, Series, Style, style
from analysis.read.search_history import Cell

SCORE = "best val mIoU so far [%]"


def search_charts(cells: Sequence[Cell]) -> list[Chart]:
    if not any(trial["intermediate"] for cell in cells for trial in cell.trials):
        return []
    looks = [style(number, "unfreeze") for number in range(len(cells))]
    return [_rates(cells, looks), _history(cells, looks), _courses(cells, looks)]


def _rates(cells: Sequence[Cell], looks: Sequence[Style]) -> Chart:
    series = []
    for cell, look in zip(cells, looks, strict=True):
        for whole in (True, False):
            trials = [t for t in cell.trials if (t["state"] == "complete") == whole and t["intermediate"]]
            name = cell.name if whole else f"{cell.name}, stopped early"
            scores = [100 * _reached(trial) for trial in trials]
            hover = [f"{_params(t)}: {s:.2f} after {t['epochs']} epochs" for t, s in zip(trials, scores, strict=True)]
            x = [trial["params"]["lr"] for trial in trials]
            shared: dict[str, Any] = {"style": look, "joined": False, "marked": True, "faint": not whole}
            series.append(Series(name=name, group=name, x=x, y=scores, hover=hover, **shared))
    rates = [trial["params"]["lr"] for cell in cells for trial in cell.trials]
    x_axis = Axis(title="learning rate", log=True, range=(min(rates) / 1.5, max(rates) * 1.5))
    facet = Facet(title="", x=x_axis, y=Axis(title=SCORE), series=series)
    caption = "Every trial at its learning rate. A pale one was stopped early: its score is that of fewer epochs."
    return Chart(name="search_rates", title="Learning rate against score", caption=caption, facets=[facet])


def _history(cells: Sequence[Cell], looks: Sequence[Style]) -> Chart:
    series = []
    for cell, look in zip(cells, looks, strict=True):
        trials = [trial for trial in cell.trials if trial["state"] == "complete"]
        best = (100 * np.maximum.accumulate([trial["value"] for trial in trials])).tolist() if trials else []
        hover = [
            f"{_params(t)}: {100 * t['value']:.2f}, best so far {b:.2f}" for t, b in zip(trials, best, strict=True)
        ]
        x = [trial["number"] + 1 for trial in trials]
        shared: dict[str, Any] = {"name": cell.name, "group": cell.name, "style": look, "marked": True, "hover": hover}
        series.append(Series(x=x, y=best, **shared))
    facet = Facet(title="", x=Axis(title="trial"), y=Axis(title="best val mIoU [%]"), series=series)
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
            hover = [f"{_params(trial)}, epoch {e}: {100 * s:.2f}" for e, s in zip(epochs, scores, strict=True)]
            shared: dict[str, Any] = {"style": look, "marked": True, "faint": not whole, "hover": hover}
            series.append(Series(name=name, group=name, x=epochs, y=[100 * score for score in scores], **shared))
        x, y = Axis(title="epoch"), Axis(title="val mIoU [%]")
        facets.append(Facet(title=cell.name, x=x, y=y, series=series))
    caption = "Validation mean IoU of every trial as far as it was trained."
    return Chart(name="search_courses", title="Courses of the trials", caption=caption, facets=facets)


def _reached(trial: Mapping[str, Any]) -> float:
    return max(float(score) for _, score in trial["intermediate"])


def _params(trial: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in trial["params"].items())

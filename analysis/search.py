"""What a learning-rate search found: its tables and charts, from the search.json that the sweep writes.

A trial that was stopped early shows the best validation mean IoU that it had reached until then, with fewer epochs than
the others; trials that ran whole are marked as such.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.charts import Axis, Chart, Facet, Series, Style, style
from analysis.frames import Study
from analysis.table import Column, Table, numbers, words
from segtrain import records
from segtrain.records import VAL_MEAN_IOU, RecordError

NEAR = 0.01
"""Rates whose score is within this of the best count as its neighbourhood."""
STATES = ("complete", "pruned", "fail")
SCORE = "best val mIoU so far [%]"

Trials = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Cell:
    """One search. `trials`: number, trial_id, state (of Optuna, in small letters), params, value (None where there is
    none), intermediate ([epoch, validation mean IoU]), epochs (trained)."""

    name: str
    epochs: int
    best: Mapping[str, Any] | None
    importance: Mapping[str, float] | None
    trials: Trials

    def count(self, state: str) -> int:
        return sum(trial["state"] == state for trial in self.trials)

    def neighbourhood(self) -> list[float]:
        """The learning rates of whole trials within NEAR of the best, between which no whole trial was worse."""
        if self.best is None:
            return []
        whole = sorted((t["params"]["lr"], t["value"]) for t in self.trials if t["state"] == "complete")
        near = [value >= self.best[VAL_MEAN_IOU] - NEAR for _, value in whole]
        first = last = [lr for lr, _ in whole].index(self.best["params"]["lr"])
        while first > 0 and near[first - 1]:
            first -= 1
        while last + 1 < len(whole) and near[last + 1]:
            last += 1
        return [lr for lr, _ in whole[first : last + 1]]


def read_search(study: Study) -> tuple[list[Cell], list[str]]:
    """The searches of the study, none when it is not one; and a sentence for a file that cannot be read."""
    path = study.folder / records.SEARCH_FILE
    if not path.exists():
        return [], []
    try:
        cells = records.read_json(path)["cells"]
        return [Cell(**{name: cell[name] for name in Cell.__dataclass_fields__}) for cell in cells], []
    except (RecordError, KeyError, TypeError) as error:
        return [], [f"{path} cannot be read ({error!r}); run the search's command again to rewrite it"]


def search_tables(cells: Sequence[Cell]) -> list[Table]:
    if not cells:
        return []
    return [_summary(cells), *([_importance(cells)] if any(cell.importance for cell in cells) else [])]


def _summary(cells: Sequence[Cell]) -> Table:
    best: list[Mapping[str, Any]] = [cell.best or {"params": {}} for cell in cells]
    near = [cell.neighbourhood() for cell in cells]
    spent = [sum(trial["epochs"] for trial in cell.trials) for cell in cells]
    whole = [cell.epochs * len(cell.trials) for cell in cells]
    fields = list(dict.fromkeys(name for found in best for name in found["params"]))
    columns = [
        words("search", "search", [cell.name for cell in cells]),
        *(numbers(f"best {name}", name, [found["params"].get(name) for found in best], ".3g") for name in fields),
        numbers("val mIoU %", VAL_MEAN_IOU, [found.get(VAL_MEAN_IOU) for found in best], ".2f", 100),
        Column(
            f"rates within {100 * NEAR:g} point",
            [f"{min(rates):.2g} to {max(rates):.2g} ({len(rates)})" if rates else "" for rates in near],
            {
                "near_low": [min(rates, default=None) for rates in near],
                "near_high": [max(rates, default=None) for rates in near],
            },
            numeric=True,
        ),
        *(numbers(state, state, [cell.count(state) for cell in cells], "d") for state in STATES),
        numbers("epochs", "epochs", spent, "d"),
        numbers("of", "epochs_whole", whole, "d"),
        numbers("saved %", "saved", [1 - s / w if w else None for s, w in zip(spent, whole, strict=True)], ".0f", 100),
    ]
    note = (
        "Best of the trials that ran whole, by validation. Behind it the rates, and how many, whose whole trials came "
        "within a point of it: how flat the optimum is, as far as it was tried. Epochs trained, of those that the same "
        "trials would have taken had none been stopped."
    )
    return Table("search", "Search", note, columns)


def _importance(cells: Sequence[Cell]) -> Table:
    fields = list(dict.fromkeys(name for cell in cells for name in cell.importance or {}))
    columns = [
        words("search", "search", [cell.name for cell in cells]),
        *(numbers(f"{n} %", n, [(cell.importance or {}).get(n) for cell in cells], ".0f", 100) for n in fields),
    ]
    note = "Share of the variance of the scores that each searched field explains, by Optuna's default evaluator."
    return Table("search_importance", "Importance", note, columns)


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

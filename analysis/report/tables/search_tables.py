"""The cells of a search -> its tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.read.search_history import NEAR, Cell
from analysis.report.tables.table import Column, Table, numbers, words
from segtrain.records import VAL_MEAN_IOU

STATES = ("complete", "pruned", "fail")


def search_tables(cells: Sequence[Cell], counted: Mapping[str, str]) -> list[Table]:
    """`counted`: trial id -> which classes its validation mean IoU counts, blank for all."""
    if not cells:
        return []
    return [_summary(cells, counted), *([_importance(cells)] if any(cell.importance for cell in cells) else [])]


def _summary(cells: Sequence[Cell], counted: Mapping[str, str]) -> Table:
    best: list[Mapping[str, Any]] = [cell.best or {"params": {}} for cell in cells]
    few = [counted.get(found.get("trial_id", ""), "") for found in best]
    near = [cell.neighbourhood() for cell in cells]
    spent = [sum(trial["epochs"] for trial in cell.trials) for cell in cells]
    whole = [cell.epochs * len(cell.trials) for cell in cells]
    fields = list(dict.fromkeys(name for found in best for name in found["params"]))
    columns = [
        words("search", "search", [cell.name for cell in cells]),
        *(numbers(f"best {name}", name, [found["params"].get(name) for found in best], ".3g") for name in fields),
        numbers("val mIoU %", VAL_MEAN_IOU, [found.get(VAL_MEAN_IOU) for found in best], ".2f", 100, few),
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

"""What the charts of a search share: the names of its fields, their ranges, and the words for a trial."""

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.draw.chart import Axis
from analysis.read.search_history import Cell

FIELDS = {"lr": "learning rate", "weight_decay": "weight decay", "batch_size": "batch size"}
"""Config field -> the title of its axis."""


def fields_of(cells: Sequence[Cell]) -> list[str]:
    """The searched fields, as they appear."""
    return list(dict.fromkeys(name for cell in cells for trial in cell.trials for name in trial["params"]))


def span_of(cells: Sequence[Cell], field: str) -> tuple[float, float]:
    values = [trial["params"][field] for cell in cells for trial in cell.trials if field in trial["params"]]
    return min(values), max(values)


def field_axis(cells: Sequence[Cell], field: str) -> Axis:
    """Logarithmic where the values that were tried span a decade, with a little room around them."""
    low, high = span_of(cells, field)
    log = low > 0 and high / low >= 10
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    around = (low / 1.5, high * 1.5) if log else (low - room, high + room)
    return Axis(title=FIELDS.get(field, field), log=log, range=around)


def reached(trial: Mapping[str, Any]) -> float:
    return max(float(score) for _, score in trial["intermediate"])


def params_text(trial: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in trial["params"].items())

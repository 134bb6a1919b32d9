"""Learning curves, as charts."""

from typing import Any

import pandas as pd

from analysis.draw.chart import Axis, Chart, Facet, Series, Style, style_of
from analysis.read.frames import Study
from analysis.statistics import selection
from segtrain import records
from segtrain.records import TEST_MEAN_IOU, VAL_MEAN_IOU

MOST_CURVES = 24
MOST_FACETS = 6

CURVES = {
    VAL_MEAN_IOU: "Validation mean IoU",
    records.TRAIN_LOSS: "Training loss",
    records.VAL_LOSS: "Validation loss",
    TEST_MEAN_IOU: "Test mean IoU while training (drawn only: nothing is chosen by it)",
}


def curves(study: Study, column: str, title: str) -> Chart | None:
    """A line per setting: the mean of the seeds, in the band of their range."""
    lines = selection.curves(study, column, MOST_CURVES)
    if lines.empty:
        return None
    scale, label = (100, f"{column} [%]") if column.endswith("iou") else (1, column)
    parts = _facets(lines)
    low, high = scale * lines["low"].min(), scale * lines["high"].max()
    around = (low / 1.1, high * 1.1) if column.endswith("loss") else (max(0.0, low - 2), min(100.0, high + 2))
    facets = [
        Facet(
            title=name,
            x=Axis(title="epoch"),
            y=Axis(title=label, log=column.endswith("loss") and low > 0, range=around),
            series=[part for line in _in_study_order(study, group) for part in _line(study, line, scale)],
        )
        for name, group in parts
    ]
    drawn, known = lines["setting"].nunique(), selection.compared(study)["setting"].nunique()
    seeds = lines["n"].max()
    caption = f"The mean of up to {seeds} seeds, in the band of their range." if seeds > 1 else "One seed a line."
    caption += " A cross ends a run that diverged." if lines["diverged"].any() else ""
    if known > MOST_CURVES:
        caption += f" Of {known} settings, the {drawn} that validate best for their model and freeze."
    return Chart(name=column.replace("/", "_"), title=title, caption=caption, facets=facets)


def _facets(lines: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """(title, lines): a facet per setting's name where a model has several, so that a facet has one line of each; a
    single facet otherwise, or when there would be too many."""
    names = list(dict.fromkeys(lines["setting_name"]))
    if lines.groupby(selection.CELL)["setting"].nunique().max() == 1 or len(names) > MOST_FACETS:
        return [("", lines)]
    return [(name, lines[lines["setting_name"] == name]) for name in names]


def _in_study_order(study: Study, lines: pd.DataFrame) -> list[pd.DataFrame]:
    """The lines of each setting."""
    models, freezes = selection.order(study, "model"), selection.order(study, "freeze")
    groups = [line for _, line in lines.groupby("setting", sort=False)]
    return sorted(groups, key=lambda g: (models.index(g["model"].iloc[0]), freezes.index(g["freeze"].iloc[0])))


def _line(study: Study, line: pd.DataFrame, scale: float) -> list[Series]:
    first = line.iloc[0]
    name = selection.cell_name(study, first["model"], first["freeze"])
    look = style_of(study, first["model"], first["freeze"])
    x = line[records.EPOCH].astype(float).tolist()
    mean, low, high = ((scale * line[part]).tolist() for part in ("mean", "low", "high"))
    hover = [
        f"{name}, {first['setting_name']}, epoch {epoch:.0f}: {value:.4g} (n={n})"
        for epoch, value, n in zip(x, mean, line["n"], strict=True)
    ]
    several = bool((line["n"] > 1).any())
    band: dict[str, Any] = {"low": low, "high": high} if several else {}
    found = [Series(name=name, group=name, style=look, x=x, y=mean, marked=len(x) == 1, hover=hover, **band)]
    if line["diverged"].any():
        cross = Style(look.colour, look.dash, "x")
        found.append(
            Series(name=f"{name} diverged", group=name, style=cross, x=x[-1:], y=mean[-1:], joined=False, marked=True)
        )
    return found

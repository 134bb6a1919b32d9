"""Learning curves, as charts."""

from typing import Any

import pandas as pd

from analysis.draw.chart import LABELS, Axis, Chart, Facet, Series, Style, style, style_of
from analysis.draw.ticks import whole_ticks
from analysis.read.frames import Study
from analysis.read.gathering.study_json import COMPARED_STAGE, TUNING_STAGE
from analysis.statistics import selection
from analysis.statistics.cells import ending_text
from analysis.statistics.counted import counted
from segtrain import records

MOST_CURVES = 24
MOST_FACETS = 6

CURVES = {
    records.VAL_MEAN_IOU: "Validation mean IoU",
    records.TRAIN_MEAN_IOU: "Training mean IoU",
    records.TRAIN_LOSS: "Training loss",
    records.VAL_LOSS: "Validation loss",
    records.TEST_MEAN_IOU: "Test mean IoU while training (drawn only: nothing is chosen by it)",
    records.TEST_LOSS: "Test loss while training (drawn only: nothing is chosen by it)",
}


def curves(study: Study, column: str, title: str) -> Chart | None:
    """A line per setting: the mean of its seeds, in the band of their range, as far as all of them came. What came
    further goes on as a thin line of its own."""
    lines = selection.curves(study, column, MOST_CURVES)
    if lines.empty:
        return None
    scale = 100 if column.endswith("iou") else 1
    low, high = scale * lines["low"].min(), scale * lines["high"].max()
    room = max(1.0, 0.05 * (high - low))
    around = (low / 1.1, high * 1.1) if column.endswith("loss") else (max(0.0, low - room), min(100.0, high + room))
    runs = _runs(study, column)
    epochs = Axis(title="epoch", ticks=whole_ticks(float(lines[records.EPOCH].max())))
    facets = [
        Facet(
            title=name,
            x=epochs,
            y=Axis(title=LABELS[column], log=column.endswith("loss") and low > 0, range=around),
            series=[part for line in _in_study_order(study, group) for part in _line(study, line, runs, column, scale)],
        )
        for name, group in _facets(lines)
    ]
    caption = _caption(study, lines)
    if column == records.VAL_MEAN_IOU and (few := _counted(study, lines)):
        caption += f" The means of the epochs count {few} classes."
    return Chart(name=column.replace("/", "_"), title=title, caption=caption, facets=facets)


def pretraining(study: Study) -> Chart | None:
    """A facet per measure, a line per trial that only gives others its weights."""
    trials = study.trials[~study.trials["stage"].isin((COMPARED_STAGE, TUNING_STAGE))]
    facets = []
    for column in (records.VAL_MEAN_IOU, records.TRAIN_MEAN_IOU, records.TRAIN_LOSS, records.VAL_LOSS):
        scale = 100 if column.endswith("iou") else 1
        series = []
        for number, trial in enumerate(trials.head(MOST_CURVES).to_dict("records")):
            measured = study.epochs[study.epochs["trial_id"] == trial["trial_id"]].dropna(subset=[column])
            if measured.empty:
                continue
            x, y = measured[records.EPOCH].astype(float).tolist(), (scale * measured[column]).tolist()
            hover = [f"{trial['run']}, epoch {epoch:.0f}: {value:.4g}" for epoch, value in zip(x, y, strict=True)]
            name, look = trial["run"], style(number, "unfreeze")
            series.append(Series(name=name, group=name, style=look, x=x, y=y, marked=len(x) == 1, hover=hover))
        if series:
            x_axis = Axis(title="epoch", ticks=whole_ticks(max(end for one in series for end in map(float, one.x))))
            facets.append(Facet(title="", x=x_axis, y=Axis(title=LABELS[column]), series=series))
    caption = "The trials that the compared ones start from, on their own data."
    return Chart(name="pretraining", title="Pretraining", caption=caption, facets=facets) if facets else None


def _caption(study: Study, lines: pd.DataFrame) -> str:
    drawn, trials = lines["setting"].unique(), selection.compared(study)
    seeds = lines["n"].max()
    parts = [f"The mean of up to {seeds} seeds, in the band of their range." if seeds > 1 else "One seed a line."]
    states = trials.loc[trials["setting"].isin(drawn), "state"]
    if ended := ending_text((states == "diverged").sum(), (states == "failed").sum()):
        parts.append(
            f"{ended}: where the first run of a setting ends, its mean ends, and the others go on as thin lines; a "
            "cross ends a run that diverged."
        )
    known = trials["setting"].nunique()
    if known > MOST_CURVES:
        parts.append(f"Of {known} settings, the {len(drawn)} that validate best for their model and freeze.")
    return " ".join(parts)


def _counted(study: Study, lines: pd.DataFrame) -> str:
    trials = selection.compared(study)
    drawn = trials.loc[trials["setting"].isin(lines["setting"]), "trial_id"]
    return counted(study, drawn, "val_unsteadiness")


def _runs(study: Study, column: str) -> pd.DataFrame:
    """What every compared trial measured: setting, seed, state, epoch and `column`."""
    trials = selection.compared(study)[["trial_id", "setting", "seed", "state"]].dropna(subset=["setting"])
    measured = study.epochs[["trial_id", records.EPOCH, column]].dropna(subset=[column])
    return trials.merge(measured, on="trial_id", validate="one_to_many")


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


def _line(study: Study, line: pd.DataFrame, runs: pd.DataFrame, column: str, scale: float) -> list[Series]:
    first = line.iloc[0]
    name = selection.cell_name(study, first["model"], first["freeze"])
    look = style_of(study, first["model"], first["freeze"])
    whole = line[line["n"] == line["n"].max()]
    x = whole[records.EPOCH].astype(float).tolist()
    mean, low, high = ((scale * whole[part]).tolist() for part in ("mean", "low", "high"))
    hover = [
        f"{name}, {first['setting_name']}, epoch {epoch:.0f}: {value:.4g} (n={n})"
        for epoch, value, n in zip(x, mean, whole["n"], strict=True)
    ]
    several = bool((whole["n"] > 1).any())
    band: dict[str, Any] = {"low": low, "high": high} if several else {}
    found = [Series(name=name, group=name, style=look, x=x, y=mean, marked=len(x) == 1, hover=hover, **band)]
    for (seed, state), run in runs[runs["setting"] == first["setting"]].groupby(["seed", "state"]):
        epochs, values = run[records.EPOCH].astype(float).tolist(), (scale * run[column]).tolist()
        words = f"{name}, {first['setting_name']}, seed {seed}"
        if epochs[-1] > x[-1]:
            start = epochs.index(x[-1]) if x[-1] in epochs else 0
            on = [f"{words} alone, epoch {epoch:.0f}: {value:.4g}" for epoch, value in zip(epochs, values, strict=True)]
            alone = Style(look.colour, look.dash, "none")
            rest: dict[str, Any] = {"x": epochs[start:], "y": values[start:], "hover": on[start:]}
            found.append(Series(name=words, group=name, style=alone, faint=True, **rest))
        if state == "diverged":
            cross = Style(look.colour, look.dash, "x")
            end: dict[str, Any] = {"x": epochs[-1:], "y": values[-1:], "hover": [f"{words} diverged"]}
            found.append(Series(name=f"{words} diverged", group=name, style=cross, joined=False, marked=True, **end))
    return found

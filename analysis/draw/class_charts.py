"""What tells the classes apart, as charts: IoU, confusion and ROC."""

from typing import Any

import numpy as np
import pandas as pd

from analysis.draw.chart import Axis, Chart, Facet, Heat, Series, style_of
from analysis.read.arrays import read_array
from analysis.read.frames import Study
from analysis.statistics import selection
from analysis.statistics.estimates import Floats
from segtrain import records
from segtrain.records import RecordError

_ROC_POINTS = 120


def class_iou(study: Study) -> Chart | None:
    scores = selection.class_scores(study)
    if scores.empty:
        return None
    table = scores.pivot_table(index="class_name", columns="model", values="mean", aggfunc="first", dropna=False)
    models = [model for model in selection.order(study, "model") if model in table]
    classes = list(dict.fromkeys(scores["class_name"]))
    heat = Heat(classes, models, table.loc[classes, models].to_numpy().tolist())
    facet = Facet(title="", x=Axis(), y=Axis(), heat=heat)
    caption = "Test IoU in percent of each model's best setting, the mean over its seeds; blank if the class is absent."
    return Chart(name="class_iou", title="IoU per class", caption=caption, facets=[facet])


def confusion(study: Study, problems: list[str]) -> Chart | None:
    """Row-normalised, of each best model's best seed."""
    facets = []
    for model in _models(study):
        names = study.classes.loc[study.classes["trial_id"] == model["trial_id"], "class_name"].tolist()
        try:
            counts = _array(study, model["trial_id"], records.CONFUSION_FILE, (len(names), len(names)))
        except RecordError as error:
            problems.append(str(error))
            continue
        sums = counts.sum(1, keepdims=True)
        shares = np.divide(counts, sums, out=np.full(counts.shape, np.nan), where=sums > 0)
        title = selection.cell_name(study, model["model"], model["freeze"])
        heat = Heat(names, names, shares.tolist(), sparse=True)
        facets.append(Facet(title=title, x=Axis(title="predicted"), y=Axis(title="truth"), heat=heat))
    caption = (
        "Share of each class's test pixels in percent, rows are truth; the best seed of each model's best setting."
    )
    return Chart(name="confusion", title="Confusion", caption=caption, facets=facets, square=True) if facets else None


def roc(study: Study, problems: list[str]) -> Chart | None:
    """A facet per class, a line per best model."""
    found: dict[str, list[Series]] = {}
    for model in _models(study):
        classes = study.classes[study.classes["trial_id"] == model["trial_id"]]
        try:
            shape = (len(classes), -1)
            rates = [_array(study, model["trial_id"], records.ROC_FILE, shape, key) for key in ("fpr", "tpr")]
        except RecordError as error:
            problems.append(str(error))
            continue
        name = selection.cell_name(study, model["model"], model["freeze"])
        look = style_of(study, model["model"], model["freeze"])
        for label, auc, fpr, tpr in zip(classes["class_name"], classes["auc"], *rates, strict=True):
            if pd.isna(auc) or np.isnan(fpr).any() or np.isnan(tpr).any():
                continue
            x, y = thin(fpr, tpr)
            hover = [f"{name}: AUC {auc:.4f}"] * len(x)
            found.setdefault(label, []).append(Series(name=name, group=name, style=look, x=x, y=y, hover=hover))
    unit = (-0.02, 1.02)
    x_axis, y_axis = Axis(title="false positive rate", range=unit), Axis(title="true positive rate", range=unit)
    facets = [Facet(title=label, series=series, x=x_axis, y=y_axis) for label, series in found.items()]
    caption = "One class against the rest, over all test pixels; the best seed of each model's best setting."
    return Chart(name="roc", title="ROC by class", caption=caption, facets=facets, square=True) if facets else None


def thin(x: Floats, y: Floats) -> tuple[list[float], list[float]]:
    """Up to 120 points of a rising curve, spread evenly along it, its ends among them."""
    length = np.concatenate([[0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    chosen = np.unique(np.searchsorted(length, np.linspace(0, length[-1], _ROC_POINTS)).clip(0, len(x) - 1))
    return x[chosen].tolist(), y[chosen].tolist()


def _models(study: Study) -> list[dict[Any, Any]]:
    """The best models in study order."""
    order = selection.order(study, "model")
    return sorted(selection.best_models(study).to_dict("records"), key=lambda model: order.index(model["model"]))


def _array(study: Study, trial_id: str, name: str, shape: tuple[int, int], key: str | None = None) -> Floats:
    """A two-dimensional array of a trial; -1 in `shape` fits any size. Raises RecordError."""
    path = records.trial_dir(study.out, trial_id) / name
    array = read_array(path, key).astype(np.float64)
    if array.ndim != 2 or any(size not in (-1, found) for size, found in zip(shape, array.shape, strict=True)):
        raise RecordError(
            f"{path} has the shape {array.shape}, which fits no {shape[0]} classes; its figure is left out"
        )
    return array

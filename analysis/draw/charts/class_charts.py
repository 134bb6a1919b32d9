"""What tells the classes apart, as charts: IoU, confusion, ROC and precision over recall, frozen models beside
fine-tuned ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.draw.chart import Axis, Chart, Facet, Heat, Series, style_of
from analysis.inference.estimates import Floats
from analysis.read.arrays import read_array
from analysis.read.frames import Study
from analysis.read.trial_files.task_folders import task_folders
from analysis.statistics import cells
from segtrain import records
from segtrain.records import RecordError

_ROC_POINTS = 120


def class_iou(study: Study) -> Chart | None:
    scores = cells.class_scores(study)
    if scores.empty:
        return None
    table = scores.pivot_table(index="class_name", columns="name", values="mean", aggfunc="first", dropna=False)
    classes, names = (list(dict.fromkeys(scores[column])) for column in ("class_name", "name"))
    heat = Heat(classes, names, table.loc[classes, names].to_numpy().tolist())
    facet = Facet(title="", x=Axis(), y=Axis(), heat=heat)
    caption = (
        "Test IoU in percent of each model and freeze at the setting that validates best, the mean over its seeds; "
        "blank if the class is absent."
    )
    return Chart(name="class_iou", title="IoU per class", caption=caption, facets=[facet])


def confusion(study: Study, problems: list[str]) -> Chart | None:
    """Row-normalised, of the best seed of each model and freeze, and of each task."""
    facets = []
    for model in _models(study):
        names = study.classes.loc[study.classes["trial_id"] == model["trial_id"], "class_name"].tolist()
        _, *further = task_folders(study, model["trial_id"])
        for task in ("", *further):
            try:
                folder = records.task_dir(records.trial_dir(study.out, model["trial_id"]), task)
                classes = records.read_test_scores(folder).classes if task else names
                counts = _square(folder / records.CONFUSION_FILE, (len(classes), len(classes)))
            except (OSError, RecordError) as error:
                problems.append(str(error))
                continue
            sums = counts.sum(1, keepdims=True)
            shares = np.divide(counts, sums, out=np.full(counts.shape, np.nan), where=sums > 0)
            heat = Heat(classes, classes, shares.tolist(), sparse=True)
            title = f"{model['name']}, {task}" if task else model["name"]
            facets.append(Facet(title=title, x=Axis(title="predicted"), y=Axis(title="truth"), heat=heat))
    caption = (
        "Share of each class's test pixels in percent, rows are truth; the seed that validates best of each model and "
        "freeze at its best setting."
    )
    return Chart(name="confusion", title="Confusion", caption=caption, facets=facets, square=True) if facets else None


def roc(study: Study, problems: list[str]) -> Chart | None:
    """A facet per class, a line per model and freeze."""
    found: dict[str, list[Series]] = {}
    for model in _models(study):
        classes = study.classes[study.classes["trial_id"] == model["trial_id"]]
        try:
            rates = _rates(study, model["trial_id"], len(classes))
        except RecordError as error:
            problems.append(str(error))
            continue
        for label, auc, fpr, tpr in zip(classes["class_name"], classes["auc"], *rates, strict=True):
            if not (pd.isna(auc) or np.isnan(fpr).any() or np.isnan(tpr).any()):
                found.setdefault(label, []).append(_curve(study, model, fpr, tpr, f"AUC {auc:.4f}"))
    caption = (
        "One class against the rest, over all test pixels; the seed that validates best of each model and freeze. "
        "The area under a curve is said when it is pointed at."
    )
    return _squares("roc", "ROC by class", caption, found, ("false positive rate", "true positive rate"))


def precision_recall(study: Study) -> Chart | None:
    """A facet per class, a line per model and freeze; drawn where the records count the pixels of each class. What
    cannot be read `roc` has named."""
    found: dict[str, list[Series]] = {}
    for model in _models(study):
        for label, (recall, precision) in _precisions(study, model["trial_id"]).items():
            area = f"average precision {average_precision(recall, precision):.4f}"
            found.setdefault(label, []).append(_curve(study, model, recall, precision, area))
    caption = (
        "One class against the rest, over all test pixels, of the same trials and thresholds as the ROC curves. Unlike "
        "those it counts false alarms against the pixels found, and so tells rare classes apart."
    )
    return _squares("precision_recall", "Precision over recall by class", caption, found, ("recall", "precision"))


def areas(study: Study) -> dict[str, dict[str, tuple[float, float]]]:
    """Model and freeze -> class -> (area under the ROC curve, average precision), NaN where one is not known."""
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for model in _models(study):
        classes = study.classes[study.classes["trial_id"] == model["trial_id"]]
        precisions = {
            label: average_precision(*curve) for label, curve in _precisions(study, model["trial_id"]).items()
        }
        both = {
            label: (float(auc), precisions.get(label, float("nan")))
            for label, auc in zip(classes["class_name"], classes["auc"], strict=True)
        }
        if not all(np.isnan(pair).all() for pair in both.values()):
            found[model["name"]] = both
    return found


def _precisions(study: Study, trial_id: str) -> dict[str, tuple[Floats, Floats]]:
    """Class -> recall and precision; none where the records are torn, or do not count the pixels of each class."""
    names = study.classes.loc[study.classes["trial_id"] == trial_id, "class_name"].tolist()
    path = records.trial_dir(study.out, trial_id) / records.ROC_FILE
    try:
        rates = _rates(study, trial_id, len(names))
        positives, negatives = (read_array(path, key) for key in ("positives", "negatives"))
    except RecordError:
        return {}
    return {
        label: precision_over_recall(fpr, tpr, float(inside), float(outside))
        for label, fpr, tpr, inside, outside in zip(names, *rates, positives, negatives, strict=True)
        if inside and outside
    }


def precision_over_recall(fpr: Floats, tpr: Floats, positives: float, negatives: float) -> tuple[Floats, Floats]:
    """Recall and precision at the thresholds of a ROC curve that find anything, by rising recall."""
    hits, alarms = tpr * positives, fpr * negatives
    some = hits > 0
    precision = hits[some] / (hits[some] + alarms[some])
    order = np.argsort(tpr[some], kind="stable")
    return tpr[some][order], precision[order]


def average_precision(recall: Floats, precision: Floats) -> float:
    """The mean of the precision over the recall, each step at the precision of its end."""
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def _rates(study: Study, trial_id: str, classes: int) -> list[Floats]:
    """False and true positive rates, (K, thresholds) each. Raises RecordError."""
    return [_array(study, trial_id, records.ROC_FILE, (classes, -1), key) for key in ("fpr", "tpr")]


def _curve(study: Study, model: Mapping[Any, Any], x: Floats, y: Floats, area: str) -> Series:
    points_x, points_y = thin(x, y)
    look = style_of(study, model["model"], model["freeze"])
    name = model["name"]
    return Series(name=name, group=name, style=look, x=points_x, y=points_y, hover=[f"{name}: {area}"] * len(points_x))


def _squares(
    name: str, title: str, caption: str, found: Mapping[str, list[Series]], axes: tuple[str, str]
) -> Chart | None:
    x, y = (Axis(title=label, range=(-0.02, 1.02)) for label in axes)
    facets = [Facet(title=label, series=series, x=x, y=y) for label, series in found.items()]
    return Chart(name=name, title=title, caption=caption, facets=facets, square=True) if facets else None


def thin(x: Floats, y: Floats) -> tuple[list[float], list[float]]:
    """Up to 120 points of a curve, spread evenly along it, its ends among them."""
    length = np.concatenate([[0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    chosen = np.unique(np.searchsorted(length, np.linspace(0, length[-1], _ROC_POINTS)).clip(0, len(x) - 1))
    return x[chosen].tolist(), y[chosen].tolist()


def _models(study: Study) -> list[dict[Any, Any]]:
    return cells.shown(study).to_dict("records")


def _array(study: Study, trial_id: str, name: str, shape: tuple[int, int], key: str | None = None) -> Floats:
    """As `_square`, of a trial."""
    return _square(records.trial_dir(study.out, trial_id) / name, shape, key)


def _square(path: Path, shape: tuple[int, int], key: str | None = None) -> Floats:
    """A two-dimensional array; -1 in `shape` fits any size. Raises RecordError."""
    array = read_array(path, key).astype(np.float64)
    if array.ndim != 2 or any(size not in (-1, found) for size, found in zip(shape, array.shape, strict=True)):
        raise RecordError(
            f"{path} has the shape {array.shape}, which fits no {shape[0]} classes; its figure is left out"
        )
    return array

"""What a claim may be about: a column of the trials, or a number named by a class, two classes or an epoch.

test/mean_iou                 any column of numbers
epoch_s                       seconds an epoch, the median over a trial's epochs
iou[Fences]                   the test IoU of one class
test/geometric/mean_iou       a test score of one of the tasks of the data: TASK_NUMBERS
confusion[border, pet]        the share of the test pixels of class border that are predicted as pet
val/mean_iou[3]               a number of one epoch; early epochs say who learns faster at first
iou[pet] - iou[border]        one number minus another of the same kind, of the same trial
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from analysis.inference import resampling
from analysis.inference.estimates import Counts, Floats
from analysis.read.arrays import read_array
from analysis.read.frames import TRIAL_DTYPES, Study
from analysis.read.trial_folder import EPOCH_NUMBERS, TASK_NUMBERS
from segtrain import records
from segtrain.records import EPOCH, EPOCH_S, TEST_MEAN_IOU, RecordError

COLUMNS = tuple(name for name, dtype in TRIAL_DTYPES.items() if dtype == "float64" and name != "lr")
METRICS = (
    *(*COLUMNS, EPOCH_S, "test/TASK/SCORE", "iou[CLASS]", "confusion[TRUTH, PREDICTION]", "COLUMN[EPOCH]"),
    "METRIC - METRIC",
)
_MINUS = re.compile(r" - (?![^\[]*\])")  # not within a class's name

Resample = Callable[[Counts, Floats], Floats]
"""Confusion matrices of the test images (N, K, K) and weights (B, N) -> the metric of each resampled test set (B,)."""


@dataclass(frozen=True)
class Metric:
    """A metric's value of every trial that has one, by trial id; `resample` where test images decide it."""

    values: Mapping[str, float]
    resample: Resample | None = None


def terms_of(name: str) -> tuple[str, ...]:
    """The metrics of which the name is a difference; itself where it is none. Raises ValueError on a difference of
    unequal things, and on names that there are not."""
    parts = tuple(_MINUS.split(name))
    kinds = {parse(part)[0] for part in parts}
    if len(parts) > 2 or len(kinds) > 1:
        raise ValueError(f"its metric is {name!r}; allowed: one metric, or a difference of two of one kind")
    return parts


def parse(name: str) -> tuple[str, tuple[str, ...]]:
    """A metric's name -> what it is and what stands in its brackets. Raises ValueError with the names there are."""
    kind = name
    inside: tuple[str, ...] = ()
    if bracketed := re.fullmatch(r"([^\[\]]+)\[([^\[\]]+)\]", name):
        kind = bracketed[1]
        inside = tuple(part.strip() for part in bracketed[2].split(","))
    match inside:
        case ():
            known = kind in (*COLUMNS, EPOCH_S) or _is_of_task(kind)
        case (part,):
            known = kind == "iou" or (kind in EPOCH_NUMBERS and part.isdecimal())
        case _:
            known = kind == "confusion" and len(inside) == 2
    if not known:
        raise ValueError(f"its metric is {name!r}; allowed: {', '.join(METRICS)}")
    return kind, inside


def find(study: Study, name: str) -> Metric:
    """Raises ValueError on a name that is no metric, and on a class that the study's data do not have."""
    first, *others = (_find(study, part) for part in terms_of(name))
    return _difference(first, others[0]) if others else first


def _difference(left: Metric, right: Metric) -> Metric:
    """Of trials that have both; over the same resampled test images."""
    values = {
        trial_id: value - right.values[trial_id] for trial_id, value in left.values.items() if trial_id in right.values
    }
    one, other = left.resample, right.resample
    if one is None or other is None:
        return Metric(values)
    return Metric(values, lambda counts, weights: one(counts, weights) - other(counts, weights))


def _find(study: Study, name: str) -> Metric:
    kind, inside = parse(name)
    if kind == "iou":
        index = _class_index(study, name, inside[0])
        rows = study.classes[study.classes["class_index"] == index]
        values = _pairs(rows["trial_id"], rows["iou"])
        return Metric(values, lambda counts, weights: resampling.resampled_class_iou(counts, weights, index))
    if kind == "confusion":
        truth, prediction = (_class_index(study, name, part) for part in inside)
        return Metric(
            _cells(study, truth, prediction),
            lambda counts, weights: resampling.resampled_cell(counts, weights, truth, prediction),
        )
    if inside:
        rows = study.epochs[study.epochs[EPOCH] == int(inside[0])]
        return Metric(_pairs(rows["trial_id"], rows[kind]))
    if kind == EPOCH_S:
        medians = study.epochs.groupby("trial_id")[EPOCH_S].median()
        return Metric(_pairs(medians.index, medians))
    if kind not in study.trials:  # of a task that no trial has been tested on yet
        return Metric({})
    found = _pairs(study.trials["trial_id"], study.trials[kind])
    return Metric(found, resampling.resampled_mean_iou if kind == TEST_MEAN_IOU else None)


def _is_of_task(name: str) -> bool:
    task = records.named_task(name)
    return task is not None and task[1].partition("/")[0] == "test" and task[1].partition("/")[2] in TASK_NUMBERS


def _pairs(trial_ids: object, values: object) -> dict[str, float]:
    numbers = np.asarray(values, dtype=np.float64)
    return {
        str(trial_id): float(number)
        for trial_id, number in zip(np.asarray(trial_ids), numbers, strict=True)
        if not np.isnan(number)
    }


def _class_index(study: Study, metric: str, name: str) -> int:
    names = study.classes.drop_duplicates("class_name").set_index("class_name")["class_index"]
    if name not in names.index:
        listed = ", ".join(names.index) or "no classes yet: no trial was tested"
        raise ValueError(f"its metric is {metric!r}, and the data have no class {name!r}; they have {listed}")
    return int(names[name])


def _cells(study: Study, truth: int, prediction: int) -> dict[str, float]:
    """Trials whose matrix is absent or torn have no value."""
    found = {}
    for trial_id in study.trials.loc[study.trials["state"] == "finished", "trial_id"]:
        try:
            counts = read_array(records.trial_dir(study.out, trial_id) / records.CONFUSION_FILE)
        except RecordError:
            continue
        if counts.ndim == 2 and max(truth, prediction) < min(counts.shape) and counts[truth].any():
            found[trial_id] = float(counts[truth, prediction] / counts[truth].sum())
    return found

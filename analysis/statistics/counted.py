"""Over how many classes mean IoUs are, in words: `12 of 13`, `11 to 13 of 13`; blank where every mean counts all
classes, for what is no mean IoU, and where the count was not recorded."""

from collections.abc import Iterable

import pandas as pd

from analysis.read.counted_classes import counted_text
from analysis.read.frames import Study
from analysis.read.trial_folder import VAL_COUNTED
from segtrain.records import TEST_MEAN_IOU, VAL_MEAN_IOU

COUNTED = {TEST_MEAN_IOU: "test_counted", VAL_MEAN_IOU: "val_counted"}
"""A mean over classes -> the column of `selection.settings` that says which of them it counts."""
_COUNTS = {TEST_MEAN_IOU: "test_counted_classes", VAL_MEAN_IOU: VAL_COUNTED}
_OF_CURVES = ("early_val_mean_iou", "epochs_to_90", "val_unsteadiness", "late_fall")
"""What is read off the validations of all epochs."""


def counted(study: Study, trial_ids: Iterable[str], metric: str) -> str:
    """By all means of the `metric` of these trials."""
    chosen = study.trials[study.trials["trial_id"].isin(list(trial_ids))]
    if metric in _OF_CURVES or metric.startswith(f"{VAL_MEAN_IOU}["):
        counts = study.epochs.loc[study.epochs["trial_id"].isin(chosen["trial_id"]), VAL_COUNTED]
        return _text(counts, chosen["class_count"])
    return counted_among(chosen, metric)


def counted_among(trials: pd.DataFrame, metric: str) -> str:
    """By the scores of the rows of `trials`."""
    return _text(trials[_COUNTS[metric]], trials["class_count"]) if metric in _COUNTS else ""


def counted_by_each(trials: pd.DataFrame, metric: str) -> list[str]:
    pairs = zip(trials[_COUNTS[metric]], trials["class_count"], strict=True)
    return ["" if pd.isna(count) or pd.isna(classes) else counted_text([count], classes) for count, classes in pairs]


def _text(counts: "pd.Series[int]", classes: "pd.Series[int]") -> str:
    known = counts.dropna()
    return counted_text(map(int, known), int(classes.max())) if len(known) else ""


def in_brackets(text: str) -> str:
    """` (12 of 13 classes)`, to stand behind a number; blank for nothing."""
    return f" ({text} classes)" if text else ""

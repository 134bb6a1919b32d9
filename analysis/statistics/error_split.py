"""Wrong pixels, split into those in the wrong region and those of the wrong label.

Pontius and Millones (2011, "Death to Kappa") part disagreement between two maps into allocation (the right amount of
each class, in the wrong place) and quantity (another amount of each class): with t_k pixels of class k in the truth of
an image and p_k in its prediction, quantity is the half of sum_k |t_k - p_k|, and allocation is what else is wrong.
Both are taken image by image here, since a region can only be misplaced within its image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.inference.estimates import Estimate, estimate
from analysis.read.frames import Study
from analysis.read.image_errors import image_counts
from analysis.statistics import selection

Counts = npt.NDArray[np.int64]
PARTS = ("wrong", "region", "label", "absent")
"""Shares of all pixels; `absent`: predicted as a class that the truth of the image does not have at all."""


@dataclass(frozen=True)
class ErrorSplit:
    """`parts`: each of PARTS -> its mean over seeds."""

    name: str
    setting_name: str
    parts: dict[str, Estimate]


def split_errors(counts: Counts) -> dict[str, float]:
    """counts (N, K, K), rows are truth -> PARTS; NaN of images without a pixel that counts."""
    truth, predicted = counts.sum(2), counts.sum(1)
    pixels = float(truth.sum()) or np.nan
    wrong = float(truth.sum() - np.trace(counts, axis1=1, axis2=2).sum())
    label = float(np.abs(truth - predicted).sum() / 2)
    absent = float(predicted[truth == 0].sum())
    return dict(zip(PARTS, (wrong / pixels, (wrong - label) / pixels, label / pixels, absent / pixels), strict=True))


def error_splits(study: Study) -> list[ErrorSplit]:
    """Of each model and freeze at the setting that validates best, where its trials kept a matrix per image."""
    trials, found = selection.usable(study), []
    for cell in selection.best_cells(study).to_dict("records"):
        ids: Sequence[str] = trials.loc[trials["setting"] == cell["setting"], "trial_id"].tolist()
        kept = [counts for trial_id in ids if (counts := image_counts(study, trial_id)) is not None]
        if kept:
            by_seed = [split_errors(counts) for counts in kept]
            parts = {part: estimate([seed[part] for seed in by_seed]) for part in PARTS}
            found.append(ErrorSplit(cell["name"], cell["setting_name"], parts))
    return found

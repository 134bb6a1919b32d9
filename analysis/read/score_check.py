"""The scores of test.json against the confusion matrix that lies beside it: two records of one evaluation."""

import numpy as np

from analysis.read.arrays import read_array
from analysis.read.frames import Study
from segtrain import records
from segtrain.records import RecordError

_ROUNDING = 1e-6


def check_scores(study: Study) -> list[str]:
    """A sentence for every trial whose test.json says another mean IoU than its confusion matrix gives. A matrix that
    is absent or torn says nothing here."""
    found = []
    for trial in study.trials[study.trials["state"] == "finished"].to_dict("records"):
        try:
            counts = read_array(study.out / trial["folder"] / records.CONFUSION_FILE).astype(np.float64)
        except RecordError:
            continue
        if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
            continue
        hits, union = np.diag(counts), counts.sum(0) + counts.sum(1) - np.diag(counts)
        mean_iou = float(np.mean(hits[union > 0] / union[union > 0])) if union.any() else float("nan")
        said = trial[records.TEST_MEAN_IOU]
        if abs(mean_iou - said) > _ROUNDING:  # NaN, too, says nothing
            found.append(
                f"{trial['run']}: {records.TEST_FILE} says a mean IoU of {100 * said:.3f} %, its "
                f"{records.CONFUSION_FILE} gives {100 * mean_iou:.3f} %; delete its folder to start over"
            )
    return found

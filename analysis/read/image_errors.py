"""The confusion matrices of single test images -> how much of each image a trial gets wrong."""

import numpy as np
import numpy.typing as npt

from analysis.read.arrays import read_array
from analysis.read.frames import Study
from segtrain import records
from segtrain.records import RecordError


def image_counts(study: Study, trial_id: str) -> npt.NDArray[np.int64] | None:
    """(N, K, K) pixels of each test image in the order of the split, rows are truth; None where the trial kept none."""
    try:
        counts = read_array(records.trial_dir(study.out, trial_id) / records.IMAGE_CONFUSION_FILE, "confusion")
    except RecordError:
        return None
    return counts if counts.ndim == 3 and counts.shape[1] == counts.shape[2] and len(counts) else None


def wrong_shares(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """counts (N, K, K) -> (N,) share of each image's pixels that are predicted as another class; NaN without any."""
    pixels = counts.sum((1, 2))
    hits = np.trace(counts, axis1=1, axis2=2)
    shares: npt.NDArray[np.float64] = np.divide(
        pixels - hits, pixels, out=np.full(len(counts), np.nan), where=pixels > 0
    )
    return shares

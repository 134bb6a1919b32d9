"""How well a segmentation could do at best whose labels stand at a stride, as in appendix A of the FCN paper's journal
version (Shelhamer, Long, Darrell, PAMI 2017)."""

import numpy as np
import numpy.typing as npt

STRIDES = (128, 64, 32, 16, 8, 4)

Counts = npt.NDArray[np.int64]


def count_at_strides(labels: npt.NDArray[np.integer], num_classes: int, ignore: int) -> Counts:
    """(S, K, K): for each of STRIDES the confusion of labels (H, W), rows, with the best that one label for each cell
    of that many pixels a side can say: its most frequent class. Ignored pixels count nowhere."""
    return np.stack([_count(labels, stride, num_classes, ignore) for stride in STRIDES])


def _count(labels: npt.NDArray[np.integer], stride: int, num_classes: int, ignore: int) -> Counts:
    rows, columns = (np.arange(size) // stride for size in labels.shape)
    cells = rows[:, None] * (columns[-1] + 1) + columns
    known = labels != ignore
    cell, label = cells[known], labels[known].astype(np.int64)
    pixels = np.bincount(cell * num_classes + label, minlength=(cells.max() + 1) * num_classes)
    best = pixels.reshape(-1, num_classes).argmax(axis=1)
    return np.bincount(label * num_classes + best[cell], minlength=num_classes**2).reshape(num_classes, num_classes)


def mean_iou(confusion: Counts) -> float:
    """Over the classes that occur; NaN without any."""
    right = confusion.diagonal(axis1=-2, axis2=-1)
    union = confusion.sum(-1) + confusion.sum(-2) - right
    return float((right[union > 0] / union[union > 0]).mean()) if union.any() else float("nan")

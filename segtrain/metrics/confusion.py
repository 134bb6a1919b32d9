"""Segmentation metrics from one confusion matrix per split (Long et al. 2015, section 5).

C[i, j] counts the pixels of class i that were predicted as class j, over the whole split: a mean IoU averaged
over images or batches is another number, and not this one.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Scores:
    """Fractions in [0, 1]. A class with neither truth nor prediction has IoU NaN and is left out of the mean;
    `counted_classes` says how many are in it. Mean accuracy leaves out the classes without truth."""

    pixel_accuracy: float
    mean_accuracy: float
    mean_iou: float
    frequency_weighted_iou: float
    iou: tuple[float, ...]
    counted_classes: int


def confusion_matrix(prediction: Tensor, target: Tensor, num_classes: int, ignore: int) -> Tensor:
    """prediction, target: integer tensors of one shape -> (K, K) int64 on their device.

    Raises ValueError on a target that is neither a class nor `ignore`.
    """
    return confusion_matrices(prediction[None], target[None], num_classes, ignore)[0]


def confusion_matrices(prediction: Tensor, target: Tensor, num_classes: int, ignore: int) -> Tensor:
    """As `confusion_matrix`, one for each image: (N, ...) -> (N, K, K)."""
    valid = target != ignore
    image = torch.arange(len(target), device=target.device).view(-1, *[1] * (target.ndim - 1)).expand_as(target)[valid]
    target, prediction = target[valid].long(), prediction[valid].long()
    if target.numel() and not (int(target.min()) >= 0 and int(target.max()) < num_classes):
        stray = sorted(int(label) for label in target.unique() if not 0 <= label < num_classes)
        raise ValueError(f"target has label {stray}; allowed: 0 to {num_classes - 1}, and {ignore} for ignored pixels")
    shape = (len(valid), num_classes, num_classes)
    cells = (image * num_classes + target) * num_classes + prediction
    return torch.bincount(cells, minlength=math.prod(shape)).view(shape)


def scores(confusion: Tensor) -> Scores:
    """confusion: (K, K) counts, rows are truth."""
    counts = confusion.cpu().double()
    hits, truth, predicted = counts.diag(), counts.sum(1), counts.sum(0)
    union = truth + predicted - hits
    iou = hits / union  # 0 / 0 is NaN, as it should be
    seen = truth > 0
    return Scores(
        pixel_accuracy=float(hits.sum() / truth.sum()),
        mean_accuracy=float((hits / truth)[seen].mean()),
        mean_iou=float(iou[union > 0].mean()),
        frequency_weighted_iou=float((truth * iou)[seen].sum() / truth.sum()),
        iou=tuple(iou.tolist()),
        counted_classes=int((union > 0).sum()),
    )


def mean_of_defined(values: Iterable[float]) -> float:
    """The mean of those that are not NaN; NaN when none is."""
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


class SegMetric:
    """Adds up the confusion matrix of a split, batch by batch, on the device of the predictions."""

    def __init__(self, num_classes: int, ignore: int) -> None:
        self.num_classes = num_classes
        self.ignore = ignore
        self.reset()

    def reset(self) -> None:
        self.confusion = torch.zeros(self.num_classes, self.num_classes, dtype=torch.int64)

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """prediction, target: (N, H, W) integer class ids. Raises ValueError on a stray label."""
        batch = confusion_matrix(prediction, target, self.num_classes, self.ignore)
        self.confusion = self.confusion.to(batch.device) + batch

    def mean_iou(self) -> float:
        return scores(self.confusion).mean_iou

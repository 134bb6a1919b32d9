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
    counts, seen = _count(prediction, target, num_classes, ignore)
    _check(seen, num_classes, ignore)
    return counts


def _count(prediction: Tensor, target: Tensor, num_classes: int, ignore: int) -> tuple[Tensor, Tensor]:
    """(N, K, K) counts; and (2,) the lowest and the highest stray label, which are left out of them; where there is
    none the highest is below the lowest. Nothing here makes a GPU wait."""
    image = torch.arange(len(target), device=target.device).view(-1, *[1] * (target.ndim - 1))
    target = target.long()
    inside = (target >= 0) & (target < num_classes) & (target != ignore)
    shape = (len(target), num_classes, num_classes)
    outside = math.prod(shape)  # one bin more
    cells = torch.where(inside, (image * num_classes + target) * num_classes + prediction.long(), outside)
    stray = ~inside & (target != ignore)
    most = torch.iinfo(target.dtype).max
    ends = [torch.where(stray, target, most).amin(), torch.where(stray, target, -most).amax()] if target.numel() else []
    seen = torch.stack(ends) if ends else torch.tensor([most, -most])
    return _histogram(cells.flatten(), outside + 1)[:-1].view(shape), seen


def _histogram(cells: Tensor, bins: int) -> Tensor:
    if cells.device.type == "cpu":
        return torch.bincount(cells, minlength=bins)
    # bincount asks a GPU for the largest cell first.
    return torch.zeros(bins, dtype=torch.int64, device=cells.device).index_add_(0, cells, torch.ones_like(cells))


def _check(seen: Tensor, num_classes: int, ignore: int) -> None:
    lowest, highest = seen.tolist()
    if lowest <= highest:
        stray = sorted({lowest, highest})
        raise ValueError(f"target has label {stray}; allowed: 0 to {num_classes - 1}, and {ignore} for ignored pixels")


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
    """Adds up the confusion matrix of a split, batch by batch, on the device of the predictions, from `counts` on."""

    def __init__(self, num_classes: int, ignore: int, counts: Tensor | None = None) -> None:
        self.num_classes = num_classes
        self.ignore = ignore
        self.reset()
        if counts is not None:
            self._counts = counts

    def reset(self) -> None:
        self._counts = torch.zeros(self.num_classes, self.num_classes, dtype=torch.int64)
        self._seen: list[Tensor] = []

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """prediction, target: (N, H, W) integer class ids."""
        counts, seen = _count(prediction, target, self.num_classes, self.ignore)
        self._counts = self._counts.to(counts.device) + counts.sum(0)
        self._seen.append(seen)

    @property
    def confusion(self) -> Tensor:
        """(K, K) int64. Raises ValueError on a stray label in what it was updated with."""
        for seen in self._seen:
            _check(seen, self.num_classes, self.ignore)
        return self._counts

    def mean_iou(self) -> float:
        return scores(self.confusion).mean_iou

"""Boundary IoU (Cheng et al. 2021, "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation").

The boundary of a class is the set of its pixels within d of a pixel that is not of it, in the sense of d erosions by
a 3x3 square; d is 2 % of the image diagonal, rounded, and at least one pixel. What lies beyond the image is of no
class, so the image border is boundary, as in the authors' code. The paper scores single objects; here intersections
and unions are added up per class over a whole split.

A pixel that the truth ignores is no boundary, makes none of its neighbours boundary, and is not counted, whatever is
predicted there.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

DISTANCE = 0.02  # of the image diagonal
_OUTSIDE = 255


def boundary_distance(height: int, width: int) -> int:
    """d in pixels of an image of this size."""
    return max(1, round(DISTANCE * math.hypot(height, width)))


def boundary(labels: Tensor, ignored: Tensor, distance: int) -> Tensor:
    """labels (N, H, W) class ids below 255, ignored (N, H, W) bool -> (N, H, W) bool, the boundaries of all classes.

    A pixel survives the erosion of its class when its window of 2 * distance + 1 holds no other class: when the
    window's least and greatest label agree. That is two filters for all the classes instead of one for each.
    """
    labels = labels.byte()
    pad, size = (distance,) * 4, 2 * distance + 1
    # An ignored pixel is neutral in either filter: 0 cannot raise a maximum, 255 cannot lower a minimum.
    greatest = _filter(torch.maximum, F.pad(labels.masked_fill(ignored, 0), pad, value=_OUTSIDE), size)
    least = _filter(torch.minimum, F.pad(labels.masked_fill(ignored, _OUTSIDE), pad, value=_OUTSIDE), size)
    return (greatest != least) & ~ignored


def _filter(extreme: Callable[[Tensor, Tensor], Tensor], padded: Tensor, size: int) -> Tensor:
    """The extreme over every window of `size` x `size`, along one axis after the other, the width doubling."""
    for axis in (1, 2):
        width = 1
        while width < size:
            step = min(width, size - width)
            length = padded.shape[axis] - step
            padded = extreme(padded.narrow(axis, 0, length), padded.narrow(axis, step, length))
            width += step
    return padded


class BoundaryMetric:
    """Adds up, per class, the boundary pixels of truth and prediction, batch by batch, on their device."""

    def __init__(self, num_classes: int, ignore: int) -> None:
        self.num_classes = num_classes
        self.ignore = ignore
        self.counts = torch.zeros(3, num_classes, dtype=torch.int64)  # truth, prediction, both

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """prediction, target: (N, H, W) integer class ids, every target a class or `ignore`."""
        ignored = target == self.ignore
        distance = boundary_distance(*target.shape[1:])
        in_target = boundary(target, ignored, distance)
        in_prediction = boundary(prediction, ignored, distance)
        both = in_target & in_prediction & (target == prediction)
        counted = (target[in_target], prediction[in_prediction], target[both])
        batch = torch.stack([torch.bincount(labels, minlength=self.num_classes) for labels in counted])
        self.counts = self.counts.to(batch.device) + batch

    def iou(self) -> list[float]:
        """Per class; NaN for a class that has boundary neither in the truth nor in the prediction."""
        truth, predicted, both = self.counts.cpu().double()
        iou: list[float] = (both / (truth + predicted - both)).tolist()  # 0 / 0 is NaN, as it should be
        return iou

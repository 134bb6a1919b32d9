"""IoU by the size of the objects, which a mean over pixels leaves to the large ones.

An object is a connected component (8 neighbours) of one class in the truth. It is small below 32^2 pixels, large from
96^2 pixels on, and medium between, in an image of 640 x 480 (the sizes of COCO); as shares of the image area, below
1/300 and from 3 % on, the sizes do not depend on the resolution.

A true positive or a false negative belongs to the object it lies in. The false positives of a class lie in no object of
it: those of an image are shared out among its objects of that class in proportion to their areas (Wang et al. 2023,
"Revisiting Evaluation Metrics for Semantic Segmentation", mIoU^K). There the IoU of every object is averaged; here the
counts of a class and size are added up over a split first, as in every other IoU of ours, so that an object of one
pixel does not weigh as much as one of a thousand. False positives in an image without an object of the class have
nobody to be shared out to and are left to the plain IoU. Ignored pixels belong to no object and are no false positives.
"""

import numpy as np
import numpy.typing as npt
from torch import Tensor

from segtrain.records import OBJECT_SIZES

LEAST_SHARE = (1 / 300, 0.03)  # of the image area, for medium and for large
_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=int)


class ObjectSizeMetric:
    """Adds up, per size and class, the areas, true positives and shared false positives of objects, on the CPU."""

    def __init__(self, num_classes: int, ignore: int) -> None:
        self.num_classes = num_classes
        self.ignore = ignore
        shape = (len(OBJECT_SIZES), num_classes)
        self.area = np.zeros(shape, dtype=np.int64)
        self.hits = np.zeros(shape, dtype=np.int64)
        self.false_positives = np.zeros(shape)

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """prediction, target: (N, H, W) integer class ids, every target a class or `ignore`."""
        for labels, truth in zip(prediction.cpu().numpy(), target.cpu().numpy(), strict=True):
            self._update(labels, truth)

    def _update(self, prediction: npt.NDArray[np.int64], truth: npt.NDArray[np.int64]) -> None:
        from scipy import ndimage  # most of a second, which a trial need not wait for before it trains

        right = prediction == truth
        wrong = prediction[~right & (truth != self.ignore)]
        false_positives = np.bincount(wrong, minlength=self.num_classes)
        boxes = ndimage.find_objects(truth + 1, self.num_classes)  # 0 is background to it, and beyond K is left out
        for label, box in enumerate(boxes):
            if box is None:
                continue
            objects, count = ndimage.label(truth[box] == label, _EIGHT_NEIGHBOURS)
            areas = np.bincount(objects.ravel(), minlength=count + 1)[1:]
            hits = np.bincount(objects[right[box]], minlength=count + 1)[1:]
            sizes = np.searchsorted(LEAST_SHARE, areas / truth.size, side="right")
            area = np.bincount(sizes, areas, minlength=len(OBJECT_SIZES)).astype(np.int64)
            self.area[:, label] += area
            self.hits[:, label] += np.bincount(sizes, hits, minlength=len(OBJECT_SIZES)).astype(np.int64)
            self.false_positives[:, label] += false_positives[label] * area / area.sum()

    def iou(self) -> dict[str, list[float]]:
        """Size -> IoU per class; NaN for a class that has no object of the size."""
        with np.errstate(invalid="ignore"):
            iou = self.hits / (self.area + self.false_positives)  # 0 / 0 is NaN, as it should be
        return dict(zip(OBJECT_SIZES, iou.tolist(), strict=True))

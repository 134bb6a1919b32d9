"""Boundary IoU: by hand, against erosion of one class after the other, and what has to hold whatever the labels."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from segtrain.metrics.boundary import BoundaryMetric, boundary, boundary_distance

IGNORE = 255
K = 4


def blobs(seed: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """(prediction, target) of 3 images in blocks of a few pixels, a tenth of the blocks of the target ignored."""
    rng = np.random.default_rng(seed)
    labels = []
    for kinds in ([*range(K)], [*range(K)] * 2 + [IGNORE]):
        blocks = rng.choice(kinds, (3, -(-height // 13), -(-width // 17)))
        labels.append(torch.from_numpy(np.kron(blocks, np.ones((1, 13, 17), dtype=int))[:, :height, :width].copy()))
    target = labels[1]
    return torch.where(torch.rand(target.shape) < 0.7, target.clamp(max=K - 1), labels[0]), target


def iou(prediction: Tensor, target: Tensor, classes: int = K, batch: int = 100) -> list[float]:
    metric = BoundaryMetric(classes, IGNORE)
    for part in zip(prediction.split(batch), target.split(batch), strict=True):
        metric.update(*part)
    return metric.iou()


@pytest.mark.parametrize(
    ("height", "width", "distance"), [(480, 640, 16), (1024, 2048, 46), (96, 128, 3), (64, 64, 2), (10, 10, 1)]
)
def test_the_distance_is_two_percent_of_the_diagonal(height: int, width: int, distance: int) -> None:
    assert boundary_distance(height, width) == distance


@pytest.mark.parametrize(("distance", "inside"), [(1, 6 * 5), (2, 4 * 3), (3, 2 * 1), (4, 0)])
def test_the_image_border_is_boundary(distance: int, inside: int) -> None:
    labels = torch.zeros(1, 8, 7, dtype=torch.int64)
    found = boundary(labels, labels != 0, distance)
    assert (~found).sum() == inside
    assert not found[0, distance:-distance, distance:-distance].any()


def test_boundary_iou_by_hand() -> None:
    """7 x 8 pixels, d = 1. True: four columns each. Predicted: five and three.

    Rims of class 0: 18 and 20 pixels, of which 13 are shared: the two rows' ends and the left column. Of class 1: 18
    and 16, of which 11 are shared.
    """
    target = (torch.arange(8) >= 4).long().expand(1, 7, 8)
    prediction = (torch.arange(8) >= 5).long().expand(1, 7, 8)
    assert iou(prediction, target, 2) == pytest.approx([13 / (18 + 20 - 13), 11 / (18 + 16 - 11)])


def test_an_ignored_pixel_makes_no_boundary_and_is_none() -> None:
    target = torch.zeros(1, 5, 5, dtype=torch.int64)
    target[0, 2, 2] = IGNORE
    found = boundary(target, target == IGNORE, 1)
    assert found.sum() == 16
    assert not found[0, 1:4, 1:4].any()
    for label in range(3):  # whatever is predicted there
        prediction = torch.zeros(1, 5, 5, dtype=torch.int64)
        prediction[0, 2, 2] = label
        metric = BoundaryMetric(3, IGNORE)
        metric.update(prediction, target)
        assert metric.counts.tolist() == [[16, 0, 0]] * 3


def eroded(mask: np.ndarray, distance: int) -> np.ndarray:
    return ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=distance, border_value=0)


@pytest.mark.parametrize(("height", "width"), [(30, 41), (60, 80), (96, 128), (128, 190)])
def test_as_erosion_of_one_class_after_the_other(height: int, width: int) -> None:
    """The definition, with 3 x 3 erosions; an ignored pixel stands for whatever class is eroded."""
    prediction, target = blobs(height, height, width)
    distance = boundary_distance(height, width)
    intersection, union = np.zeros(K), np.zeros(K)
    for labels, truth in zip(prediction.numpy(), target.numpy(), strict=True):
        ignored = truth == IGNORE
        for label in range(K):
            rims = [
                (kind == label) & ~ignored & ~eroded((kind == label) | ignored, distance) for kind in (labels, truth)
            ]
            intersection[label] += (rims[0] & rims[1]).sum()
            union[label] += (rims[0] | rims[1]).sum()
    assert intersection.min() > 0
    assert iou(prediction, target) == (intersection / union).tolist()


def test_the_truth_itself_scores_one_and_an_absent_class_nothing() -> None:
    target = torch.zeros(2, 20, 20, dtype=torch.int64)
    target[0, 5:15, 5:15] = 2
    found = iou(target, target, 3)
    assert (found[0], found[2]) == (1.0, 1.0)
    assert math.isnan(found[1])
    assert iou(torch.ones_like(target), target, 3)[1] == 0.0  # predicted only


def test_an_image_of_ignored_pixels_adds_nothing() -> None:
    target = torch.full((1, 20, 20), IGNORE)
    metric = BoundaryMetric(K, IGNORE)
    metric.update(torch.zeros_like(target), target)
    assert not metric.counts.any()
    assert all(math.isnan(value) for value in metric.iou())


@pytest.mark.parametrize("batch", [1, 2])
def test_the_sum_over_batches_is_the_whole(batch: int) -> None:
    prediction, target = blobs(1, 40, 50)
    assert iou(prediction, target, batch=batch) == iou(prediction, target)


def test_renaming_the_classes_and_turning_the_image_change_nothing() -> None:
    prediction, target = blobs(2, 40, 50)
    names = torch.tensor([2, 0, 3, 1])
    renamed = torch.where(target == IGNORE, target, names[target.clamp(max=K - 1)])
    before = iou(prediction, target)
    after = iou(names[prediction], renamed)
    assert [after[name] for name in names] == before
    assert iou(prediction.rot90(1, (1, 2)), target.rot90(1, (1, 2))) == before


def test_the_last_label_below_the_ignore_id_is_a_class_like_any_other() -> None:
    target = torch.zeros(1, 20, 20, dtype=torch.int64)
    target[0, :, 10:] = 254
    assert iou(target, target, 255)[254] == 1.0

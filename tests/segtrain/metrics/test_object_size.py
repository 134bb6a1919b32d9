"""IoU by object size: by hand, against a loop over objects, and what has to hold whatever the labels.

Images of 50 x 60 pixels: an object is medium from 10 pixels on, and large from 90.
"""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

from segtrain.metrics.confusion import confusion_matrices
from segtrain.metrics.object_size import ObjectSizeMetric

IGNORE = 255
K = 4
SIZES = ("small", "medium", "large")


def empty(images: int = 1) -> Tensor:
    return torch.zeros(images, 50, 60, dtype=torch.int64)


def specks(seed: int, images: int = 3) -> tuple[Tensor, Tensor]:
    """(prediction, target): rectangles of all sizes, the prediction off by a few pixels, some of the target ignored."""
    rng = np.random.default_rng(seed)
    target, prediction = empty(images), empty(images)
    for image in range(images):
        for _ in range(25):
            top, left, height, width = rng.integers([0, 0, 1, 1], [48, 58, 13, 13])
            shift, label = rng.integers(0, 3), rng.integers(1, K)
            target[image, top : top + height, left : left + width] = label
            prediction[image, top : top + height, left + shift : left + shift + width] = label
    target[torch.from_numpy(rng.random(target.shape) < 0.02)] = IGNORE
    return prediction, target


def metric_of(prediction: Tensor, target: Tensor, batch: int = 100) -> ObjectSizeMetric:
    metric = ObjectSizeMetric(K, IGNORE)
    for part in zip(prediction.split(batch), target.split(batch), strict=True):
        metric.update(*part)
    return metric


@pytest.mark.parametrize(
    ("height", "width", "size"), [(3, 3, 0), (1, 10, 1), (2, 5, 1), (4, 22, 1), (9, 10, 2), (10, 9, 2)]
)
def test_the_sizes_are_those_of_coco_as_shares_of_the_image(height: int, width: int, size: int) -> None:
    """32^2 and 96^2 pixels of 640 x 480 are 10 and 90 of 60 x 50; who has the least share is in."""
    target = empty()
    target[0, 5 : 5 + height, 5 : 5 + width] = 1
    expected = [0, 0, 0]
    expected[size] = height * width
    assert metric_of(target, target).area[:, 1].tolist() == expected


def test_iou_by_size_by_hand() -> None:
    """Class 1 has objects of 9 and of 90 pixels; 6 and 80 are found, and 22 pixels predicted outside of both.

    Of the 22, the objects take 2 and 20. The second image has nothing of class 1, so its 50 false pixels are nobody's.
    """
    target, prediction = empty(2), empty(2)
    target[0, 2:5, 2:5] = target[0, 10:19, 10:20] = 1
    prediction[0, 2:4, 2:5] = prediction[0, 10:18, 10:20] = 1
    prediction[0, 30:32, 30:41] = 1
    prediction[1, :5, :10] = 1
    found = metric_of(prediction, target).iou()
    assert found["small"][1] == pytest.approx(6 / (9 + 2))
    assert found["large"][1] == pytest.approx(80 / (90 + 20))
    assert math.isnan(found["medium"][1])
    # Background: 2901 and 3000 pixels, of which 22 and 50 are missed; 13 pixels are background by mistake.
    assert found["large"][0] == pytest.approx((5901 - 72) / (5901 + 13))
    assert [math.isnan(found[size][2]) for size in SIZES] == [True] * 3
    assert tuple(found) == SIZES


def test_objects_that_touch_at_a_corner_are_one() -> None:
    target = empty()
    target[0, 2:5, 2:5] = target[0, 5:8, 5:8] = 1
    assert metric_of(target, target).area[:, 1].tolist() == [0, 18, 0]


def test_touching_objects_of_two_classes_are_two() -> None:
    target = empty()
    target[0, 2:5, 2:5], target[0, 2:5, 5:8] = 1, 2
    assert metric_of(target, target).area[:, 1:3].tolist() == [[9, 9], [0, 0], [0, 0]]


def test_ignored_pixels_belong_to_nothing_and_part_objects() -> None:
    target, prediction = empty(), empty()
    target[0, 2:5, 2:8] = 1
    target[0, :, 5] = IGNORE
    prediction[0, :, 5] = 1
    metric = metric_of(prediction, target)
    assert metric.area[:, 1].tolist() == [9 + 6, 0, 0]
    assert not metric.false_positives[:, 1].any()
    metric = metric_of(prediction, torch.full_like(target, IGNORE))
    assert all(not counts.any() for counts in (metric.area, metric.hits, metric.false_positives))
    assert all(math.isnan(value) for size in SIZES for value in metric.iou()[size])


def objects_of(truth: list[list[int]], label: int) -> list[set[tuple[int, int]]]:
    """By flooding."""
    left = {(y, x) for y, row in enumerate(truth) for x, value in enumerate(row) if value == label}
    found = []
    while left:
        item, edge = set(), [left.pop()]
        while edge:
            y, x = edge.pop()
            item.add((y, x))
            near = {(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            edge += near
        found.append(item)
    return found


def test_as_a_loop_over_the_objects() -> None:
    """Each object has its own area, hits and share of the false positives, in fractions."""
    prediction, target = specks(0)
    above = {size: [Fraction(0)] * K for size in SIZES}
    below = {size: [Fraction(0)] * K for size in SIZES}
    for labels, truth in zip(prediction.tolist(), target.tolist(), strict=True):
        for label in range(K):
            false = sum(
                said == label and true not in (label, IGNORE)
                for pair in zip(labels, truth, strict=True)
                for said, true in zip(*pair, strict=True)
            )
            objects = objects_of(truth, label)
            total = sum(len(item) for item in objects)
            for item in objects:
                size = SIZES[(len(item) >= 10) + (len(item) >= 90)]
                above[size][label] += sum(labels[y][x] == label for y, x in item)
                below[size][label] += len(item) + Fraction(false * len(item), total)
    found = metric_of(prediction, target).iou()
    for size in SIZES:
        expected = [float(a / b) if b else math.nan for a, b in zip(above[size], below[size], strict=True)]
        assert found[size] == pytest.approx(expected, nan_ok=True)
    assert not math.isnan(sum(found["small"][1:] + found["medium"][1:] + found["large"]))


@pytest.mark.parametrize("seed", range(3))
def test_the_sizes_add_up_to_the_confusion_matrix(seed: int) -> None:
    prediction, target = specks(seed)
    metric = metric_of(prediction, target)
    images = confusion_matrices(prediction, target, K, IGNORE).numpy()
    truth, hits = images.sum(2), images.diagonal(axis1=1, axis2=2)
    assert metric.area.sum(0).tolist() == truth.sum(0).tolist()
    assert metric.hits.sum(0).tolist() == hits.sum(0).tolist()
    shared = ((images.sum(1) - hits) * (truth > 0)).sum(0)
    assert metric.false_positives.sum(0) == pytest.approx(shared)


def test_the_resolution_does_not_matter() -> None:
    prediction, target = specks(1)
    twice = [labels.repeat_interleave(2, 1).repeat_interleave(2, 2) for labels in (prediction, target)]
    found, expected = metric_of(*twice).iou(), metric_of(prediction, target).iou()
    for size in SIZES:
        assert found[size] == pytest.approx(expected[size], nan_ok=True)


@pytest.mark.parametrize("batch", [1, 2])
def test_the_batch_size_does_not_matter_to_the_bit(batch: int) -> None:
    prediction, target = specks(2)
    np.testing.assert_equal(metric_of(prediction, target, batch).iou(), metric_of(prediction, target).iou())

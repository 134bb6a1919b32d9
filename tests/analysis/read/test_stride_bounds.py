"""Upper bounds by stride: by hand, and that they are bounds."""

import numpy as np
import pytest

from analysis.read.stride_bounds import STRIDES, count_at_strides, mean_iou

IGNORE = 255


def at(stride: int, labels: np.ndarray, classes: int = 2) -> np.ndarray:
    return count_at_strides(labels, classes, IGNORE)[STRIDES.index(stride)]


def test_a_cell_says_its_most_frequent_class() -> None:
    """Two cells of 4 x 4: the left one with a pixel of class 1, the right one wholly of class 1 but for two ignored."""
    labels = np.zeros((4, 8), np.uint8)
    labels[0, 0] = 1
    labels[:, 4:] = 1
    labels[0, 6:] = IGNORE
    found = at(4, labels)
    assert found.tolist() == [[15, 0], [1, 14]]
    assert mean_iou(found) == pytest.approx((15 / 16 + 14 / 15) / 2)
    # One cell of 8 holds both: 15 of class 0 against 15, and the first wins.
    assert at(8, labels).tolist() == [[15, 0], [15, 0]]


def test_sizes_that_no_stride_divides_have_smaller_cells_at_the_border() -> None:
    labels = np.zeros((5, 6), np.uint8)
    labels[4, 4:] = 1
    assert at(4, labels).tolist() == [[28, 0], [0, 2]]


def test_finer_strides_allow_more_and_what_occurs_nowhere_is_left_out() -> None:
    rng = np.random.default_rng(0)
    labels = np.kron(rng.integers(0, 3, (40, 40)), np.ones((8, 8), int)).astype(np.uint8)
    found = [mean_iou(confusion) for confusion in count_at_strides(labels, 4, IGNORE)]
    assert found == sorted(found)
    assert found[0] < 0.5
    assert found[-2:] == [1.0, 1.0]  # the squares of the picture are 8 pixels wide
    assert np.isnan(mean_iou(np.zeros((4, 4), np.int64)))

"""Over how many classes a mean IoU is, and which epoch is the best where epochs count different ones."""

import pytest

from analysis.read.counted_classes import comparable_best, count_classes, counted_text

NAN = float("nan")


def test_classes_without_an_iou_do_not_count() -> None:
    assert count_classes([0.5, None, 0.0, NAN]) == 2
    assert count_classes([]) == 0


@pytest.mark.parametrize(
    ("counts", "text"),
    [([13, 13], ""), ([], ""), ([12, 12], "12 of 13"), ([13, 11, 12], "11 to 13 of 13"), ([13, 12], "12 to 13 of 13")],
)
def test_only_what_counts_fewer_than_all_is_told(counts: list[int], text: str) -> None:
    assert counted_text(counts, 13) == text


def test_epochs_are_compared_over_the_classes_that_all_of_them_count() -> None:
    # A stray pixel of the third class takes the second epoch's mean from 0.7 to 0.467, below the first one's 0.6.
    assert comparable_best({1: [0.6, 0.6, None], 2: [0.7, 0.7, 0.0]}) == 2
    assert comparable_best({1: [0.6, 0.6, None], 2: [0.6, 0.6, 0.0]}) == 1  # the first on a tie


def test_epochs_that_count_the_same_have_nothing_to_be_told() -> None:
    assert comparable_best({1: [0.6, None], 2: [0.7, None]}) is None
    assert comparable_best({}) is None
    assert comparable_best({1: [0.6, None], 2: [None, 0.6]}) is None  # no class that both count
    assert comparable_best({1: [0.6], 2: [0.6, None]}) is None  # of other data

"""What metrics are called, and the units of their differences."""

import pytest

from analysis.draw.metric_words import unit_of, words_of
from analysis.statistics.claim_metrics import COLUMNS


@pytest.mark.parametrize(
    ("metric", "words", "unit"),
    [
        ("test/mean_iou", "test mean IoU", "points"),
        ("iou[Fences]", "IoU of Fences", "points"),
        ("confusion[border, pet]", "truth border predicted as pet", "points"),
        ("val/mean_iou[3]", "validation mean IoU at epoch 3", "points"),
        ("peak_memory_bytes", "peak memory", "MiB"),
        ("epoch_s", "time of an epoch", "s"),
        ("test/geometric/pixel_accuracy", "pixel accuracy (geometric)", "points"),
        ("test/geometric/mean_iou", "test mean IoU (geometric)", "points"),
        ("test/geometric/loss", "test loss (geometric)", "nats"),
        ("train/loss[1]", "training loss at epoch 1", "nats"),
        ("no such", "no such", ""),
    ],
)
def test_words_and_unit(metric: str, words: str, unit: str) -> None:
    assert (words_of(metric), unit_of(metric).name) == (words, unit)


def test_memory_is_shown_in_mebibytes_and_scores_in_points() -> None:
    shown = [
        format(value * unit_of(m).scale, unit_of(m).form)
        for m, value in (("peak_memory_bytes", -(2**21)), ("iou", 0.0123))
    ]
    assert shown == ["-2", "+1.23"]


def test_no_metric_that_a_claim_may_name_is_shown_by_its_key() -> None:
    assert [name for name in COLUMNS if words_of(name) == name or not unit_of(name).name] == []

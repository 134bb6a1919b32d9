"""Costs: operations counted exactly, and how long trials take on slots."""

import pytest

from segtrain.config import TrialConfig
from sweeps.engine.plan.cost import end_times, epoch_flops, makespan, percent
from sweeps.engine.plan.preview import feature_note

CONFIG = TrialConfig(arch="fcn32s", dataset="scenes", init="scratch", image_height=64, image_width=64, epochs=4)
VGG16_MACS_PER_PIXEL_AT_STRIDE_1 = (
    # 3x3 convolutions by stage: input and output channels of each, over the pixels that are left
    sum(9 * i * o for i, o in ((3, 64), (64, 64)))
    + sum(9 * i * o for i, o in ((64, 128), (128, 128))) / 4
    + sum(9 * i * o for i, o in ((128, 256), (256, 256), (256, 256))) / 16
    + sum(9 * i * o for i, o in ((256, 512), (512, 512), (512, 512))) / 64
    + sum(9 * i * o for i, o in ((512, 512), (512, 512), (512, 512))) / 256
)
HEAD_MACS_PER_PIXEL = (49 * 512 * 4096 + 4096 * 4096 + 4096 * 13) / 1024


def test_evaluation_is_two_operations_for_each_multiply_add() -> None:
    # Every epoch of four trains no image; two validations of 10 images are spread over the four.
    flops = epoch_flops(CONFIG, {"train": 0, "val": 10, "test": 0})
    macs = (VGG16_MACS_PER_PIXEL_AT_STRIDE_1 + HEAD_MACS_PER_PIXEL) * 64 * 64
    assert flops == pytest.approx(2 * macs * 10 * 2 / 4, rel=1e-12)


def test_training_costs_three_passes_and_a_frozen_encoder_saves_its_two() -> None:
    images = {"train": 1, "val": 0, "test": 0}
    encoder, head = VGG16_MACS_PER_PIXEL_AT_STRIDE_1 * 64 * 64, HEAD_MACS_PER_PIXEL * 64 * 64
    first_layer = 9 * 3 * 64 * 64 * 64  # needs no gradient of the image
    assert epoch_flops(CONFIG, images) == pytest.approx(2 * (3 * (encoder + head) - first_layer), rel=1e-12)
    fc6 = 49 * 512 * 4096 * 4  # needs no gradient of its input when what is before it is frozen
    frozen = epoch_flops(CONFIG.edit(freeze="encoder"), images)
    assert frozen == pytest.approx(2 * (encoder + 3 * head - fc6), rel=1e-12)


def test_the_last_epoch_is_validated_and_tests_count() -> None:
    validated = epoch_flops(CONFIG.edit(epochs=3, val_every=2), {"train": 0, "val": 3, "test": 0})
    tested = epoch_flops(CONFIG.edit(epochs=3), {"train": 0, "val": 0, "test": 3})
    assert validated == pytest.approx(2 * tested)
    every = epoch_flops(CONFIG.edit(epochs=3, test_every=1), {"train": 0, "val": 0, "test": 3})
    assert every == pytest.approx(4 * tested)


@pytest.mark.parametrize(
    ("durations", "slots", "seconds"),
    [
        ([], 2, 0.0),
        ([("a", 5.0, None), ("b", 3.0, None), ("c", 2.0, None)], 1, 10.0),
        ([("a", 5.0, None), ("b", 3.0, None), ("c", 2.0, None)], 2, 5.0),
        # A parent of 4 s holds both children back, whatever the slots.
        ([("p", 4.0, None), ("a", 2.0, "p"), ("b", 3.0, "p")], 8, 7.0),
        # One slot trains an orphan meanwhile.
        ([("p", 4.0, None), ("a", 2.0, "p"), ("x", 9.0, None)], 2, 9.0),
        # A parent that is not in the list has ended already.
        ([("a", 2.0, "p")], 1, 2.0),
    ],
)
def test_makespan(durations: list[tuple[str, float, str | None]], slots: int, seconds: float) -> None:
    assert makespan(durations, slots) == seconds


def test_the_plan_tells_of_frozen_encoders_that_see_random_views() -> None:
    frozen = CONFIG.edit(freeze="encoder")
    assert feature_note([CONFIG, frozen, CONFIG.edit(random_scale=2)]) is None
    assert feature_note([frozen.edit(random_scale=2), frozen]) == (
        "The frozen encoder of 1 trial sees other random views in every epoch: its features are computed anew each "
        "time, where without augmentation they would be kept."
    )


def test_a_mean_over_fewer_classes_than_there_are_is_marked() -> None:
    """One stray pixel of a class that is nowhere in the truth: 12 IoUs of 0.8, and a thirteenth of 0."""
    assert percent(0.8, [0.8] * 12 + [None]) == "80.00 (12 of 13)"
    assert percent(0.8, [0.8] * 12 + [float("nan")]) == "80.00 (12 of 13)"
    assert percent(12 * 0.8 / 13, [0.8] * 12 + [0.0]) == "73.85"
    assert (percent(0.8), percent(None, [None])) == ("80.00", "-")


def test_what_would_not_end_in_time_is_left_out_with_its_children_and_smaller_ones_go_first() -> None:
    durations = [("big", 9.0, None), ("child", 1.0, "big"), ("a", 4.0, None), ("b", 3.0, None), ("c", 2.0, None)]
    assert end_times(durations, slots=1, within=6.0) == {"a": 4.0, "c": 6.0}
    assert end_times(durations, slots=1, within=0.5) == {}

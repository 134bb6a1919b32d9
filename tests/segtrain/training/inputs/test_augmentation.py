"""Random views: drawn from (seed, epoch, image) alone, and image and mask seen alike."""

import math
from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from segtrain.config import TrialConfig
from segtrain.data.cache import SplitArrays
from segtrain.data.spec import IGNORE, RGB
from segtrain.machine.device import Hardware
from segtrain.training.inputs.augmentation import Side, View, draw_views, place, show
from segtrain.training.inputs.batches import Batch, Inputs
from segtrain.training.inputs.random_views import RandomViews

HARDWARE = Hardware(torch.device("cpu"), "float32", 1)
FILL = [124, 116, 104]
ALL: dict[str, Any] = {"random_scale": 2, "random_rotation": 20, "vertical_flip": True, "color_jitter": 0.4}
PLAIN = View(1.0, 0.0, 0.0, flip=False, vertical_flip=False, angle=0.0, colours=None)


@pytest.fixture
def arrays() -> SplitArrays:
    """13 images of 32 x 48; a pixel's class is a thirtieth of its red."""
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 8, (13, 4, 6), dtype=np.uint8)
    masks = blocks.repeat(8, axis=1).repeat(8, axis=2)
    images = np.stack([30 * masks, rng.integers(0, 256, masks.shape, dtype=np.uint8), 10 + masks], axis=-1)
    return SplitArrays(images, masks)


def pixels(batch: Batch) -> Tensor:
    """(N, 3, H, W) uint8"""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (RGB.mean, RGB.std))
    return ((batch.images * std + mean) * 255).round().byte()


@pytest.mark.parametrize(
    ("length", "seen", "scale", "share", "found"),
    [
        (10, 10, 1, 0.9, Side(0, 10, 0, 10, 10)),
        (10, 4, 1, 0, Side(0, 4, 0, 4, 4)),
        (10, 4, 1, 0.99, Side(6, 10, 0, 4, 4)),
        (10, 4, 2, 0.5, Side(4, 6, 0, 4, 4)),
        (10, 20, 1, 0, Side(0, 10, 0, 10, 20)),
        (10, 20, 1, 0.99, Side(0, 10, 10, 20, 20)),
        (10, 10, 0.5, 0.5, Side(0, 10, 2, 8, 10)),
        (10, 4, 0.5, 0.99, Side(2, 10, 0, 4, 4)),
    ],
)
def test_where_a_view_lies(length: int, seen: int, scale: float, share: float, found: Side) -> None:
    assert place(length, seen, scale, share) == found


def test_a_view_never_leaves_what_there_is() -> None:
    rng = np.random.default_rng(0)
    for _ in range(3000):
        length, seen = rng.integers(1, 60, 2).tolist()
        side = place(length, seen, math.exp(rng.uniform(-2.3, 2.3)), rng.random())
        assert 0 <= side.start < side.stop <= length
        assert 0 <= side.first < side.last <= seen


def test_the_draws_are_of_seed_epoch_and_image(tiny: Callable[..., TrialConfig]) -> None:
    def drawn(seed: int, epoch: int, count: int = 9) -> list[View]:
        return draw_views(tiny(seed=seed, **ALL), epoch, np.zeros(count, dtype=bool))

    keys = [(seed, epoch) for seed in (0, 1) for epoch in (1, 2)]
    first = [drawn(*key) for key in keys]
    torch.manual_seed(5)
    assert [drawn(*key) for key in keys] == first
    assert len({view for views in first for view in views}) == len(keys) * 9
    assert drawn(0, 1, 20)[:9] == first[0]


def test_the_draws_keep_to_their_bounds_and_fill_them(tiny: Callable[..., TrialConfig]) -> None:
    views = draw_views(tiny(**ALL), 1, np.zeros(4000, dtype=bool))
    scales = np.log2([view.scale for view in views])
    assert (scales.min(), scales.max()) == pytest.approx((-1, 1), abs=0.01)
    assert np.mean(scales) == pytest.approx(0, abs=0.05)  # as often larger as smaller
    angles = [view.angle for view in views]
    assert (min(angles), max(angles)) == pytest.approx((-20, 20), abs=0.1)
    colours = np.array([view.colours for view in views])
    assert colours.min(0) == pytest.approx([0.6, 0.6, 0.6, -0.1], abs=0.01)
    assert colours.max(0) == pytest.approx([1.4, 1.4, 1.4, 0.1], abs=0.01)
    assert np.mean([view.vertical_flip for view in views]) == pytest.approx(0.5, abs=0.05)
    assert np.abs(np.corrcoef([scales, angles, *colours.T]) - np.eye(6)).max() < 0.06


def test_order_and_flips_are_those_of_a_trial_that_is_not_augmented(
    tiny: Callable[..., TrialConfig], arrays: SplitArrays
) -> None:
    """With the mildest augmentation there is, the same batches up to what it does to the colours."""
    mild = tiny(color_jitter=1e-9, seed=3)
    plain = Inputs(arrays, HARDWARE).training_batches(tiny(seed=3), 2)
    for found, wanted in zip(RandomViews(arrays, HARDWARE).training_batches(mild, 2), plain, strict=True):
        assert torch.equal(found.target, wanted.target)
        assert (pixels(found).int() - pixels(wanted).int()).abs().max() <= 2
        assert found.images is not None
        assert found.images.is_contiguous(memory_format=torch.channels_last)


def test_the_same_batches_whatever_came_before(tiny: Callable[..., TrialConfig], arrays: SplitArrays) -> None:
    views, config = RandomViews(arrays, HARDWARE), tiny(**ALL)
    first = [list(views.training_batches(config, epoch)) for epoch in (1, 2)]
    torch.rand(3)
    again = [list(RandomViews(arrays, HARDWARE).training_batches(config, epoch)) for epoch in (2, 1)][::-1]
    for one, other in zip(chain(*first), chain(*again), strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.target, other.target)
    assert not torch.equal(first[0][0].images, first[1][0].images)


@pytest.mark.parametrize(
    "edits", [{"random_scale": 4.0}, {"random_rotation": 180.0}, {"vertical_flip": True}, {**ALL, "color_jitter": 0.0}]
)
def test_image_and_mask_are_seen_alike(
    tiny: Callable[..., TrialConfig], arrays: SplitArrays, edits: dict[str, Any]
) -> None:
    """Red says the class wherever it has not been mixed with another's."""
    agreeing, seen = 0, 0
    for epoch in (1, 2, 3):
        for batch in RandomViews(arrays, HARDWARE).training_batches(tiny(**edits), epoch):
            assert batch.target.shape[1:] == (32, 48)
            assert batch.target[batch.target != IGNORE].max() < 8
            inside = batch.target != IGNORE
            red = pixels(batch)[:, 0].float() / 30
            agreeing += int(((red - batch.target).abs() < 0.2)[inside].sum())
            seen += int(inside.sum())
            assert (pixels(batch)[:, 2][~inside] - 104.0).abs().median() == 0 if (~inside).any() else True
    assert agreeing / seen > 0.65


def test_beyond_the_image_and_in_its_corners_is_the_mean_colour_ignored() -> None:
    image, mask = torch.full((3, 6, 8), 9, dtype=torch.uint8), torch.full((6, 8), 2, dtype=torch.uint8)
    rows, columns = Side(0, 6, 1, 7, 9), Side(0, 8, 0, 8, 8)
    shown, (labels,) = show(image, mask[None], rows, columns, PLAIN, FILL)
    assert labels.tolist() == [[IGNORE] * 8, *[[2] * 8] * 6, *[[IGNORE] * 8] * 2]
    assert shown[:, 0, 0].tolist() == shown[:, 8, 7].tolist() == FILL
    assert (shown[:, 1:7] == 9).all()
    view = View(1.0, 0.0, 0.0, flip=False, vertical_flip=False, angle=90.0, colours=None)
    shown, (labels,) = show(image[:, :, :], mask[None], Side(0, 6, 0, 6, 6), columns, view, FILL)
    assert (labels[:, [0, 7]] == IGNORE).all()
    assert (labels[:, 1:7] == 2).all()
    assert shown[:, 0, 0].tolist() == FILL


def test_masks_keep_their_labels_and_images_are_antialiased() -> None:
    """Stripes of a pixel become grey when the image is halved; their classes do not mix."""
    stripes = (torch.arange(32) % 2).expand(32, 32)
    image, mask = (200 * stripes).byte().expand(3, 32, 32), (7 * stripes).byte()
    side = Side(0, 32, 0, 16, 16)
    shown, (labels,) = show(image, mask[None], side, side, PLAIN, FILL)
    assert shown.shape == (3, 16, 16)
    assert (shown[:, 2:-2, 2:-2].float() - 100).abs().max() < 15
    assert set(labels.unique().tolist()) <= {0, 7}


def test_colours_by_hand() -> None:
    """Half the brightness; no saturation is grey."""
    image, mask = torch.tensor([200, 100, 50], dtype=torch.uint8).view(3, 1, 1), torch.zeros(1, 1, dtype=torch.uint8)
    side = Side(0, 1, 0, 1, 1)

    def seen(*colours: float) -> list[int]:
        view = View(1.0, 0.0, 0.0, flip=False, vertical_flip=False, angle=0.0, colours=(*colours,))  # type: ignore[arg-type]
        return show(image, mask[None], side, side, view, FILL)[0].flatten().tolist()  # type: ignore[no-any-return]

    assert seen(0.5, 1, 1, 0) == [100, 50, 25]
    assert seen(1, 1, 1, 0) == [200, 100, 50]
    assert len(set(seen(1, 1, 0, 0))) == 1
    assert seen(1, 1, 1, 1 / 3)[1] > 190  # red has become green

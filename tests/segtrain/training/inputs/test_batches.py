"""Batches: every image once an epoch, in an order and with flips that derive from (seed, epoch) alone."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from segtrain.config import TrialConfig
from segtrain.data.cache import SplitArrays
from segtrain.data.spec import IGNORE, RGB
from segtrain.machine.device import Hardware
from segtrain.training.inputs.batches import Batch, Inputs

HARDWARE = Hardware(torch.device("cpu"), "float32", 1)
COUNT, HEIGHT, WIDTH = 23, 4, 6


@pytest.fixture
def arrays() -> SplitArrays:
    """Random images; the mask's first row names its image, its second the columns, and a corner is ignored."""
    rng = np.random.default_rng(0)
    masks = np.zeros((COUNT, HEIGHT, WIDTH), dtype=np.uint8)
    masks[:, 0] = np.arange(COUNT)[:, None]
    masks[:, 1] = np.arange(WIDTH)
    masks[:, 3, 0] = IGNORE
    return SplitArrays(rng.integers(0, 256, (COUNT, HEIGHT, WIDTH, 3), dtype=np.uint8), masks)


def order(batches: Sequence[Batch]) -> list[int]:
    return [int(mask[0, 0]) for batch in batches for mask in batch.target]


def flipped(batches: Sequence[Batch]) -> list[bool]:
    """Whether each image is, by image."""
    found = {int(mask[0, 0]): int(mask[1, 0]) == WIDTH - 1 for batch in batches for mask in batch.target}
    return [found[index] for index in sorted(found)]


def pixels(batch: Batch) -> Tensor:
    """(N, H, W, 3): the images as they were, rounded."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (RGB.mean, RGB.std))
    return ((batch.images * std + mean) * 255).round().byte().permute(0, 2, 3, 1)


@pytest.mark.parametrize("batch_size", [1, 4, 23, 50])
def test_every_image_comes_once_and_the_last_batch_may_be_short(
    tiny: Callable[..., TrialConfig], arrays: SplitArrays, batch_size: int
) -> None:
    batches = list(Inputs(arrays, HARDWARE).training_batches(tiny(batch_size=batch_size), 1))
    assert sorted(order(batches)) == list(range(COUNT))
    sizes = [len(batch.target) for batch in batches]
    assert sizes[:-1] == [batch_size] * (len(sizes) - 1)
    assert sum(sizes) == COUNT


def test_order_and_flips_are_a_function_of_seed_and_epoch(
    tiny: Callable[..., TrialConfig], arrays: SplitArrays
) -> None:
    def drawn(seed: int, epoch: int) -> tuple[tuple[int, ...], tuple[bool, ...]]:
        batches = list(Inputs(arrays, HARDWARE).training_batches(tiny(seed=seed), epoch))
        return tuple(order(batches)), tuple(flipped(batches))

    keys = [(seed, epoch) for seed in (0, 1, 2) for epoch in (1, 2, 3)]
    first = [drawn(*key) for key in keys]
    np.random.seed(5)  # noqa: NPY002 - the global generators must not matter
    torch.manual_seed(5)
    assert [drawn(*key) for key in reversed(keys)] == first[::-1]
    assert len({images for images, _ in first}) == len(keys)
    assert len({flips for _, flips in first}) == len(keys)


def test_the_batch_size_changes_neither_order_nor_flips(tiny: Callable[..., TrialConfig], arrays: SplitArrays) -> None:
    small, large = (list(Inputs(arrays, HARDWARE).training_batches(tiny(batch_size=size), 2)) for size in (3, 11))
    assert order(small) == order(large)
    assert flipped(small) == flipped(large)


def test_image_and_mask_are_flipped_together(tiny: Callable[..., TrialConfig], arrays: SplitArrays) -> None:
    batches = list(Inputs(arrays, HARDWARE).training_batches(tiny(), 1))
    assert 0 < sum(flipped(batches)) < COUNT
    for batch in batches:
        for image, mask in zip(pixels(batch), batch.target, strict=True):
            index = int(mask[0, 0])
            turn = slice(None, None, -1 if int(mask[1, 0]) == WIDTH - 1 else 1)
            assert np.array_equal(image.numpy(), arrays.images[index][:, turn])
            assert np.array_equal(mask.numpy(), arrays.masks[index][:, turn])


def test_about_half_are_flipped(tiny: Callable[..., TrialConfig], arrays: SplitArrays) -> None:
    counts = [sum(flipped(list(Inputs(arrays, HARDWARE).training_batches(tiny(), epoch)))) for epoch in range(40)]
    assert 0.45 < sum(counts) / (40 * COUNT) < 0.55


def test_without_flips_none_is_flipped(tiny: Callable[..., TrialConfig], arrays: SplitArrays) -> None:
    plain = list(Inputs(arrays, HARDWARE).training_batches(tiny(flip=False), 1))
    assert not any(flipped(plain))
    assert order(plain) == order(list(Inputs(arrays, HARDWARE).training_batches(tiny(), 1)))


def test_shapes_types_and_memory(tiny: Callable[..., TrialConfig], arrays: SplitArrays) -> None:
    for batch in (
        next(Inputs(arrays, HARDWARE).training_batches(tiny(), 1)),
        next(Inputs(arrays, HARDWARE).evaluation_batches(4)),
    ):
        assert batch.images.shape == (4, 3, HEIGHT, WIDTH)
        assert batch.images.dtype == torch.float32
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        assert batch.target.shape == (4, HEIGHT, WIDTH)
        assert batch.target.dtype == torch.int64


def test_ignored_pixels_stay_ignored(tiny: Callable[..., TrialConfig], arrays: SplitArrays) -> None:
    for batch in Inputs(arrays, HARDWARE).training_batches(tiny(), 1):
        assert (batch.target == IGNORE).sum().item() == len(batch.target)


def test_normalisation_by_hand() -> None:
    """Pixel (124, 116, 104) is nearly ImageNet's mean, and red 255 is (1 - 0.485) / 0.229 above it."""
    images = np.zeros((1, 1, 2, 3), dtype=np.uint8)
    images[0, 0] = [(124, 116, 104), (255, 0, 0)]
    batch = next(Inputs(SplitArrays(images, np.zeros((1, 1, 2), dtype=np.uint8)), HARDWARE).evaluation_batches(1))
    assert batch.images[0, :, 0, 0].tolist() == pytest.approx([0.0, 0.0, 0.0], abs=0.01)
    assert batch.images[0, :, 0, 1].tolist() == pytest.approx([0.515 / 0.229, -0.456 / 0.224, -0.406 / 0.225], rel=1e-5)


def test_evaluation_takes_the_images_as_they_are_in_order(arrays: SplitArrays) -> None:
    batches = list(Inputs(arrays, HARDWARE).evaluation_batches(5))
    assert order(batches) == list(range(COUNT))
    assert np.array_equal(torch.cat([pixels(batch) for batch in batches]).numpy(), arrays.images)
    assert np.array_equal(torch.cat([batch.target for batch in batches]).numpy(), arrays.masks)


def test_evaluation_of_chosen_images(arrays: SplitArrays) -> None:
    assert order(list(Inputs(arrays, HARDWARE).evaluation_batches(2, np.array([7, 0, 22])))) == [7, 0, 22]


def test_a_batch_does_not_write_into_the_cache(tiny: Callable[..., TrialConfig], arrays: SplitArrays) -> None:
    images, masks = arrays.images.copy(), arrays.masks.copy()
    for batch in Inputs(arrays, HARDWARE).training_batches(tiny(), 1):
        batch.images.zero_()
        batch.target.zero_()
    assert np.array_equal(arrays.images, images)
    assert np.array_equal(arrays.masks, masks)

"""Batches of other channels than RGB."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from segtrain.config import TrialConfig
from segtrain.data.cache import SplitArrays
from segtrain.data.spec import Channels
from segtrain.machine.device import Hardware
from segtrain.training.inputs.batches import Inputs
from segtrain.training.inputs.random_views import RandomViews

HARDWARE = Hardware(torch.device("cpu"), "float32", threads=1)
NEAR = Channels(("red", "near infrared"), (0.25, 0.5), (0.5, 0.125), bits=16)


@pytest.fixture
def arrays() -> SplitArrays:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 2**16, (6, 32, 48, 2), dtype=np.uint16)
    images[0, 0, 0] = 0, 2**16 - 1
    return SplitArrays(images, rng.integers(0, 3, (6, 32, 48), dtype=np.uint8), channels=NEAR)


def expected(arrays: SplitArrays, row: int) -> torch.Tensor:
    values = torch.from_numpy(arrays.images[row].astype(np.float64) / 65535).permute(2, 0, 1)
    mean, std = (torch.tensor(each, dtype=torch.float64).view(2, 1, 1) for each in (NEAR.mean, NEAR.std))
    return ((values - mean) / std).float()


def test_sixteen_bits_are_normalised_by_the_channels_own_numbers(arrays: SplitArrays) -> None:
    """The values above 32767 among them, which int16 would take for negative ones."""
    (batch,) = Inputs(arrays, HARDWARE).evaluation_batches(6)
    assert batch.images is not None
    assert torch.allclose(batch.images[0, :, 0, 0], torch.tensor([-0.5, 4.0]))
    for row in range(6):
        assert torch.allclose(batch.images[row], expected(arrays, row), atol=1e-5)


def test_flips_turn_every_channel_and_the_mask(arrays: SplitArrays) -> None:
    batch = Inputs(arrays, HARDWARE).batch(np.array([3]), np.array([True]))
    assert batch.images is not None
    assert torch.allclose(batch.images[0], expected(arrays, 3).flip(-1), atol=1e-5)
    assert np.array_equal(batch.target[0].numpy(), arrays.masks[3][:, ::-1])


@pytest.mark.parametrize("edits", [{}, {"random_scale": 1.5, "random_rotation": 10.0, "vertical_flip": True}])
def test_augmentation_shows_sixteen_bits_as_they_are(
    arrays: SplitArrays, tiny: Callable[..., TrialConfig], edits: dict[str, Any]
) -> None:
    config = tiny(flip=False, batch_size=6, **edits)
    (batch,) = RandomViews(arrays, HARDWARE).training_batches(config, 1)
    assert batch.images is not None
    assert batch.images.shape == (6, 2, 32, 48)
    low = torch.tensor([-0.5, -4.0]).view(1, 2, 1, 1)
    assert (batch.images >= low - 1e-4).all()
    assert (batch.images <= -low + torch.tensor([1.0, 0.0]).view(1, 2, 1, 1) + 1e-4).all()
    if not edits:
        (plain,) = Inputs(arrays, HARDWARE).training_batches(config, 1)
        assert plain.images is not None
        assert torch.allclose(batch.images, plain.images, atol=1e-6)

"""Small models of every architecture, and noise to show them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from segtrain.architectures import SCALABLE, Arch
from segtrain.config import TrialConfig
from segtrain.models import build_model
from segtrain.models.encoder_decoder import EncoderDecoder

CLASSES = 13


@pytest.fixture(scope="session")
def recipe(tiny: Callable[..., TrialConfig]) -> Callable[..., TrialConfig]:
    """recipe(arch, **edits): of the smallest network that the architecture has."""

    def config(arch: Arch, **edits: object) -> TrialConfig:
        return tiny(**{"arch": arch, "width_mult": 0.0625 if arch in SCALABLE else 1.0, **edits})

    return config


@pytest.fixture(scope="session")
def build(recipe: Callable[..., TrialConfig]) -> Callable[..., EncoderDecoder]:
    """build(arch, seed=0, classes=13, **edits): a model whose score layers say something; some start at zero, where no
    gradient passes them."""

    def model(arch: Arch, seed: int = 0, classes: int = CLASSES, **edits: object) -> EncoderDecoder:
        torch.manual_seed(seed)
        built = build_model(recipe(arch, **edits), classes)
        for layer in built.decoder.score_layers():
            nn.init.normal_(layer.weight)
        return built

    return model


@pytest.fixture(scope="session")
def images() -> Callable[..., Tensor]:
    """images(count, height, width, seed=1): (N, 3, H, W) noise."""

    def noise(count: int, height: int, width: int, seed: int = 1) -> Tensor:
        return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(seed))

    return noise


@pytest.fixture(scope="session")
def targets() -> Callable[[int, int, int], Tensor]:
    """targets(count, height, width): (N, H, W) labels at random."""

    def labels(count: int, height: int, width: int) -> Tensor:
        return torch.randint(CLASSES, (count, height, width), generator=torch.Generator().manual_seed(2))

    return labels

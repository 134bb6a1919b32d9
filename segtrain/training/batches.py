"""Batches from the data cache, as tensors on the training device; order and flips derive from (seed, epoch)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from segtrain.config import TrialConfig
from segtrain.data.cache import SplitArrays

# Of ImageNet, in RGB, as torchvision's weights expect them.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Batch:
    images: Tensor  # (N, 3, H, W) float, normalised, channels last in memory
    target: Tensor  # (N, H, W) int64, 255 = ignore


def training_batches(arrays: SplitArrays, config: TrialConfig, epoch: int, device: torch.device) -> Iterator[Batch]:
    """Every image once, in an order of its own per epoch; the last batch may be short."""
    generator = np.random.default_rng([config.seed, epoch])
    order = generator.permutation(len(arrays))
    flips = generator.random(len(arrays)) < 0.5 if config.flip else np.zeros(len(arrays), dtype=bool)
    for start in range(0, len(order), config.batch_size):
        chosen = order[start : start + config.batch_size]
        yield _batch(arrays, chosen, device, torch.from_numpy(flips[chosen]))


def evaluation_batches(
    arrays: SplitArrays, batch_size: int, device: torch.device, indices: np.ndarray | None = None
) -> Iterator[Batch]:
    """The images as they are, in order; `indices` picks some of them."""
    order = np.arange(len(arrays)) if indices is None else indices
    for start in range(0, len(order), batch_size):
        yield _batch(arrays, order[start : start + batch_size], device)


def _batch(arrays: SplitArrays, indices: np.ndarray, device: torch.device, flip: Tensor | None = None) -> Batch:
    # (N, H, W, 3) in memory is what channels_last means for (N, 3, H, W): the permute copies nothing.
    images = torch.from_numpy(arrays.images[indices]).to(device).permute(0, 3, 1, 2)
    target = torch.from_numpy(arrays.masks[indices]).to(device)
    mean = torch.tensor(MEAN, device=device).view(3, 1, 1) * 255
    std = torch.tensor(STD, device=device).view(3, 1, 1) * 255
    normalised = images.float().sub_(mean).div_(std)
    if flip is not None:
        for index in flip.nonzero().flatten().tolist():
            normalised[index] = normalised[index].flip(-1)
            target[index] = target[index].flip(-1)
    return Batch(normalised, target.long())

"""Class probabilities at the resolution of a file."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from segtrain.config import TrialConfig
from segtrain.data.pixels import Pixels, resize
from segtrain.data.spec import Channels
from segtrain.training.inference.geometry import Look, looks_at, padded_size
from segtrain.training.inference.windows import Network, resized, through_windows
from segtrain.training.inputs.batches import beyond


def at_own_resolution(network: Network, image: Pixels, config: TrialConfig, channels: Channels) -> Iterator[Tensor]:
    """image (H, W, C) of `channels` -> probabilities (K, rows, W), top first: as the trial looks at images that keep
    their own resolution, through windows or whole, and the mean over flips and scales where it has such."""
    height, width, _ = image.shape
    looks = list(looks_at(config, height, width))
    if looks == [Look(height, width, flipped=False)]:
        yield from _rows(network, image, looks[0], config, channels)
        return
    total = torch.zeros(())
    for look in looks:
        seen = torch.cat(list(_rows(network, image, look, config, channels)), dim=1)
        if look.flipped:
            seen = seen.flip(-1)
        if (look.height, look.width) != (height, width):
            seen = torch.cat(list(resized(seen, height, width)), dim=1)
        total = seen + total.to(seen.device)
    yield total / len(looks)


def _rows(network: Network, image: Pixels, look: Look, config: TrialConfig, channels: Channels) -> Iterator[Tensor]:
    """(K, rows, look.width), top first."""
    if image.shape[:2] != (look.height, look.width):
        image = resize(image, look.height, look.width)
    if look.flipped:
        image = image[:, ::-1]
    tall, wide = padded_size(config, look)
    if image.shape[:2] != (tall, wide):
        padded = np.full((tall, wide, len(channels)), beyond(channels), dtype=image.dtype)
        padded[: look.height, : look.width] = image
        image = padded
    window = (config.image_height, config.image_width) if config.eval_mode == "slide" else (tall, wide)
    left = look.height
    for rows in through_windows(network, np.ascontiguousarray(image), *window):
        yield rows[:, :left, : look.width]
        left -= rows.shape[1]
        if left <= 0:
            return

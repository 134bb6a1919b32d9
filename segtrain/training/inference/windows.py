"""Pictures larger than a network's view, seen through overlapping windows; and class probabilities at other sizes.

Both work from top to bottom and hand out rows as soon as they are final, so that the memory they take does not grow
with the height of the picture. Shapes: N windows, K classes, h x w pixels of a window, H x W of the picture.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from segtrain.data.pixels import Pixels
from segtrain.training.inference.geometry import starts

Network = Callable[[Pixels], Tensor]
"""(N, h, w, C) -> (N, K, h, w) probabilities."""

WINDOWS_AT_ONCE = 8
BAND_VALUES = 2**24
"""Of the probabilities that are enlarged at a time."""


def through_windows(network: Network, image: Pixels, height: int, width: int) -> Iterator[Tensor]:
    """image (H, W, C), at least as large as a window of `height` x `width` -> probabilities (K, rows, W), top first.

    Where windows overlap, the mean of what they say, each weighted by how far the pixel is from the window's edge:
    there the network has seen least of what surrounds it.
    """
    if image.shape[:2] == (height, width):
        yield network(image[None])[0]
        return
    weight = torch.outer(_distance_to_edge(height), _distance_to_edge(width))
    tops, lefts = starts(image.shape[0], height), starts(image.shape[1], width)
    total, weights = torch.empty(0), torch.zeros(height, image.shape[1])
    for top, below in zip(tops, [*tops[1:], None], strict=True):
        for some in (lefts[i : i + WINDOWS_AT_ONCE] for i in range(0, len(lefts), WINDOWS_AT_ONCE)):
            seen = network(np.stack([image[top : top + height, left : left + width] for left in some]))
            if not len(total):
                weight, weights = weight.to(seen.device), weights.to(seen.device)
                total = seen.new_zeros(seen.shape[1], *weights.shape)
            for left, probabilities in zip(some, seen, strict=True):
                total[..., left : left + width] += weight * probabilities
                weights[:, left : left + width] += weight
        rows = height if below is None else below - top
        yield total[:, :rows] / weights[:rows]
        total, weights = F.pad(total[:, rows:], (0, 0, 0, rows)), F.pad(weights[rows:], (0, 0, 0, rows))


def _distance_to_edge(length: int) -> Tensor:
    places = torch.arange(length)
    return torch.minimum(places + 1, length - places).float() / length


def resized(probabilities: Tensor, height: int, width: int) -> Iterator[Tensor]:
    """(K, h, w) -> (K, rows, `width`), top first, `height` rows in all: F.interpolate's bilinear, without the whole."""
    classes, old_height, _ = probabilities.shape
    rows = max(1, BAND_VALUES // (classes * width))
    for first in range(0, height, rows):
        places = torch.arange(first, min(first + rows, height), device=probabilities.device)
        source = ((places + 0.5) * (old_height / height) - 0.5).clamp(0, old_height - 1)
        above = source.long()
        share = (source - above)[:, None]
        below = (above + 1).clamp(max=old_height - 1)
        band = torch.lerp(probabilities[:, above], probabilities[:, below], share.expand(-1, probabilities.shape[2]))
        yield F.interpolate(band[None], size=(len(places), width), mode="bilinear", align_corners=False)[0]

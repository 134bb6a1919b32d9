"""How many channels images have, and of how many bits."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segtrain.data.pixels import read_channels
from segtrain.data.spec import RGB, DataError, open_picture

MOST_IMAGES = 20
TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")
"""Modes of Pillow in which a channel is no colour. A TIFF whose fourth channel is not said to be transparency has none
of them."""


@dataclass(frozen=True)
class FoundChannels:
    """`transparent`: a fourth channel, or a second beside grey, says that it is none."""

    count: int
    bits: int
    looked_at: int
    transparent: bool


def find_channels(images: Sequence[Path]) -> FoundChannels:
    """Of up to MOST_IMAGES of the images, evenly spaced: what most of them have; three where some are grey and some in
    colour. Raises DataError on one that cannot be read."""
    chosen = [images[i] for i in np.unique(np.linspace(0, len(images) - 1, MOST_IMAGES).round().astype(int))]
    transparent = [path for path in chosen if _has_transparency(path)]
    found = Counter((len(RGB), 8) if path in transparent else _channels_of(path) for path in chosen)
    count, bits = found.most_common(1)[0][0]
    if {count for count, _ in found} in ({len(RGB)}, {1, len(RGB)}):  # both depths can be read as one
        count, bits = len(RGB), max(bits for _, bits in found)
    return FoundChannels(count, bits, len(chosen), bool(transparent))


def _channels_of(path: Path) -> tuple[int, int]:
    """(count, bits)."""
    try:
        image = read_channels(path)
    except DataError as error:
        raise DataError(*(f"{path}: {problem}" for problem in error.problems)) from None
    return image.shape[2], 8 * image.dtype.itemsize


def _has_transparency(path: Path) -> bool:
    try:
        return open_picture(path).mode in TRANSPARENT
    except DataError:  # a TIFF of channels that Pillow does not know, or no picture at all
        return False

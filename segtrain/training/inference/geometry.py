"""How an image that keeps its own resolution is looked at, and how much of the network's work that is. Needs no torch.

Shapes: an image H x W; the network's view h x w.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from segtrain.config import TrialConfig
from segtrain.recipe import given_scales

WHOLE_MULTIPLE = 32
"""Sides of an image that a network sees whole: what the encoders halve five times."""


@dataclass(frozen=True)
class Look:
    """`height` x `width`: the size that the image is brought to."""

    height: int
    width: int
    flipped: bool


def looks_at(config: TrialConfig, height: int, width: int) -> Iterator[Look]:
    """What an image of `height` x `width` is looked at as; its probabilities are the mean of what these give."""
    for scale in given_scales(config.eval_scales):
        for flipped in (False, True)[: 1 + config.eval_flip]:
            yield Look(max(1, round(scale * height)), max(1, round(scale * width)), flipped)


def padded_size(config: TrialConfig, look: Look) -> tuple[int, int]:
    """The size that a network can look at: no smaller than a window, or of sides that every encoder divides."""
    if config.eval_mode == "slide":
        return max(look.height, config.image_height), max(look.width, config.image_width)
    return -(-look.height // WHOLE_MULTIPLE) * WHOLE_MULTIPLE, -(-look.width // WHOLE_MULTIPLE) * WHOLE_MULTIPLE


def starts(length: int, window: int) -> list[int]:
    """Where the windows along a side of `length` pixels begin: evenly, from edge to edge, and neighbours share at least
    half of their pixels. `window` is at most `length`."""
    count = 1 + -(-2 * (length - window) // window)
    return [int(start) for start in np.linspace(0, length - window, count).round()]


def views_of(config: TrialConfig, height: int, width: int) -> float:
    """How many views of the network, h x w each, the evaluation of an image takes."""
    if config.resolution != "own":
        return 1
    views = 0.0
    for look in looks_at(config, height, width):
        tall, wide = padded_size(config, look)
        if config.eval_mode == "slide":
            views += len(starts(tall, config.image_height)) * len(starts(wide, config.image_width))
        else:
            views += tall * wide / (config.image_height * config.image_width)
    return views

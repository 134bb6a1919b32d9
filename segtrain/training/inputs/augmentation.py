"""What a training image is seen as in an epoch: scaled, cropped, flipped, rotated, in other colours. Drawn per image
from (seed, epoch, image) alone, so that a resumed trial sees the same; done by torchvision on the training device.

Shapes: an image H x W, of which h x w are seen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from segtrain.config import TrialConfig
from segtrain.data.spec import IGNORE

HUE_SHARE = 0.25
"""Of color_jitter, as in torchvision's recipes for SimCLR and its like: hues that are far apart look unreal."""


@dataclass(frozen=True)
class View:
    """What is done to one image. `scale`: pixels seen per pixel of the file; `down` and `right` in [0, 1): where the
    part that is seen lies between the edges; `angle` in degrees; factors around 1 of brightness, contrast and
    saturation, and the turn of the hue in circles."""

    scale: float
    down: float
    right: float
    flip: bool
    vertical_flip: bool
    angle: float
    colours: tuple[float, float, float, float] | None


def draw_views(config: TrialConfig, epoch: int, flips: npt.NDArray[np.bool_]) -> list[View]:
    """One for each image, in the order of the split; `flips` were drawn with the order of the epoch."""
    # A generator beside that of the order and the flips, which stay what they are without augmentation.
    drawn = np.random.default_rng([config.seed, epoch, 1]).random((len(flips), 9))
    return [_view(config, row.tolist(), bool(flip)) for row, flip in zip(drawn, flips, strict=True)]


def _view(config: TrialConfig, drawn: list[float], flip: bool) -> View:
    scale, down, right, vertical, angle, *colours = drawn
    jitter = [config.color_jitter * (2 * part - 1) for part in colours]
    brightness, contrast, saturation, hue = (*(1 + part for part in jitter[:3]), HUE_SHARE * jitter[3])
    return View(
        scale=math.exp((2 * scale - 1) * math.log(config.random_scale)),
        down=down,
        right=right,
        flip=flip,
        vertical_flip=config.vertical_flip and vertical < 0.5,
        angle=config.random_rotation * (2 * angle - 1),
        colours=(brightness, contrast, saturation, hue) if config.color_jitter else None,
    )


@dataclass(frozen=True)
class Side:
    """Along one side: the pixels `start` to `stop` of the image are seen, from `first` to `last` of the `seen`."""

    start: int
    stop: int
    first: int
    last: int
    seen: int


def place(length: int, seen: int, scale: float, share: float) -> Side:
    """Where `seen` pixels at `scale` lie along `length`, by a drawn `share` in [0, 1). An image that is smaller than
    what is seen lies anywhere within it."""
    box = max(1, round(seen / scale))
    room = length - box
    begin = math.floor(share * (abs(room) + 1)) * (1 if room >= 0 else -1)
    start, stop = max(0, begin), min(length, begin + box)
    first = min(round((start - begin) * seen / box), seen - 1)
    return Side(start, stop, first, max(first + 1, round((stop - begin) * seen / box)), seen)


def show(
    image: Tensor, masks: Tensor, rows: Side, columns: Side, view: View, fill: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """The part of an image that is seen, (C, H', W') uint8, and of its masks, (T, H', W') uint8 -> both (h, w). Beyond
    the image are the colours `fill` and ignored pixels, and so they are where a rotation leaves the corners empty."""
    from torchvision.transforms.v2 import InterpolationMode  # seconds, which a trial without augmentation does without
    from torchvision.transforms.v2 import functional as F

    size = [rows.last - rows.first, columns.last - columns.first]
    if size != [*image.shape[1:]]:
        image = F.resize(image, size, InterpolationMode.BILINEAR, antialias=True)
        masks = F.resize(masks, size, InterpolationMode.NEAREST_EXACT)  # takes the pixels that Pillow's takes
    beyond = [columns.first, rows.first, columns.seen - columns.last, rows.seen - rows.last]
    if any(beyond):
        image = F.pad(image, beyond, fill=[*fill])
        masks = F.pad(masks, beyond, fill=[IGNORE])
    if view.angle:
        image = F.rotate(image, view.angle, InterpolationMode.BILINEAR, fill=[*fill])
        masks = F.rotate(masks, view.angle, InterpolationMode.NEAREST, fill=[IGNORE])
    turned = [axis for axis, turn in ((-1, view.flip), (-2, view.vertical_flip)) if turn]
    image, masks = image.flip(turned), masks.flip(turned)
    if view.colours is not None:
        brightness, contrast, saturation, hue = view.colours
        image = F.adjust_brightness(image, brightness)
        image = F.adjust_contrast(image, contrast)
        image = F.adjust_hue(F.adjust_saturation(image, saturation), hue)
    return image, masks

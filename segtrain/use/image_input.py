"""An image as a user has it -> the values of a model's channels."""

from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from segtrain.data.pixels import Pixels, read_channels, read_colours
from segtrain.data.spec import RGB, Channels, DataError
from segtrain.errors import UserError

ImageInput: TypeAlias = Path | str | Image.Image | Pixels | Tensor
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".ppm")
"""Of the files that count as images where a folder is given."""
ALLOWED = "(H, W, 3) or (H, W) uint8 of an array; (3, H, W) uint8, or floats in [0, 1], of a tensor"


class ImageError(UserError):
    """An image that cannot be predicted; `problems` names every one."""


def read_pixels(source: ImageInput, channels: Channels = RGB) -> Pixels:
    """(H, W, C) of `channels`. Raises ImageError on a file that cannot be read, and on other channels or bits."""
    if len(channels) == 3 and channels.bits == 8:
        return np.asarray(read_image(source))
    if isinstance(source, str | Path):
        name = str(source)
        try:
            pixels = read_channels(Path(source))
        except DataError as error:
            raise ImageError(*(f"{name}: {problem}" for problem in error.problems)) from None
    else:
        name = "the image"
        array = source.detach().cpu().numpy() if isinstance(source, Tensor) else np.asarray(source)
        pixels = np.moveaxis(array, 0, -1) if isinstance(source, Tensor) and array.ndim == 3 else array
        pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.dtype.itemsize * 8 != channels.bits or pixels.dtype.kind != "u" or pixels.shape[2:] != (len(channels),):
        shape = " x ".join(map(str, pixels.shape))
        raise ImageError(
            f"{name}: is {shape or 'a number'} of {pixels.dtype}; the model takes (H, W, {len(channels)}) of "
            f"uint{channels.bits}: {', '.join(channels.names)}"
        )
    return np.ascontiguousarray(pixels)


def read_image(source: ImageInput) -> Image.Image:
    """In RGB. Raises ImageError on a file that cannot be read, and on pixels that are none of 8 bits."""
    image: Image.Image
    if isinstance(source, str | Path):
        name = str(source)
        try:
            image = read_colours(Path(source))
        except DataError as error:
            raise ImageError(*(f"{name}: {problem}" for problem in error.problems)) from None
    elif isinstance(source, Image.Image):
        name, image = "the image", source
    else:
        return Image.fromarray(_pixels(source)).convert("RGB")
    if image.mode.startswith(("I", "F")):  # Pillow would cut it off at 255, which is nearly white everywhere
        raise ImageError(f"{name}: has wider pixels than a byte (mode {image.mode}); save it with 8 bits a channel")
    return image.convert("RGB")


def _pixels(source: Pixels | Tensor) -> npt.NDArray[np.uint8]:
    """(H, W, 3), or (H, W) of an array. Raises ImageError on any other shape, type, and on floats outside [0, 1]."""
    if isinstance(source, Tensor):
        shape_holds = source.ndim == 3 and source.shape[0] == 3
        array = source.detach().cpu().float().numpy() if source.is_floating_point() else source.cpu().numpy()
        pixels = np.moveaxis(array, 0, -1) if shape_holds else array
        if source.is_floating_point() and array.size:
            if not (array.min() >= 0 and array.max() <= 1):
                raise ImageError(
                    f"the tensor has values from {array.min():g} to {array.max():g}; allowed: {ALLOWED}; leave out "
                    "its normalisation, which the model does itself"
                )
            pixels = np.rint(255 * pixels).astype(np.uint8)
    else:
        pixels = np.asarray(source)
        shape_holds = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if not shape_holds or pixels.dtype != np.uint8 or not pixels.size:
        shape = " x ".join(map(str, source.shape))
        raise ImageError(f"the image is {shape or 'a number'} of {source.dtype}; allowed: {ALLOWED}")
    return np.ascontiguousarray(pixels)

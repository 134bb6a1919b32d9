"""Images as arrays of any channels, (H, W, C) of 8 or 16 bits: out of a file, at other sizes, and what is shown of
them."""

from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from segtrain.data.spec import RGB, DataError, open_picture

Pixels: TypeAlias = npt.NDArray[np.unsignedinteger]
"""uint8 or uint16."""

IMAGE_RESAMPLING, MASK_RESAMPLING = Image.Resampling.BILINEAR, Image.Resampling.NEAREST


TIFF = (".tif", ".tiff")
PIXEL_TYPES = (np.uint8, np.uint16)


def read_channels(path: Path) -> Pixels:
    """(H, W, C) as the file has them: of a TIFF any number of channels, beside each other, behind each other or one a
    page. Raises DataError, without the name of the file, when it cannot be read."""
    if path.suffix.lower() in TIFF:
        image, axes = _read_tiff(path)
    else:
        opened = open_picture(path)
        if opened.mode in ("1", "P", "PA", "CMYK", "YCbCr"):
            opened = opened.convert("L" if opened.mode == "1" else "RGB")
        image = np.asarray(opened)
        axes = "YXS"[: image.ndim]
    if image.ndim == 2:
        image, axes = image[..., None], f"{axes}S"
    if image.dtype not in PIXEL_TYPES or image.ndim != 3 or not {"Y", "X"} <= set(axes):
        shape = " x ".join(map(str, image.shape))
        raise DataError(f"holds {shape} of {image.dtype} (axes {axes}); expected one image of 8 or 16 bits a channel")
    (channel,) = {0, 1, 2} - {axes.index("Y"), axes.index("X")}
    return np.moveaxis(image, channel, 2)


def read_colours(path: Path) -> Image.Image:
    """As Pillow opens it. Pillow knows nothing of a TIFF of three channels that does not call them red, green and blue,
    as GDAL's of 16 bits do not: it becomes what Pillow makes of those that do, 8 bits, of 16 the upper ones. Raises
    DataError, without the name of the file, when it cannot be read."""
    try:
        return open_picture(path)
    except DataError:
        if path.suffix.lower() not in TIFF or (pixels := read_channels(path)).shape[2] != len(RGB):
            raise
    return Image.fromarray((pixels >> 8 * (pixels.dtype.itemsize - 1)).astype(np.uint8))


def _read_tiff(path: Path) -> tuple[Pixels, str]:
    from tifffile import TiffFile  # a moment, which other files need not wait for

    try:
        with TiffFile(path) as file:
            series = file.series[0]
            return np.asarray(series.asarray()), series.axes
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error})") from None
    except Exception as error:  # whatever the bytes of a torn file lead to; a compression that needs another package
        problem = str(error).partition("\n")[0]
        raise DataError(f"cannot be read as TIFF ({type(error).__name__}: {problem})") from None


def resize(image: Pixels, height: int, width: int) -> Pixels:
    """(H, W, C) -> (`height`, `width`, C), each channel bilinearly."""
    size = width, height
    if image.dtype == np.uint8 and image.shape[2] == 3:
        resized: Pixels = np.asarray(Image.fromarray(image).resize(size, IMAGE_RESAMPLING))
        return resized
    planes = [np.ascontiguousarray(image[..., channel]) for channel in range(image.shape[2])]
    if image.dtype == np.uint8:
        return np.stack([np.asarray(Image.fromarray(plane).resize(size, IMAGE_RESAMPLING)) for plane in planes], -1)
    # Pillow resizes no 16 bits; a float holds each exactly.
    wide = [Image.fromarray(plane.astype(np.float32)).resize(size, IMAGE_RESAMPLING) for plane in planes]
    found: Pixels = np.rint(np.stack([np.asarray(plane) for plane in wide], -1)).astype(np.uint16)
    return found


def picture(image: Pixels) -> Image.Image:
    """What is shown of (H, W, C): the first three channels as red, green and blue, of fewer the first as grey; 16 bits
    from the image's own darkest to its brightest."""
    shown = image[..., :3] if image.shape[2] >= 3 else image[..., 0]
    if shown.dtype == np.uint16:
        low, high = int(shown.min()), int(shown.max())
        shown = ((shown - np.float32(low)) * (255 / max(1, high - low))).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(shown))


def counted(pixels: int) -> str:
    return f"{pixels} pixel{'s' * (pixels != 1)}"

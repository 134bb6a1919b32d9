"""How the files of a dataset.toml become labels and RGB. Each is a function or a partial of one, so that a fingerprint
can tell its settings."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from segtrain.data.pixels import counted
from segtrain.data.spec import DataError

MOST_SHOWN = 5


def decode_palette(mask: Image.Image) -> npt.NDArray[np.integer]:
    """The numbers of the palette's colours. A file without a palette was converted by some tool: its numbers are
    brightnesses."""
    if mask.mode != "P":
        raise DataError(f"has no palette (mode {mask.mode}); save it with one, or say how its labels are stored")
    return np.asarray(mask)


def decode_colours(mask: Image.Image, colours: tuple[tuple[tuple[int, int, int], int], ...]) -> npt.NDArray[np.integer]:
    """(H, W) labels by the (colour, label) pairs. Raises DataError with every other colour and its pixels."""
    codes = to_codes(np.asarray(mask.convert("RGB")))
    labels = np.full(codes.shape, -1, dtype=np.int16)
    for colour, label in colours:
        labels[codes == to_codes(np.array(colour))] = label
    stray, counts = np.unique(codes[labels < 0], return_counts=True)
    if len(stray):
        order = np.argsort(-counts, kind="stable")
        shown = ", ".join(f"{split_codes(int(stray[i]))} in {counted(int(counts[i]))}" for i in order[:MOST_SHOWN])
        rest = f" and {len(stray) - MOST_SHOWN} more colours" if len(stray) > MOST_SHOWN else ""
        raise DataError(
            f"has {shown}{rest}, {counted(int(counts.sum()))} of no class; add these colours to the classes or to "
            "ignore"
        )
    return labels


def to_upper_byte(image: Image.Image) -> Image.Image:
    """RGB of an image with 16 bits: the upper 8 of each. Pillow does so itself where there are three channels."""
    if not image.mode.startswith("I"):
        if image.mode == "F":
            raise DataError("has floating-point pixels (mode F); save it with 8 or 16 bits a channel")
        return image.convert("RGB")
    pixels = np.asarray(image)
    if pixels.min() < 0 or pixels.max() > 0xFFFF:
        raise DataError(f"has pixels from {pixels.min()} to {pixels.max()}; 16 bits hold 0 to 65535")
    return Image.fromarray((pixels >> 8).astype(np.uint8)).convert("RGB")


def to_codes(rgb: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
    """(..., 3) colours -> (...) a number for each."""
    wide = rgb.astype(np.int32)
    codes: npt.NDArray[np.int32] = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    return codes


def split_codes(code: int) -> tuple[int, int, int]:
    return code >> 16, code >> 8 & 255, code & 255

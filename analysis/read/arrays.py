"""Numpy files and pictures of trial folders, which may be another's: what a header promises is checked before anything
is allocated for it."""

import math
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from segtrain.records import RecordError

MOST_BYTES = 2**30
"""Of one array: the confusion matrices of 5,000 images with 160 classes."""
MOST_PIXELS = 2**26
LONGEST_SIDE = 2**14
LONGEST_NAME_BYTES = 4 * 256
"""Of a name in an array, which has four bytes a character."""


def read_array(path: Path, key: str | None = None) -> npt.NDArray[Any]:
    """The array of an .npy file, or the one named `key` of an .npz file: numbers from 0 to 2^53, or NaN. Raises
    RecordError when absent, torn, empty, or larger than MOST_BYTES."""
    _require_file(path)
    try:
        with open(path, "rb") as file:
            array = _read_member(file, key) if key else _read_values(file)
    # Whatever a damaged archive, stream or header raises: zlib.error, BadZipFile, struct.error, SyntaxError ...
    except Exception as error:
        raise RecordError(f"{path} cannot be read ({error})") from None
    if not array.size or (array < 0).any() or (array > 2**53).any():
        raise RecordError(f"{path} holds what is neither a count nor a share")
    return array


def read_names(path: Path, key: str) -> npt.NDArray[np.str_] | None:
    """The texts named `key` of an .npz file, one for each image; None where it has none. Raises RecordError when the
    file is torn, or holds something else under that name."""
    _require_file(path)
    try:
        with open(path, "rb") as file:
            with zipfile.ZipFile(file) as archive:
                if f"{key}.npy" not in archive.namelist():
                    return None
            names = _read_member(file, key, kinds="U", most_itemsize=LONGEST_NAME_BYTES)
    except Exception as error:  # as above
        raise RecordError(f"{path} cannot be read ({error})") from None
    if names.ndim != 1:
        raise RecordError(f"{path} holds no list of names called {key}")
    return names


def _read_member(file: IO[bytes], key: str, kinds: str = "iuf", most_itemsize: int = 8) -> npt.NDArray[Any]:
    with zipfile.ZipFile(file) as archive, archive.open(f"{key}.npy") as member:
        return _read_values(member, kinds, most_itemsize)


def _read_values(file: IO[bytes], kinds: str = "iuf", most_itemsize: int = 8) -> npt.NDArray[Any]:
    """Raises ValueError unless the header is that of an array of `kinds` of values, of a size that is allowed."""
    formats = np.lib.format
    version = formats.read_magic(file)
    read_header = {(1, 0): formats.read_array_header_1_0, (2, 0): formats.read_array_header_2_0}.get(version)
    if read_header is None:
        raise ValueError(f"format {version}; expected (1, 0) or (2, 0)")
    shape, by_columns, dtype = read_header(file)
    if dtype.kind not in kinds or not 0 < dtype.itemsize <= most_itemsize:
        raise ValueError(f"it holds {dtype}; expected {'texts' if kinds == 'U' else 'numbers'}")
    size = math.prod(shape) * dtype.itemsize
    if any(length < 0 for length in shape) or size > MOST_BYTES:
        raise ValueError(f"its header says {shape}; allowed: up to {MOST_BYTES} bytes")
    content = file.read(size)
    if len(content) < size:
        raise ValueError(f"its header says {size} bytes, and it has {len(content)}")
    return (
        np.frombuffer(content, dtype).reshape(shape, order="F" if by_columns else "C").astype(dtype.newbyteorder("="))
    )


def read_picture(path: Path) -> Image.Image:
    """A PNG picture, decoded. Raises RecordError when it is absent, torn, or larger than MOST_PIXELS."""
    _require_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the bound below is narrower
            with Image.open(path, formats=["PNG"]) as picture:
                if max(picture.size) > LONGEST_SIDE or math.prod(picture.size) > MOST_PIXELS:
                    raise ValueError(f"it is {picture.width}x{picture.height}; allowed: up to {MOST_PIXELS} pixels")
                picture.load()
    except Exception as error:  # PIL raises SyntaxError for some broken PNG files, and struct.error, and more
        raise RecordError(f"{path} cannot be read ({error})") from None
    return picture


def _require_file(path: Path) -> None:
    if not path.is_file():  # opening a pipe would wait for ever
        raise RecordError(f"{path} cannot be read (no such file)")

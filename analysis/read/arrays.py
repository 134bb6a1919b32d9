"""Numpy files of trial folders."""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from segtrain.records import RecordError


def read_array(path: Path, key: str | None = None) -> npt.NDArray[Any]:
    """The array of an .npy file, or the one named `key` of an .npz file. Raises RecordError when absent or torn."""
    try:
        with open(path, "rb") as file:  # numpy leaves a torn .npz file open
            loaded = np.load(file)
            array = loaded[key] if key else loaded
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise RecordError(f"{path} cannot be read ({error})") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf":
        raise RecordError(f"{path} holds no array of numbers")
    return array

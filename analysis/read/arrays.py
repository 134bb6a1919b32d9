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


def read_names(path: Path, key: str) -> npt.NDArray[np.str_] | None:
    """The texts named `key` of an .npz file, None where it has none. Raises RecordError when the file is torn."""
    try:
        with open(path, "rb") as file:
            loaded = np.load(file)
            names = loaded.get(key)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise RecordError(f"{path} cannot be read ({error})") from None
    if names is None:
        return None
    if names.dtype.kind != "U" or names.ndim != 1:
        raise RecordError(f"{path} holds no list of names called {key}")
    return np.asarray(names, dtype=np.str_)

"""What the loaders of MATLAB's labels share: a matrix out of a file, lists of names, and splits by two of them."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segtrain.data.spec import DataError, Pair, Split, held_out, require_folder, require_pairs

VAL_SHARE = 0.1


def read_matrix(path: Path, key: str, inside: Callable[[Any], Any] = lambda value: value) -> npt.NDArray[np.integer]:
    """(H, W) integers: what `inside` takes out of the variable `key`. Raises DataError, without the name of the file,
    on what holds no such matrix."""
    from scipy.io import loadmat  # a moment, which data without such files need not wait for

    try:
        content = BytesIO(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})") from None
    try:
        variables = loadmat(content)
    except Exception as error:  # of a torn file the parser raises whatever its bytes lead it to
        problem = str(error).partition("\n")[0]
        raise DataError(f"cannot be read as a MATLAB file ({type(error).__name__}: {problem})") from None
    if key not in variables:
        names = ", ".join(sorted(name for name in variables if not name.startswith("__"))) or "nothing"
        raise DataError(f"holds no variable {key!r} but {names}")
    try:
        matrix = np.asarray(inside(variables[key]))
    except (IndexError, KeyError, TypeError, ValueError):
        raise DataError(f"holds a {key!r} of another structure than it is published in") from None
    if matrix.ndim != 2 or matrix.dtype.kind not in "iuf" or not np.array_equal(matrix, matrix.astype(np.int64)):
        shape = " x ".join(map(str, matrix.shape))
        raise DataError(f"holds in {key!r} {shape or 'a value'} of {matrix.dtype}; expected a matrix of whole numbers")
    return matrix.astype(np.int64)


def read_names(path: Path, dataset: str, layout: str) -> list[str]:
    """The lines of a list, in their order. Raises DataError when there is none, or a name stands there twice."""
    if not path.is_file():
        raise DataError(f"{path}: no such list; dataset {dataset!r} expects {layout}")
    lines: dict[str, int] = {}
    for number, line in enumerate(path.read_text("utf-8", "surrogateescape").splitlines(), start=1):
        name = line.strip()
        if name in lines:
            raise DataError(f"{path}, line {number}: {name!r} was listed in line {lines[name]}; list every image once")
        if name:
            lines[name] = number
    return list(lines)


def split_by_lists(folder: Path, dataset: str, layout: str, pair: Callable[[str], Pair]) -> dict[Split, list[Pair]]:
    """The `pair` of every name: VAL_SHARE of those in trainval.txt, drawn by `held_out`, choose the weights, and those
    of test.txt are the test. Raises DataError on lists or files that are missing, and on a name in both."""
    require_folder(folder, dataset, layout)
    trainval, test = (read_names(folder / f"{part}.txt", dataset, layout) for part in ("trainval", "test"))
    if both := sorted({*trainval} & {*test}):
        raise DataError(f"{folder}: {', '.join(both[:5])} are in both trainval.txt and test.txt; take them out of one")
    val = held_out(trainval, round(VAL_SHARE * len(trainval)))
    pairs: dict[Split, list[Pair]] = {
        "train": [pair(name) for name in trainval if name not in val],
        "val": [pair(name) for name in trainval if name in val],
        "test": [pair(name) for name in test],
    }
    require_pairs(pairs, folder, dataset, layout)
    return pairs

"""The files of one image and of its masks -> arrays at their size, or what is wrong with them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from segtrain.data.pixels import Pixels, counted, read_colours
from segtrain.data.spec import IGNORE, Channels, DataError, Dataset, Pair, open_picture
from segtrain.errors import UserError
from segtrain.own_code import CodeError, describe_error

T = TypeVar("T")


def dtype_of(channels: Channels) -> type[np.uint8] | type[np.uint16]:
    return np.uint8 if channels.bits == 8 else np.uint16


def read_pair(dataset: Dataset, pair: Pair) -> tuple[Pixels, npt.NDArray[np.uint8], *tuple[npt.NDArray[np.uint8], ...]]:
    """The image, (H, W, C) of the dataset's channels, and its (H, W) train ids of each task, at the size of the files.

    Raises DataError naming every file that cannot be used: unreadable, an image of other channels or more bits than the
    dataset has, a mask of another size than its image, a label that the dataset does not have.
    """
    problems: list[str] = []
    parts = [_read(dataset.read_image or partial(_read_rgb, dataset), path, problems) for path in pair.images]
    read_labels = dataset.read_labels or (lambda path: dataset.decode_mask(open_picture(path)))
    readers = [read_labels, *(task.read_labels for task in dataset.further)]
    labels = [_read(read, mask, problems) for read, mask in zip(readers, pair.masks, strict=True)]
    if problems:
        raise DataError(*problems)
    image = _join(dataset, pair, [part for part in parts if part is not None])
    tables = [dataset.train_ids, *(task.train_ids for task in dataset.further)]
    known = [(mask, found) for mask, found in zip(pair.masks, labels, strict=True) if found is not None]
    first, *further = (
        _to_train_ids(dataset, mask, found, pair, image.shape[:2], train_ids)
        for (mask, found), train_ids in zip(known, tables, strict=True)
    )
    return image, first, *further


def _to_train_ids(
    dataset: Dataset,
    mask: Path,
    labels: npt.NDArray[np.integer],
    pair: Pair,
    size: tuple[int, ...],
    train_ids: Mapping[int, int],
) -> npt.NDArray[np.uint8]:
    """(H, W) labels of a file -> train ids. Raises DataError where they do not fit the image or are not of the task."""
    if labels.shape[:2] != size:
        found, wanted = (f"{shape[1]}x{shape[0]}" for shape in (labels.shape, size))
        raise DataError(f"{mask}: is {found} but its image {pair.image} is {wanted}")
    if labels.ndim != 2:
        raise DataError(
            f"{mask}: has {labels.shape[2]} channels; dataset {dataset.name!r} expects labels in a single one"
        )
    counts = zip(*(found.tolist() for found in np.unique(labels, return_counts=True)), strict=True)
    if stray := [f"{label} in {counted(count)}" for label, count in counts if label not in train_ids]:
        raise DataError(
            f"{mask}: has label {', '.join(stray)}; dataset {dataset.name!r} has labels "
            f"{', '.join(map(str, train_ids))}"
        )
    table = np.full(max(256, 1 + max(train_ids)), IGNORE, dtype=np.uint8)
    for label, train_id in train_ids.items():
        table[label] = train_id
    return table[labels.astype(np.intp)]


def _read_rgb(dataset: Dataset, path: Path) -> npt.NDArray[np.unsignedinteger]:
    return np.asarray(dataset.decode_image(read_colours(path)))


def _join(dataset: Dataset, pair: Pair, parts: list[npt.NDArray[np.unsignedinteger]]) -> Pixels:
    """The channels of all files of an image. Raises DataError where they do not fit, or are not the dataset's."""
    channels, wanted = dataset.channels, parts[0].shape[:2]
    for path, part in zip(pair.images, parts, strict=True):
        if part.shape[:2] != wanted:
            size, other = (f"{shape[1]}x{shape[0]}" for shape in (part.shape, wanted))
            raise DataError(f"{path}: is {size} but {pair.image}, which it belongs to, is {other}")
    image = np.concatenate(parts, axis=2) if len(parts) > 1 else parts[0]
    if image.shape[2] != len(channels) or image.dtype != dtype_of(channels):
        found = f"{image.shape[2]} channels of {8 * image.dtype.itemsize} bits"
        raise DataError(
            f"{pair.image}: has {found}; dataset {dataset.name!r} has {len(channels)} of {channels.bits}: "
            f"{', '.join(channels.names)}"
        )
    return image


def _read(function: Callable[[Path], T], path: Path, problems: list[str]) -> T | None:
    """What `function` makes of the file; None, and more `problems`, where it cannot be used."""
    try:
        return function(path)
    except DataError as error:
        problems += [f"{path}: {problem}" for problem in error.problems]
    return None


@contextmanager
def telling_where(dataset: Dataset) -> Iterator[None]:
    """What own code of a dataset raises is told by file and line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if dataset.code is None:
            raise
        raise CodeError(f"dataset {dataset.name!r}: {describe_error(error)}") from error

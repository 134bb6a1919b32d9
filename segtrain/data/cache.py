"""Every image is decoded and resized once per machine, into a memory-mapped uint8 array that all trials share."""

import hashlib
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from segtrain.config import Resolution
from segtrain.data.fingerprint import fingerprint, stderr_progress
from segtrain.data.pair_files import dtype_of, read_pair, telling_where
from segtrain.data.pixels import IMAGE_RESAMPLING, MASK_RESAMPLING, Pixels, resize
from segtrain.data.ragged import Ragged
from segtrain.data.spec import RGB, Channels, DataError, Dataset, Pair, Split, require_pairs, to_rgb
from segtrain.machine.array_store import Array, Layout, StoredArrays, cache_root, machine_store

DECODING_VERSION = 1
"""Raise it when the code below makes other pixels of the same files: trials of before then count as of other data."""


@dataclass(frozen=True)
class SplitArrays:
    """One split in memory-mapped arrays: `images` (N, H, W, C) of `channels`, uint8 or, with 16 bits, uint16; `masks`
    (N, H, W) uint8 train ids, ragged where each has the size of its file; the N `groups` of its pairs, none where
    the data has no such; and masks for each of the dataset's further tasks."""

    images: Pixels | Ragged
    masks: npt.NDArray[np.uint8] | Ragged
    groups: tuple[str, ...] = ()
    channels: Channels = RGB
    further: tuple[npt.NDArray[np.uint8], ...] = ()

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class DataCache:
    """The three splits of a dataset, as a network sees them; what it is scored against, of val and test at least; and
    the fingerprint of the data they were made from."""

    splits: Mapping[Split, SplitArrays]
    scored: Mapping[Split, SplitArrays]
    fingerprint: str
    stored: tuple[StoredArrays, ...]  # while they live, the arrays are not evicted


def list_pairs(dataset: Dataset, data_root: Path) -> Mapping[Split, list[Pair]]:
    """The pairs of every split, writing the embedded scenes first where `dataset` is made of them."""
    with telling_where(dataset):
        if dataset.prepare is not None:
            dataset.prepare(data_root)
        pairs = dataset.list_pairs(data_root)
        if dataset.code is not None:
            require_pairs(pairs, data_root, dataset.name, "of its own code")
        return pairs


def download(dataset: Dataset, data_root: Path) -> None:
    """Fetches the data of `dataset` into `data_root`. Raises DataError when that fails or cannot be done."""
    if dataset.download is None:
        raise DataError(
            f"dataset {dataset.name!r} cannot be downloaded by this program; leave --download out, and name the "
            "folder that holds the data with --data-root"
        )
    dataset.download(data_root)


def open_cache(
    dataset: Dataset, data_root: Path, height: int, width: int, resolution: Resolution = "resized"
) -> DataCache:
    """Opens the cache of `dataset`, building it first when it is not there: at `height` x `width`, and where
    `resolution` says so at the size of each file.

    Concurrent callers build it once. Raises DataError naming every file that cannot be used: unreadable,
    a mask of another size than its image, a label that is no class.
    """
    if dataset.further and resolution != "resized":
        raise DataError(f"dataset {dataset.name!r} has several tasks, which are scored with resolution=resized only")
    pairs = list_pairs(dataset, data_root)
    found = _fingerprint(dataset, data_root, pairs)
    if resolution == "own":
        splits, stored = _open_own(dataset, pairs, found)
        return DataCache(splits, splits, found, (stored,))
    splits, stored = _open_resized(dataset, pairs, found, height, width)
    if resolution == "resized":
        return DataCache(splits, splits, found, (stored,))
    scored, more = _open_own(dataset, {"val": pairs["val"], "test": pairs["test"]}, found)
    return DataCache(splits, scored, found, (stored, more))


def _open_resized(
    dataset: Dataset, pairs: Mapping[Split, list[Pair]], found: str, height: int, width: int
) -> tuple[Mapping[Split, SplitArrays], StoredArrays]:
    layouts = {}
    for split in pairs:
        count = len(pairs[split])
        layouts[f"{split}_images"] = Layout((count, height, width, len(dataset.channels)), dtype_of(dataset.channels))
        for name in _mask_names(dataset, split):
            layouts[name] = Layout((count, height, width), np.uint8)

    def fill(arrays: Mapping[str, Array]) -> None:
        def keep(split: Split, index: int, image: Pixels, *masks: npt.NDArray[np.uint8]) -> None:
            arrays[f"{split}_images"][index] = resize(image, height, width)
            for name, labels in zip(_mask_names(dataset, split), masks, strict=True):
                labelled = Image.fromarray(labels).resize((width, height), MASK_RESAMPLING)
                arrays[name][index] = np.asarray(labelled)

        _decode_all(dataset, pairs, keep)

    stored = machine_store().open(f"{dataset.name}-{width}x{height}-{found}", layouts, fill)

    def arrays_of(split: Split) -> SplitArrays:
        masks, *further = (stored[name] for name in _mask_names(dataset, split))
        images, groups = stored[f"{split}_images"], _groups(pairs[split])
        return SplitArrays(images, masks, groups, dataset.channels, tuple(further))

    return {split: arrays_of(split) for split in pairs}, stored


def _mask_names(dataset: Dataset, split: Split) -> list[str]:
    """Of the stored masks of each task."""
    return [f"{split}_masks", *(f"{split}_masks_{task.name}" for task in dataset.further)]


def _open_own(
    dataset: Dataset, pairs: Mapping[Split, list[Pair]], found: str
) -> tuple[Mapping[Split, SplitArrays], StoredArrays]:
    """At the size of each file. The sizes are kept beside them: they say how large the arrays are."""
    name = f"{dataset.name}-{'-'.join(pairs)}-{found}"
    table = machine_store().open(
        f"{name}-sizes",
        {split: Layout((len(pairs[split]), 2), np.int64) for split in pairs},
        lambda arrays: _fill_sizes(arrays, dataset, pairs),
    )
    sizes = {split: np.array(table[split]) for split in pairs}
    layouts, depth = {}, (len(dataset.channels),)
    for split in pairs:
        layouts[f"{split}_images"] = Layout((Ragged.length(sizes[split], depth),), dtype_of(dataset.channels))
        layouts[f"{split}_masks"] = Layout((Ragged.length(sizes[split], ()),), np.uint8)

    def arrays_of(arrays: Mapping[str, Array] | StoredArrays, split: Split) -> tuple[Ragged, Ragged]:
        images, masks = arrays[f"{split}_images"], arrays[f"{split}_masks"]
        return Ragged(images, sizes[split], depth), Ragged(masks, sizes[split], ())

    def fill(arrays: Mapping[str, Array]) -> None:
        ragged = {split: arrays_of(arrays, split) for split in pairs}

        def keep(split: Split, index: int, image: Pixels, labels: npt.NDArray[np.uint8]) -> None:
            images, masks = ragged[split]
            images[index][:] = image
            masks[index][:] = labels

        _decode_all(dataset, pairs, keep)

    stored = machine_store().open(name, layouts, fill)
    splits = {split: SplitArrays(*arrays_of(stored, split), _groups(pairs[split]), dataset.channels) for split in pairs}
    return splits, stored


def _fill_sizes(arrays: Mapping[str, Array], dataset: Dataset, pairs: Mapping[Split, list[Pair]]) -> None:
    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for split in pairs:
                arrays[split][:] = list(pool.map(partial(file_size, dataset), pairs[split]))
    except DataError:
        _decode_all(dataset, pairs, lambda *_: None)  # names all files that cannot be used, not only the first
        raise


def file_size(dataset: Dataset, pair: Pair) -> tuple[int, int]:
    """Height and width of an image, from the header of its file where it is a picture that can be opened. Raises
    DataError."""
    try:
        with Image.open(pair.image) as picture:
            return picture.height, picture.width
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        with telling_where(dataset):
            _, labels, *_ = read_pair(dataset, pair)
        return labels.shape[0], labels.shape[1]


def _groups(pairs: list[Pair]) -> tuple[str, ...]:
    names = tuple(pair.group for pair in pairs if pair.group is not None)
    return names if len(names) == len(pairs) else ()


def read_fingerprint(dataset: Dataset, data_root: Path) -> str:
    """Of the data as they are now; decodes nothing. Raises DataError."""
    return _fingerprint(dataset, data_root, list_pairs(dataset, data_root))


def _fingerprint(dataset: Dataset, data_root: Path, pairs: Mapping[Split, list[Pair]]) -> str:
    decoding = {
        "version": DECODING_VERSION,
        "train_ids": sorted(dataset.train_ids.items()),
        "decode_mask": _describe(dataset.decode_mask),
        "resampling": [IMAGE_RESAMPLING.name, MASK_RESAMPLING.name],
    }
    # Absent where they are as they always were, so that what was trained before counts as of the same data.
    if dataset.decode_image is not to_rgb:
        decoding["decode_image"] = _describe(dataset.decode_image)
    if dataset.read_labels is not None:
        decoding["read_labels"] = _describe(dataset.read_labels)
    if dataset.read_image is not None:
        decoding["read_image"] = _describe(dataset.read_image)
    if dataset.channels != RGB:
        channels = dataset.channels
        decoding["channels"] = [*channels.names, *channels.mean, *channels.std, channels.bits]
    if dataset.code is not None:
        decoding["code"] = dataset.code
    if dataset.further:
        decoding["further"] = [
            [task.name, sorted(task.train_ids.items()), _describe(task.read_labels)] for task in dataset.further
        ]
    place = hashlib.sha256(os.fsencode(data_root.absolute())).hexdigest()[:8]
    return fingerprint(pairs, decoding, cache_root() / f"files-{dataset.name}-{place}.json")


def _describe(function: Any) -> str:
    """The function by its name, with the values that a partial gives it."""
    if isinstance(function, partial):
        return f"{_describe(function.func)} {function.args} {sorted(function.keywords.items())}"
    return f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def _decode_all(
    dataset: Dataset,
    pairs: Mapping[Split, list[Pair]],
    keep: Callable[..., None],
) -> None:
    """Gives every pair's place, image and train ids of each task to `keep`. Raises DataError on what was wrong with the
    files."""
    places = [(split, index) for split in pairs for index in range(len(pairs[split]))]

    def decode(place: tuple[Split, int]) -> tuple[str, ...]:
        split, index = place
        try:
            with telling_where(dataset):
                found = read_pair(dataset, pairs[split][index])
        except DataError as error:
            return error.problems
        keep(split, index, *found)
        return ()

    problems: list[str] = []
    # Threads suffice: Pillow lets go of the interpreter while it decodes and resizes.
    with stderr_progress() as progress, ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in progress.track(pool.map(decode, places), len(places), description=f"decoding {dataset.name}"):
            problems += found
    if problems:
        raise DataError(*problems)

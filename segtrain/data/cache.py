"""Every image is decoded and resized once per machine, into a memory-mapped uint8 array that all trials share."""

import hashlib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from segtrain.data.spec import IGNORE, SPLITS, DataError, Dataset, Pair, Split
from segtrain.machine.disk import write_once

CACHE_VARIABLE = "SEGTRAIN_CACHE"


@dataclass(frozen=True)
class SplitArrays:
    """One split in memory-mapped arrays: `images` (N, H, W, 3) uint8 RGB, `masks` (N, H, W) uint8 train ids; and the
    N `groups` of its pairs, none where the data has no such."""

    images: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.uint8]
    groups: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class DataCache:
    """The three splits of a dataset at one size, and the fingerprint of the files they were made from."""

    splits: Mapping[Split, SplitArrays]
    fingerprint: str


def cache_root() -> Path:
    """`$SEGTRAIN_CACHE`, else the user's cache folder. It belongs to one machine: never on a network drive."""
    if CACHE_VARIABLE in os.environ:
        return Path(os.environ[CACHE_VARIABLE])
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "segtrain"


def list_pairs(dataset: Dataset, data_root: Path) -> Mapping[Split, list[Pair]]:
    """The pairs of every split, writing the embedded scenes first where `dataset` is made of them."""
    if dataset.prepare is not None:
        dataset.prepare(data_root)
    return dataset.list_pairs(data_root)


def download(dataset: Dataset, data_root: Path) -> None:
    """Fetches the data of `dataset` into `data_root`. Raises DataError when that fails or cannot be done."""
    if dataset.download is None:
        raise DataError(
            f"dataset {dataset.name!r} cannot be downloaded by this program; leave --download out, and name the "
            "folder that holds the data with --data-root"
        )
    dataset.download(data_root)


def open_cache(dataset: Dataset, data_root: Path, height: int, width: int) -> DataCache:
    """Opens the cache of `dataset` at `height` x `width`, building it first when it is not there.

    Concurrent callers build it once. Raises DataError naming every file that cannot be used: unreadable,
    a mask of another size than its image, a label that is no class.
    """
    pairs = list_pairs(dataset, data_root)
    fingerprint = _fingerprint(data_root, pairs)
    folder = cache_root() / f"{dataset.name}-{width}x{height}-{fingerprint}"
    write_once(folder, lambda temporary: _fill(temporary, dataset, pairs, height, width))
    splits = {
        split: SplitArrays(
            np.load(folder / f"{split}_images.npy", mmap_mode="r"),
            np.load(folder / f"{split}_masks.npy", mmap_mode="r"),
            _groups(pairs[split]),
        )
        for split in SPLITS
    }
    return DataCache(splits, fingerprint)


def _groups(pairs: list[Pair]) -> tuple[str, ...]:
    names = tuple(pair.group for pair in pairs if pair.group is not None)
    return names if len(names) == len(pairs) else ()


def _fingerprint(data_root: Path, pairs: Mapping[Split, list[Pair]]) -> str:
    """12 hex digits over the name, size and modification time of every file, in order."""
    digest = hashlib.sha256()
    for split in SPLITS:
        for pair in pairs[split]:
            for path in (pair.image, pair.mask):
                stat = path.stat()
                digest.update(f"{split}/{path.relative_to(data_root)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]


def _fill(folder: Path, dataset: Dataset, pairs: Mapping[Split, list[Pair]], height: int, width: int) -> None:
    """Decodes all pairs into arrays under `folder`. Raises DataError on what was wrong with the files."""
    problems: list[str] = []
    console = Console(stderr=True)
    # Threads suffice: Pillow lets go of the interpreter while it decodes and resizes.
    with (
        Progress(console=console, disable=not console.is_terminal, transient=True) as progress,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        task = progress.add_task(f"decoding {dataset.name}", total=sum(len(pairs[split]) for split in SPLITS))
        for split in SPLITS:
            count = len(pairs[split])
            images = np.lib.format.open_memmap(
                folder / f"{split}_images.npy", mode="w+", dtype=np.uint8, shape=(count, height, width, 3)
            )
            masks = np.lib.format.open_memmap(
                folder / f"{split}_masks.npy", mode="w+", dtype=np.uint8, shape=(count, height, width)
            )

            def decode(index: int, split: Split = split, images=images, masks=masks) -> tuple[str, ...]:  # type: ignore[no-untyped-def]
                try:
                    image, labels = read_pair(dataset, pairs[split][index])
                except DataError as error:
                    return error.problems
                finally:
                    progress.advance(task)
                size = width, height
                images[index] = np.asarray(image.resize(size, Image.Resampling.BILINEAR))
                masks[index] = np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))
                return ()

            for found in pool.map(decode, range(count)):
                problems += found
            images.flush()
            masks.flush()
    if problems:
        raise DataError(*problems)


def read_pair(dataset: Dataset, pair: Pair) -> tuple[Image.Image, npt.NDArray[np.uint8]]:
    """The image in RGB and its (H, W) train ids, at the size of the files.

    Raises DataError naming every file of the two that cannot be used: unreadable, an image of 16 bits, a mask of
    another size than its image, a label that the dataset does not have.
    """
    opened, problems = {}, []
    for path in (pair.image, pair.mask):
        try:
            with Image.open(path) as file:
                file.load()
                opened[path] = file
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            problems.append(f"{path}: cannot be read ({error})")
    if problems:
        raise DataError(*problems)
    image, mask = opened[pair.image], opened[pair.mask]
    if image.size != mask.size:
        size, wanted = f"{mask.width}x{mask.height}", f"{image.width}x{image.height}"
        raise DataError(f"{pair.mask}: is {size} but its image {pair.image} is {wanted}")
    if image.mode.startswith(("I", "F")):  # Pillow would cut it off at 255, which is nearly white everywhere
        raise DataError(
            f"{pair.image}: has wider pixels than a byte (mode {image.mode}); save it with 8 bits a channel"
        )
    labels = dataset.decode_mask(mask)
    if labels.ndim != 2:
        raise DataError(
            f"{pair.mask}: has {labels.shape[2]} channels; dataset {dataset.name!r} expects labels in a single one"
        )
    stray = [label for label in np.unique(labels).tolist() if label not in dataset.train_ids]
    if stray:
        raise DataError(
            f"{pair.mask}: has label {', '.join(map(str, stray))}; dataset {dataset.name!r} has labels "
            f"{', '.join(map(str, dataset.train_ids))}"
        )
    table = np.full(256, IGNORE, dtype=np.uint8)
    for label, train_id in dataset.train_ids.items():
        table[label] = train_id
    return image.convert("RGB"), table[labels.astype(np.intp)]

"""Every image is decoded and resized once per machine, into a memory-mapped uint8 array that all trials share."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from segtrain.data.spec import IGNORE, SPLITS, DataError, Dataset, Pair, Split

CACHE_VARIABLE = "SEGTRAIN_CACHE"


@dataclass(frozen=True)
class SplitArrays:
    """One split in memory-mapped arrays: `images` (N, H, W, 3) uint8 RGB, `masks` (N, H, W) uint8 train ids."""

    images: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.uint8]

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


def open_cache(dataset: Dataset, data_root: Path, height: int, width: int) -> DataCache:
    """Opens the cache of `dataset` at `height` x `width`, building it first when it is not there.

    Concurrent callers build it once. Raises DataError naming every file that cannot be used: unreadable,
    a mask of another size than its image, a label that is no class.
    """
    pairs = list_pairs(dataset, data_root)
    fingerprint = _fingerprint(data_root, pairs)
    folder = cache_root() / f"{dataset.name}-{width}x{height}-{fingerprint}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock", fallback_to_soft=False):
            for stray in folder.parent.glob(f".{folder.name}.*.tmp"):
                shutil.rmtree(stray)  # of a builder that was killed
            if not folder.is_dir():
                _build(folder, dataset, pairs, height, width)
    splits = {
        split: SplitArrays(
            np.load(folder / f"{split}_images.npy", mmap_mode="r"),
            np.load(folder / f"{split}_masks.npy", mmap_mode="r"),
        )
        for split in SPLITS
    }
    return DataCache(splits, fingerprint)


def _fingerprint(data_root: Path, pairs: Mapping[Split, list[Pair]]) -> str:
    """12 hex digits over the name, size and modification time of every file, in order."""
    digest = hashlib.sha256()
    for split in SPLITS:
        for pair in pairs[split]:
            for path in (pair.image, pair.mask):
                stat = path.stat()
                digest.update(f"{split}/{path.relative_to(data_root)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]


def _build(folder: Path, dataset: Dataset, pairs: Mapping[Split, list[Pair]], height: int, width: int) -> None:
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.tmp")
    temporary.mkdir()
    try:
        problems = _fill(temporary, dataset, pairs, height, width)
        if problems:
            raise DataError(*problems)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _fill(folder: Path, dataset: Dataset, pairs: Mapping[Split, list[Pair]], height: int, width: int) -> list[str]:
    """Decodes all pairs into arrays under `folder` and returns what was wrong with the files."""
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

            def decode(index: int, split: Split = split, images=images, masks=masks) -> list[str]:  # type: ignore[no-untyped-def]
                found = list(_decode(dataset, pairs[split][index], images[index], masks[index]))
                progress.advance(task)
                return found

            for found in pool.map(decode, range(count)):
                problems += found
            images.flush()
            masks.flush()
    return problems


def _decode(
    dataset: Dataset, pair: Pair, image_out: npt.NDArray[np.uint8], mask_out: npt.NDArray[np.uint8]
) -> Iterator[str]:
    """Writes the resized pair into the two slices and yields what is wrong with it."""
    height, width = mask_out.shape
    opened = {}
    for path in (pair.image, pair.mask):
        try:
            with Image.open(path) as file:
                file.load()
                opened[path] = file
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            yield f"{path}: cannot be read ({error})"
    if len(opened) < 2:
        return
    image, mask = opened[pair.image], opened[pair.mask]
    if image.size != mask.size:
        yield f"{pair.mask}: is {mask.width}x{mask.height} but its image {pair.image} is {image.width}x{image.height}"
        return
    labels = dataset.decode_mask(mask)
    if labels.ndim != 2:
        yield f"{pair.mask}: has {labels.shape[2]} channels; dataset {dataset.name!r} expects class ids in a single one"
        return
    stray = [int(label) for label in np.unique(labels) if label >= len(dataset.classes) and label != IGNORE]
    if stray:
        yield (
            f"{pair.mask}: has label {', '.join(map(str, stray))}; dataset {dataset.name!r} has classes 0 to "
            f"{len(dataset.classes) - 1} and {IGNORE} for ignored pixels"
        )
    image_out[:] = np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))
    mask_out[:] = np.asarray(Image.fromarray(labels.astype(np.uint8)).resize((width, height), Image.Resampling.NEAREST))

"""What a dataset file has to say: which (image, mask) pairs a split has, and how a mask becomes train ids."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from segtrain.errors import UserError

Split: TypeAlias = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
IGNORE = 255
"""The train id of pixels that enter neither loss nor metric, in every dataset."""

SPLIT_SEED = 1
"""Of the draws that cut a validation set from the training set. Another seed makes other datasets of the same name."""


class DataError(UserError):
    """The data on disk cannot be trained on. `problems` names every bad file, not only the first."""


@dataclass(frozen=True)
class Pair:
    """`group`: the drive, sequence or city, where the data has such; images of one group are no independent samples."""

    image: Path
    mask: Path
    group: str | None = None


def open_picture(path: Path) -> Image.Image:
    """Whole. Raises DataError, without the name of the file, when it cannot be read."""
    try:
        with Image.open(path) as file:
            file.load()
            return file
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"cannot be read ({error})") from None


def to_rgb(image: Image.Image) -> Image.Image:
    """Grey is repeated, and transparency left out. Raises DataError on wider pixels, which Pillow would cut off at 255:
    nearly white everywhere."""
    if image.mode.startswith(("I", "F")):
        raise DataError(f"has wider pixels than a byte (mode {image.mode}); save it with 8 bits a channel")
    return image.convert("RGB")


@dataclass(frozen=True)
class Dataset:
    """A dataset with its classes in train-id order and their colours.

    `list_pairs(data_root)` gives the pairs of every split in a stable order and raises DataError.
    `train_ids` is the train id, or IGNORE, of each label that a mask may hold; any other is an error.
    `decode_mask(mask)` gives the labels, (H, W) integers as the file has them, and `decode_image(image)` the image in
    RGB with 8 bits; both raise DataError, without the name of the file, when they cannot. `read_labels(path)`, where
    present, does what opening a mask and `decode_mask` do, for files that are no pictures. A fingerprint tells these by
    their names and the arguments of a partial, so what else they close over must not matter.
    `prepare(data_root)`, where present, writes the data that the program itself makes; `download(data_root)` fetches
    them from their publisher and raises DataError when it cannot. `code` is a hash of the source of a dataset that is
    not of this program.
    """

    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    list_pairs: Callable[[Path], Mapping[Split, list[Pair]]]
    train_ids: Mapping[int, int]
    decode_mask: Callable[[Image.Image], npt.NDArray[np.integer]] = np.asarray
    decode_image: Callable[[Image.Image], Image.Image] = to_rgb
    read_labels: Callable[[Path], npt.NDArray[np.integer]] | None = None
    prepare: Callable[[Path], None] | None = None
    download: Callable[[Path], None] | None = None
    code: str | None = None


def require_folder(folder: Path, name: str, layout: str, remedy: str = "") -> None:
    """Raises DataError when there is no `folder`; `remedy` is what else may help besides another data root."""
    if not folder.is_dir():
        raise DataError(
            f"{folder} is not a folder; dataset {name!r} expects {layout} under the data root: "
            f"name the folder that holds it with --data-root{remedy}"
        )


def held_out(names: Iterable[str], count: int) -> set[str]:
    """`count` of the names, drawn by their hash: the same ones on every machine, in any order, for ever."""
    return set(sorted(names, key=lambda name: hashlib.sha256(f"{SPLIT_SEED}/{name}".encode()).digest())[:count])


def require_pairs(
    pairs: Mapping[Split, list[Pair]], folder: Path, name: str, layout: str, orphans: Sequence[str] = ()
) -> None:
    """Raises DataError when a file of a pair is missing or a split is empty; `orphans` are problems found before."""
    problems = [
        f"{missing}: no such {kind}, wanted by {other}"
        for split in SPLITS
        for pair in pairs[split]
        for missing, kind, other in ((pair.image, "image", pair.mask), (pair.mask, "mask", pair.image))
        if not missing.is_file()
    ]
    if problems or orphans:
        raise DataError(*problems, *orphans)
    empty = [split for split in SPLITS if not pairs[split]]
    if empty:
        raise DataError(
            f"{folder} has no image and mask pairs for {', '.join(empty)}; dataset {name!r} expects {layout}"
        )

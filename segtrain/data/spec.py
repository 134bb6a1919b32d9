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
class Channels:
    """What an image holds, by `names` in the order of its channels: values of `bits` bits, 8 or 16, which enter a model
    as numbers in [0, 1] less `mean`, by `std`. `streams`: how many channels each network of a late fusion sees, in
    their order; none where they are of one kind."""

    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    bits: int = 8
    streams: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def most(self) -> int:
        """The greatest value."""
        return int(2**self.bits - 1)


RGB = Channels(("red", "green", "blue"), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Normalised by the colours of ImageNet, as torchvision's weights expect them."""


@dataclass(frozen=True)
class Pair:
    """`group`: the drive, sequence or city, where the data has such; images of one group are no independent samples.
    `more`: further files of the image, whose channels follow those of the first. `further`: a mask for each of the
    further tasks of its dataset."""

    image: Path
    mask: Path
    group: str | None = None
    more: tuple[Path, ...] = ()
    further: tuple[Path, ...] = ()

    @property
    def images(self) -> tuple[Path, ...]:
        return (self.image, *self.more)

    @property
    def masks(self) -> tuple[Path, ...]:
        return (self.mask, *self.further)


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
class Task:
    """What else is asked of every pixel of a dataset, in masks of its own; the fields are as those of a Dataset."""

    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    train_ids: Mapping[int, int]
    read_labels: Callable[[Path], npt.NDArray[np.integer]]


@dataclass(frozen=True)
class Dataset:
    """A dataset with its classes in train-id order and their colours.

    `list_pairs(data_root)` gives the pairs of every split in a stable order and raises DataError.
    `train_ids` is the train id, or IGNORE, of each label that a mask may hold; any other is an error.
    `decode_mask(mask)` gives the labels, (H, W) integers as the file has them, and `decode_image(image)` the image in
    RGB with 8 bits; both raise DataError, without the name of the file, when they cannot. `read_labels(path)` and
    `read_image(path)`, where present, do this and open the file: for labels that are no picture, and for images of
    other `channels` than RGB: (H, W, channels of this file) uint8, or uint16 where they have 16 bits. A fingerprint
    tells these by their names and the arguments of a partial, so what else they close over must not matter.
    `prepare(data_root)`, where present, writes the data that the program itself makes; `download(data_root)` fetches
    them from their publisher and raises DataError when it cannot. `code` is a hash of the source of a dataset that is
    not of this program.

    Where more than one thing is asked of a pixel, the fields above are of the first task, whose name is `task`, and
    `further` are the others: one network answers all of them, and the first one chooses its weights.
    """

    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    list_pairs: Callable[[Path], Mapping[Split, list[Pair]]]
    train_ids: Mapping[int, int]
    decode_mask: Callable[[Image.Image], npt.NDArray[np.integer]] = np.asarray
    decode_image: Callable[[Image.Image], Image.Image] = to_rgb
    read_labels: Callable[[Path], npt.NDArray[np.integer]] | None = None
    read_image: Callable[[Path], npt.NDArray[np.unsignedinteger]] | None = None
    channels: Channels = RGB
    prepare: Callable[[Path], None] | None = None
    download: Callable[[Path], None] | None = None
    code: str | None = None
    task: str = ""
    further: tuple[Task, ...] = ()

    @property
    def outputs(self) -> tuple[int, ...]:
        """How many classes each task has: a network gives a score for each, one task behind the other."""
        return (len(self.classes), *(len(task.classes) for task in self.further))

    @property
    def streams(self) -> tuple[int, ...]:
        """Of its channels; all of them in one where they are of one kind."""
        return self.channels.streams or (len(self.channels),)


def require_folder(folder: Path, name: str, layout: str, remedy: str = "") -> None:
    """Raises DataError when there is no `folder`; `remedy` is what else may help besides another data root."""
    if not folder.is_dir():
        raise DataError(
            f"{folder} is not a folder; dataset {name!r} expects {layout} under the data root: "
            f"name the folder that holds it with --data-root{remedy}"
        )


def held_out(names: Iterable[str], count: int) -> set[str]:
    """`count` of the names, drawn by their hash: the same ones on every machine, in any order, for ever."""
    return set(sorted(names, key=lambda name: hash_of_name(SPLIT_SEED, name))[:count])


def hash_of_name(seed: int, name: str) -> bytes:
    """The same on every machine; of a name that is no UTF-8, as file names may be, by its bytes."""
    return hashlib.sha256(f"{seed}/{name}".encode("utf-8", "surrogateescape")).digest()


def require_pairs(
    pairs: Mapping[Split, list[Pair]], folder: Path, name: str, layout: str, orphans: Sequence[str] = ()
) -> None:
    """Raises DataError when a file of a pair is missing or a split is empty; `orphans` are problems found before."""
    problems = [
        f"{missing}: no such {kind}, wanted by {other}"
        for split in SPLITS
        for pair in pairs[split]
        for missing, kind, other in (
            *((image, "image", pair.mask) for image in pair.images),
            *((mask, "mask", pair.image) for mask in pair.masks),
        )
        if not missing.is_file()
    ]
    if problems or orphans:
        raise DataError(*problems, *orphans)
    empty = [split for split in SPLITS if not pairs[split]]
    if empty:
        raise DataError(
            f"{folder} has no image and mask pairs for {', '.join(empty)}; dataset {name!r} expects {layout}"
        )

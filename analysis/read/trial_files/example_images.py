"""The single images that a trial keeps for the eye: of its training set, and the test images that go worst and
middling."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from analysis.read.arrays import read_picture
from segtrain import records
from segtrain.records import RecordError

Pixels = npt.NDArray[np.uint8]
Palette = list[int]


@dataclass(frozen=True, eq=False)
class Example:
    """`rank` is of records.EXAMPLE_RANKS, `index` the image's number in its split. `image` is (H, W, 3); `truth` and
    `prediction` (None of training images) are (H, W) class ids, in the flat 0..255 `palette`."""

    rank: str
    index: int
    image: Pixels
    truth: Pixels
    prediction: Pixels | None
    palette: Palette


def read_examples(folder: Path) -> list[Example]:
    """By rank, then by number; none of a trial from before them. Raises RecordError."""
    places = folder / records.EXAMPLES_DIR
    names = [path.name for path in places.iterdir()] if places.is_dir() else []
    found = [match for name in names if (match := re.fullmatch(r"([a-z0-9]+)-(\d{1,9})_image\.png", name))]
    chosen = [(records.EXAMPLE_RANKS.index(m[1]), int(m[2]), m[1]) for m in found if m[1] in records.EXAMPLE_RANKS]
    return [_read(places, rank, index) for _, index, rank in sorted(chosen)]


def _read(folder: Path, rank: str, index: int) -> Example:
    image = read_picture(folder / records.example_file(rank, index, "image")).convert("RGB")
    truth = read_labels(folder / records.example_file(rank, index, "truth"))
    path = folder / records.example_file(rank, index, "prediction")
    labels = None if rank == "train" else np.asarray(read_labels(path))
    if {truth.size, image.size, labels.shape[::-1] if labels is not None else truth.size} != {truth.size}:
        raise RecordError(f"{folder}: the pictures of {rank}-{index} are of different sizes; they are left out")
    return Example(rank, index, np.asarray(image), np.asarray(truth), labels, truth.getpalette() or [])


def read_labels(path: Path) -> Image.Image:
    """A picture that holds class ids. Raises RecordError when it is absent or torn, or holds something else."""
    picture = read_picture(path)
    if picture.mode != "P":
        raise RecordError(f"{path} is of mode {picture.mode!r}; expected a palette picture ('P') of class ids")
    return picture

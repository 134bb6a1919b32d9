"""PASCAL VOC (Everingham et al. 2010), 21 classes, trained on the annotations of SBD (Hariharan et al., "Semantic
Contours from Inverse Detectors", ICCV 2011), as in the FCN paper; and the embedded objects, which are written in the
same layout so that they go through the same loader."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segtrain.data.matlab.mat_file import read_matrix, read_names
from segtrain.data.own.decoding import decode_palette
from segtrain.data.spec import IGNORE, Dataset, Pair, Split, held_out, open_picture, require_folder, require_pairs
from segtrain.synthetic import voc_colour, write_objects

LAYOUT = (
    "VOCdevkit/VOC{year}/{{JPEGImages/*.jpg, SegmentationClass/*.png, ImageSets/Segmentation/val.txt}} and "
    "benchmark_RELEASE/dataset/{{img/*.jpg, cls/*.mat, train.txt}}"
)
CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
PALETTE = tuple(map(voc_colour, range(len(CLASSES))))
VAL_SHARE = 0.1
EMBEDDED_YEAR, EMBEDDED_VOC = 2011, 90


def list_pairs(data_root: Path, name: str, subfolder: str, year: int) -> dict[Split, list[Pair]]:
    """Trains on SBD's training images and tests on those of VOC's validation that are not among them: for 2011 the 736
    images of the FCN paper's `seg11valid`. What chooses the weights is VAL_SHARE of SBD's training images, drawn by
    `held_out`; the paper trains on these too, and its test is what it validated on."""
    layout = LAYOUT.format(year=year)
    voc = data_root / subfolder / "VOCdevkit" / f"VOC{year}"
    sbd = data_root / subfolder / "benchmark_RELEASE" / "dataset"
    for folder in (voc, sbd):
        require_folder(folder, name, layout)
    trained = read_names(sbd / "train.txt", name, layout)
    validated = read_names(voc / "ImageSets" / "Segmentation" / "val.txt", name, layout)
    val, seen = held_out(trained, round(VAL_SHARE * len(trained))), set(trained)
    pairs: dict[Split, list[Pair]] = {
        "train": [_of_sbd(sbd, image) for image in trained if image not in val],
        "val": [_of_sbd(sbd, image) for image in trained if image in val],
        "test": [
            Pair(voc / "JPEGImages" / f"{image}.jpg", voc / "SegmentationClass" / f"{image}.png")
            for image in validated
            if image not in seen
        ],
    }
    require_pairs(pairs, data_root / subfolder, name, layout)
    return pairs


def _of_sbd(folder: Path, image: str) -> Pair:
    return Pair(folder / "img" / f"{image}.jpg", folder / "cls" / f"{image}.mat")


def read_labels(path: Path) -> npt.NDArray[np.integer]:
    """Of SBD's .mat and of VOC's palette PNG, whose 255 around each object is ignored."""
    if path.suffix == ".mat":
        return read_matrix(path, "GTcls", lambda found: found[0]["Segmentation"][0])
    return decode_palette(open_picture(path))


def _voc(name: str, subfolder: str, year: int, prepare: Callable[[Path], None] | None = None) -> Dataset:
    return Dataset(
        name=name,
        classes=CLASSES,
        palette=PALETTE,
        list_pairs=partial(list_pairs, name=name, subfolder=subfolder, year=year),
        train_ids={label: label for label in range(len(CLASSES))} | {IGNORE: IGNORE},
        read_labels=read_labels,
        prepare=prepare,
    )


def _embedded(name: str, sbd: int, seed: int) -> Dataset:
    def write(data_root: Path) -> None:
        write_objects(data_root / name, EMBEDDED_YEAR, sbd, EMBEDDED_VOC, seed)

    return _voc(name, name, EMBEDDED_YEAR, write)


VOC = _voc("voc", subfolder=".", year=2011)
VOC2012 = _voc("voc2012", subfolder=".", year=2012)
OBJECTS = _embedded("objects", sbd=260, seed=0)
OBJECTS_SOURCE = _embedded("objects_source", sbd=600, seed=1)
"""Others of the same kinds, and more, for a pretraining."""

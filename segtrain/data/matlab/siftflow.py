"""SIFT Flow (Liu, Yuen, Torralba 2009), 33 semantic classes and three geometric ones (Tighe and Lazebnik 2010): two
tasks of one network, or one of them alone; and the embedded outdoor views, which are written in the same layout so that
they go through the same loader."""

from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from segtrain import config
from segtrain.data.matlab.mat_file import read_matrix, split_by_lists
from segtrain.data.spec import (
    IGNORE,
    RGB,
    Channels,
    Dataset,
    Pair,
    Split,
    Task,
)
from segtrain.synthetic import voc_colour, write_outdoors

Tasks = Literal["both", "semantic", "geometric"]
SCENES = "spatial_envelope_256x256_static_8outdoorcategories"
LABELS = {"semantic": "SemanticLabels", "geometric": "GeoLabels"}
LAYOUT = f"SiftFlow/{{trainval,test}}.txt and SiftFlow/{{Images,SemanticLabels,GeoLabels}}/{SCENES}/*.{{jpg,mat}}"
CLASSES = (
    "awning", "balcony", "bird", "boat", "bridge", "building", "bus", "car", "cow", "crosswalk", "desert", "door",
    "fence", "field", "grass", "moon", "mountain", "person", "plant", "pole", "river", "road", "rock", "sand", "sea",
    "sidewalk", "sign", "sky", "staircase", "streetlight", "sun", "tree", "window",
)  # fmt: skip
GEOMETRY = ("sky", "horizontal", "vertical")
MEAN = tuple(level / 255 for level in (108.353, 115.294, 114.578))
"""Published, of red, green and blue; the reference divides by no deviation, here it is ImageNet's."""
EMBEDDED_TRAINVAL, EMBEDDED_TEST, EMBEDDED_SIDE = 270, 60, 96


def list_pairs(data_root: Path, name: str, subfolder: str, tasks: Tasks) -> dict[Split, list[Pair]]:
    """VAL_SHARE of the images of trainval.txt, drawn by `held_out`, choose the weights, and those of test.txt are the
    test. The lists of the reference implementation leave out two images without labels."""
    folder = data_root / subfolder / "SiftFlow"

    def pair(image: str) -> Pair:
        first, *further = (
            folder / where / SCENES / f"{image}.mat" for task, where in LABELS.items() if tasks in ("both", task)
        )
        return Pair(folder / "Images" / SCENES / f"{image}.jpg", first, further=tuple(further))

    return split_by_lists(folder, name, LAYOUT, pair)


def read_labels(path: Path) -> npt.NDArray[np.integer]:
    """0 where there is no label; the geometric ones have -1 there, too."""
    labels = read_matrix(path, "S")
    return np.where(labels == -1, 0, labels)


def _train_ids(classes: tuple[str, ...]) -> dict[int, int]:
    return {0: IGNORE} | {1 + number: number for number in range(len(classes))}


SEMANTIC = Task(
    "semantic", CLASSES, tuple(voc_colour(1 + n) for n in range(len(CLASSES))), _train_ids(CLASSES), read_labels
)
GEOMETRIC = Task(
    "geometric", GEOMETRY, ((132, 180, 228), (128, 176, 88), (176, 96, 72)), _train_ids(GEOMETRY), read_labels
)


def _siftflow(name: str, tasks: Tasks) -> Dataset:
    embedded = name.startswith("outdoors")
    first = GEOMETRIC if tasks == "geometric" else SEMANTIC
    return Dataset(
        name=name,
        classes=first.classes,
        palette=first.palette,
        list_pairs=partial(list_pairs, name=name, subfolder="outdoors" if embedded else ".", tasks=tasks),
        train_ids=first.train_ids,
        read_labels=first.read_labels,
        channels=Channels(RGB.names, MEAN, RGB.std),
        prepare=_write_embedded if embedded else None,
        task=first.name,
        further=(GEOMETRIC,) if tasks == "both" else (),
    )


def _write_embedded(data_root: Path) -> None:
    write_outdoors(data_root / "outdoors", EMBEDDED_TRAINVAL, EMBEDDED_TEST, EMBEDDED_SIDE, seed=0)


SIFTFLOW: dict[config.Dataset, Dataset] = {
    "siftflow": _siftflow("siftflow", "both"),
    "siftflow_semantic": _siftflow("siftflow_semantic", "semantic"),
    "siftflow_geometric": _siftflow("siftflow_geometric", "geometric"),
}
OUTDOORS: dict[config.Dataset, Dataset] = {
    "outdoors": _siftflow("outdoors", "both"),
    "outdoors_semantic": _siftflow("outdoors_semantic", "semantic"),
    "outdoors_geometric": _siftflow("outdoors_geometric", "geometric"),
}

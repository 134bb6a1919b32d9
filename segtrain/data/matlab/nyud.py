"""NYUDv2 (Silberman et al. 2012) with the 40 classes of Gupta et al. 2014, as RGB, depth and HHA and as pairs of them;
and the embedded rooms, which are written in the same layout so that they go through the same loader."""

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
    DataError,
    Dataset,
    Pair,
    Split,
    open_picture,
    to_rgb,
)
from segtrain.synthetic import voc_colour, write_rooms

Modality = Literal["rgb", "depth", "rgbd", "hha", "rgb_hha"]
LAYOUT = "nyud/{trainval,test}.txt, nyud/data/{images,depth,hha}/img_*.png and nyud/segmentation/img_*.mat"
CLASSES = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter",
    "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes", "ceiling", "books",
    "refrigerator", "television", "paper", "towel", "shower curtain", "box", "whiteboard", "person", "night stand",
    "toilet", "sink", "lamp", "bathtub", "bag", "other structure", "other furniture", "other prop",
)  # fmt: skip
FOLDERS: dict[Modality, tuple[str, ...]] = {
    "rgb": ("images",), "depth": ("depth",), "rgbd": ("images", "depth"), "hha": ("hha",), "rgb_hha": ("images", "hha"),
}  # fmt: skip
MOST_DEPTH = 2**16 - 1
DEPTH_SCALE = np.log(MOST_DEPTH)
"""Of the logarithm of a depth in millimetres, which is kept in 16 bits: the greatest becomes their greatest value."""
RGB_MEAN = tuple(level / 255 for level in (92.318, 97.203, 116.190))
HHA_MEAN = tuple(level / 255 for level in (132.431, 94.076, 118.477))
DEPTH_MEAN, DEPTH_STD = 7.844 / DEPTH_SCALE, 1 / DEPTH_SCALE
"""Published means; a depth enters as its logarithm less the mean, as in the FCN paper's own layers. Colours and HHA are
divided by the deviations of ImageNet, which those layers leave as they are."""
EMBEDDED_TRAINVAL, EMBEDDED_TEST, EMBEDDED_HEIGHT, EMBEDDED_WIDTH = 240, 60, 96, 128


def list_pairs(data_root: Path, name: str, subfolder: str, modality: Modality) -> dict[Split, list[Pair]]:
    """VAL_SHARE of the 795 images of trainval.txt, drawn by `held_out`, choose the weights, and the 654 of test.txt are
    the test; the FCN paper trains on all of the former. A line of a list is the number of an image."""
    folder = data_root / subfolder / "nyud"

    def pair(number: str) -> Pair:
        stem = f"img_{number.removeprefix('img_')}"
        first, *more = (folder / "data" / kind / f"{stem}.png" for kind in FOLDERS[modality])
        return Pair(first, folder / "segmentation" / f"{stem}.mat", more=tuple(more))

    return split_by_lists(folder, name, LAYOUT, pair)


def read_labels(path: Path) -> npt.NDArray[np.integer]:
    return read_matrix(path, "segmentation")


def read_image(path: Path, bits: int) -> npt.NDArray[np.unsignedinteger]:
    """(H, W, 3) of colours and HHA, (H, W, 1) of depth: its logarithm, which has 16 bits; 8 are widened to 16 beside
    it."""
    picture = open_picture(path)
    if path.parent.name == "depth":
        return log_depth(np.asarray(picture))[..., None]
    pixels = np.asarray(to_rgb(picture))
    return pixels if bits == 8 else pixels.astype(np.uint16) * np.uint16(257)


def log_depth(depth: npt.NDArray[np.generic]) -> npt.NDArray[np.uint16]:
    """(H, W) millimetres -> their logarithm by DEPTH_SCALE, in 16 bits; no depth counts as one millimetre."""
    if depth.ndim != 2 or depth.dtype.kind not in "iu" or depth.max() > MOST_DEPTH or depth.min() < 0:
        shape = " x ".join(map(str, depth.shape))
        raise DataError(f"holds {shape} of {depth.dtype}; expected a depth in millimetres, up to {MOST_DEPTH}")
    logarithm = np.log(np.maximum(depth.astype(np.float64), 1)) / DEPTH_SCALE
    scaled: npt.NDArray[np.uint16] = np.rint(MOST_DEPTH * logarithm).astype(np.uint16)
    return scaled


CHANNELS: dict[Modality, Channels] = {
    "rgb": Channels(RGB.names, RGB_MEAN, RGB.std),
    "depth": Channels(("log depth",), (DEPTH_MEAN,), (DEPTH_STD,), bits=16),
    "rgbd": Channels(
        (*RGB.names, "log depth"), (*RGB_MEAN, DEPTH_MEAN), (*RGB.std, DEPTH_STD), bits=16, streams=(3, 1)
    ),
    "hha": Channels(("disparity", "height", "angle"), HHA_MEAN, RGB.std),
    "rgb_hha": Channels(
        (*RGB.names, "disparity", "height", "angle"), (*RGB_MEAN, *HHA_MEAN), RGB.std * 2, streams=(3, 3)
    ),
}


def _nyud(name: str, modality: Modality) -> Dataset:
    """One dataset for each modality: they are other images, with another fingerprint."""
    embedded = name.startswith("rooms")
    return Dataset(
        name=name,
        classes=CLASSES,
        palette=tuple(voc_colour(1 + number) for number in range(len(CLASSES))),
        list_pairs=partial(list_pairs, name=name, subfolder="rooms" if embedded else ".", modality=modality),
        train_ids={0: IGNORE} | {1 + number: number for number in range(len(CLASSES))},
        read_labels=read_labels,
        read_image=partial(read_image, bits=CHANNELS[modality].bits),
        channels=CHANNELS[modality],
        prepare=_write_embedded if embedded else None,
    )


def _write_embedded(data_root: Path) -> None:
    write_rooms(data_root / "rooms", EMBEDDED_TRAINVAL, EMBEDDED_TEST, EMBEDDED_HEIGHT, EMBEDDED_WIDTH, seed=0)


NYUD: dict[config.Dataset, Dataset] = {
    "nyud": _nyud("nyud", "rgb"),
    "nyud_depth": _nyud("nyud_depth", "depth"),
    "nyud_rgbd": _nyud("nyud_rgbd", "rgbd"),
    "nyud_hha": _nyud("nyud_hha", "hha"),
    "nyud_rgb_hha": _nyud("nyud_rgb_hha", "rgb_hha"),
}
ROOMS: dict[config.Dataset, Dataset] = {
    "rooms": _nyud("rooms", "rgb"),
    "rooms_depth": _nyud("rooms_depth", "depth"),
    "rooms_rgbd": _nyud("rooms_rgbd", "rgbd"),
    "rooms_hha": _nyud("rooms_hha", "hha"),
    "rooms_rgb_hha": _nyud("rooms_rgb_hha", "rgb_hha"),
}

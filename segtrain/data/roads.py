"""CARLA road scenes, 13 classes, in the layout of the Lyft-Udacity challenge; and the embedded scenes, which are
written in the same layout so that they go through the same loader."""

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from segtrain.data.spec import IGNORE, Dataset, Pair, Split, require_folder, require_pairs
from segtrain.synthetic import Style, write_scenes

LAYOUT = "data*/data*/CameraRGB/*.png with a mask of the same name in data*/data*/CameraSeg/"
CLASSES = (
    "None", "Buildings", "Fences", "Other", "Pedestrians", "Poles", "RoadLines", "Roads", "Sidewalks", "Vegetation",
    "Vehicles", "Walls", "TrafficSigns",
)  # fmt: skip
PALETTE = (
    (0, 0, 0), (70, 70, 70), (190, 153, 153), (250, 170, 160), (220, 20, 60), (153, 153, 153), (157, 234, 50),
    (128, 64, 128), (244, 35, 232), (107, 142, 35), (0, 0, 142), (102, 102, 156), (220, 220, 0),
)  # fmt: skip
EMBEDDED_COUNTS = {"dataA": 100, "dataB": 100, "dataC": 100}
EMBEDDED_HEIGHT, EMBEDDED_WIDTH = 96, 128
TRAIN_SHARE, VAL_SHARE = 0.7, 0.15


def list_pairs(data_root: Path, name: str, subfolder: str) -> dict[Split, list[Pair]]:
    """Each folder is one drive. It is cut into three contiguous blocks: neighbouring frames are nearly equal, so a
    random split, which others may use, would put near copies of training images into the test set and raise the level
    of all scores."""
    folder = data_root / subfolder
    require_folder(folder, name, LAYOUT)
    drives = sorted({path.with_name("CameraRGB") for path in folder.glob("data*/data*/Camera*")})
    pairs: dict[Split, list[Pair]] = {"train": [], "val": [], "test": []}
    orphans: list[str] = []
    for drive in drives:
        images, masks = sorted(drive.glob("*.png")), drive.with_name("CameraSeg")
        names = {image.name for image in images}
        orphans += [f"{mask}: mask without an image" for mask in sorted(masks.glob("*.png")) if mask.name not in names]
        train_end, val_end = round(len(images) * TRAIN_SHARE), round(len(images) * (TRAIN_SHARE + VAL_SHARE))
        drive_pairs = [Pair(image, masks / image.name, drive.parent.name) for image in images]
        pairs["train"] += drive_pairs[:train_end]
        pairs["val"] += drive_pairs[train_end:val_end]
        pairs["test"] += drive_pairs[val_end:]
    require_pairs(pairs, folder, name, LAYOUT, orphans)
    return pairs


def decode_mask(mask: Image.Image) -> npt.NDArray[np.integer]:
    """The class id is the red channel; a mask of one channel is taken as it is."""
    labels = np.asarray(mask)
    return labels[..., 0] if labels.ndim == 3 else labels


def _carla(name: str, subfolder: str, style: Style | None = None) -> Dataset:
    return Dataset(
        name=name,
        classes=CLASSES,
        palette=PALETTE,
        list_pairs=partial(list_pairs, name=name, subfolder=subfolder),
        train_ids={label: label for label in range(len(CLASSES))} | {IGNORE: IGNORE},
        decode_mask=decode_mask,
        prepare=None if style is None else partial(_write_embedded, subfolder=subfolder, style=style),
    )


def _write_embedded(data_root: Path, subfolder: str, style: Style) -> None:
    write_scenes(data_root / subfolder, style, EMBEDDED_COUNTS, EMBEDDED_HEIGHT, EMBEDDED_WIDTH, seed=0)


ROADS = _carla("roads", subfolder=".")
SCENES = _carla("scenes", subfolder="scenes", style="target")
SCENES_SOURCE = _carla("scenes_source", subfolder="scenes_source", style="source")

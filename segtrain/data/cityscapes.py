"""Cityscapes (Cordts et al. 2016), 19 classes, in its official layout; and the embedded streets, which are written in
the same layout so that they go through the same loader."""

from functools import partial
from pathlib import Path

from segtrain.data.spec import IGNORE, Dataset, Pair, Split, held_out, require_folder, require_pairs
from segtrain.synthetic import write_streets

LAYOUT = (
    "{subfolder}/leftImg8bit/{{train,val}}/<city>/*_leftImg8bit.png with "
    "{subfolder}/gtFine/{{train,val}}/<city>/*_gtFine_labelIds.png"
)
IMAGE, MASK = "_leftImg8bit.png", "_gtFine_labelIds.png"
CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain",
    "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
PALETTE = (
    (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153), (250, 170, 30),
    (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142),
    (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
)  # fmt: skip
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""Label id of each class; the other ids up to 33 and the license plate's -1, which a byte holds as 255, are ignored."""
CITIES_PER_VAL_CITY = 8
EMBEDDED_CITIES = {"train": {"ashford": 24, "birkdale": 24, "corran": 24, "dunmere": 24, "elmhurst": 24},
                   "val": {"fallow": 20, "glenrow": 20}}  # fmt: skip
EMBEDDED_HEIGHT, EMBEDDED_WIDTH = 96, 192


def list_pairs(data_root: Path, name: str, subfolder: str, remedy: str = "") -> dict[Split, list[Pair]]:
    """The labels of the official test set are not public: the official val set is the test set here, and an eighth of
    the training cities, drawn by `held_out`, is the validation set: bochum and bremen, 412 of the 2,975 images."""
    folder, layout = data_root / subfolder, LAYOUT.format(subfolder=subfolder)
    for part in ("leftImg8bit", "gtFine"):
        require_folder(folder / part, name, layout, remedy)
    cities: dict[str, list[Pair]] = {}
    orphans: list[str] = []
    for image in sorted((folder / "leftImg8bit" / "train").glob(f"*/*{IMAGE}")):
        cities.setdefault(image.parent.name, []).append(_pair(folder, image))
    val = held_out(cities, max(1, round(len(cities) / CITIES_PER_VAL_CITY)))
    test = [_pair(folder, image) for image in sorted((folder / "leftImg8bit" / "val").glob(f"*/*{IMAGE}"))]
    pairs: dict[Split, list[Pair]] = {
        "train": [pair for city in cities if city not in val for pair in cities[city]],
        "val": [pair for city in cities if city in val for pair in cities[city]],
        "test": test,
    }
    masks = {pair.mask for split in pairs.values() for pair in split}
    for part in ("train", "val"):
        found = sorted((folder / "gtFine" / part).glob(f"*/*{MASK}"))
        orphans += [f"{mask}: mask without an image" for mask in found if mask not in masks]
    require_pairs(pairs, folder, name, layout, orphans)
    return pairs


def _pair(folder: Path, image: Path) -> Pair:
    stem = image.name.removesuffix(IMAGE)
    mask = folder / "gtFine" / image.parent.relative_to(folder / "leftImg8bit") / f"{stem}{MASK}"
    return Pair(image, mask, image.parent.name)


def _cityscapes(name: str, remedy: str = "", prepare: bool = False) -> Dataset:
    ignored = dict.fromkeys((*range(34), IGNORE, -1), IGNORE)
    return Dataset(
        name=name,
        classes=CLASSES,
        palette=PALETTE,
        list_pairs=partial(list_pairs, name=name, subfolder=name, remedy=remedy),
        train_ids=ignored | {label: train_id for train_id, label in enumerate(LABEL_IDS)},
        prepare=partial(_write_embedded, subfolder=name) if prepare else None,
    )


def _write_embedded(data_root: Path, subfolder: str) -> None:
    write_streets(data_root / subfolder, EMBEDDED_CITIES, EMBEDDED_HEIGHT, EMBEDDED_WIDTH, seed=0)


CITYSCAPES = _cityscapes(
    "cityscapes",
    remedy=", or get an account at https://www.cityscapes-dataset.com and unpack its leftImg8bit_trainvaltest.zip and "
    "gtFine_trainvaltest.zip into the folder cityscapes under the data root",
)
STREETS = _cityscapes("streets", prepare=True)

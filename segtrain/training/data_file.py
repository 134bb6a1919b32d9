"""`data.json`: what a trial's data are, as numbers: how many pixels and images each class has in each split, and which
groups (drives, sequences, cities) the split is of."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.data.cache import DataCache, SplitArrays
from segtrain.data.spec import IGNORE, SPLITS, Dataset
from segtrain.fields import OBJECT
from segtrain.machine.remembered import remembered


def write_data_file(folder: Path, config: TrialConfig, dataset: Dataset, data: DataCache) -> None:
    height, width, own = config.image_height, config.image_width, config.resolution == "own"
    key = [data.fingerprint, *(["own"] if own else [height, width]), list(dataset.classes)]

    def count() -> dict[str, Any]:
        return {split: count_split(data.splits[split], len(dataset.classes)) for split in SPLITS}

    counts = remembered("shares", key, dict.fromkeys(SPLITS, OBJECT), count)
    size = {"height": None if own else height, "width": None if own else width}
    described = {"classes": list(dataset.classes), **size, **counts}
    records.write_json(folder / records.DATA_FILE, described)


def count_split(arrays: SplitArrays, num_classes: int) -> dict[str, Any]:
    """`pixels` and `images_with` of each class, at the size of the training, or of the files where these keep theirs;
    how many pixels are `ignored`; and the number of images of each group."""
    pixels, images_with = np.zeros(IGNORE + 1, dtype=np.int64), np.zeros(IGNORE + 1, dtype=np.int64)
    for mask in arrays.masks:
        counts = np.bincount(mask.ravel(), minlength=IGNORE + 1)
        pixels += counts
        images_with += counts > 0
    return {
        "images": len(arrays),
        "pixels": pixels[:num_classes].tolist(),
        "images_with": images_with[:num_classes].tolist(),
        "ignored": int(pixels[IGNORE]),
        "groups": dict(Counter(arrays.groups)),
    }

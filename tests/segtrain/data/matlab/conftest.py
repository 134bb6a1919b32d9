"""Images of random pixels in the layouts of VOC and SBD."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

HEIGHT, WIDTH = 33, 47


@pytest.fixture(scope="session")
def write_voc() -> Callable[..., Path]:
    """write_voc(root, sbd=[...], voc=[...]) -> `root`, with these names in SBD's train.txt and VOC2011's val.txt; masks
    hold the labels 0 to 20 at random, and those of VOC 255 too."""

    def write(root: Path, sbd: Sequence[str], voc: Sequence[str], year: int = 2011) -> Path:
        rng = np.random.default_rng(0)
        dataset, devkit = root / "benchmark_RELEASE" / "dataset", root / "VOCdevkit" / f"VOC{year}"
        lists = devkit / "ImageSets" / "Segmentation"
        for folder in (dataset / "img", dataset / "cls", devkit / "JPEGImages", devkit / "SegmentationClass", lists):
            folder.mkdir(parents=True)
        for folder, names in ((dataset / "img", sbd), (devkit / "JPEGImages", voc)):
            for name in names:
                pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{name}.jpg")
        for name in sbd:
            labels = rng.integers(0, 21, (HEIGHT, WIDTH), dtype=np.uint8)
            boundaries = np.empty((20, 1), dtype=object)
            boundaries[:] = [[np.zeros((2, 2))]] * 20
            annotation = {"Boundaries": boundaries, "Segmentation": labels, "CategoriesPresent": np.array([[3], [7]])}
            savemat(dataset / "cls" / f"{name}.mat", {"GTcls": annotation}, do_compression=True)
        for name in voc:
            mask = Image.fromarray(rng.choice(np.array([*range(21), 255], dtype=np.uint8), (HEIGHT, WIDTH))).convert(
                "P"
            )
            mask.putpalette([channel for value in range(256) for channel in (value, 255 - value, value // 2)])
            mask.save(devkit / "SegmentationClass" / f"{name}.png")
        (dataset / "train.txt").write_text("".join(f"{name}\n" for name in sbd))
        (lists / "val.txt").write_text("".join(f"{name}\n" for name in voc))
        return root

    return write

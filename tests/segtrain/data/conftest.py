"""Pets and streets of random pixels, written in the layouts of the real datasets."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segtrain.data.cityscapes import LABEL_IDS

HEIGHT, WIDTH = 33, 47


@pytest.fixture(scope="session")
def write_pets() -> Callable[..., Path]:
    """write_pets(root, {"beagle": 4, ...}, {"beagle": 2, ...}) -> <root>/oxford-iiit-pet, with as many images of each
    breed in trainval.txt and test.txt; trimaps hold 1, 2 and 3 at random."""

    def write(root: Path, trainval: Mapping[str, int], test: Mapping[str, int]) -> Path:
        rng, folder = np.random.default_rng(0), root / "oxford-iiit-pet"
        (folder / "annotations" / "trimaps").mkdir(parents=True)
        (folder / "images").mkdir()
        breeds = list(dict.fromkeys([*trainval, *test]))
        first = dict.fromkeys(breeds, 0)
        for part, counts in (("trainval", trainval), ("test", test)):
            lines = []
            for breed, count in counts.items():
                for number in range(first[breed], first[breed] + count):
                    name = f"{breed}_{number}"
                    pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
                    Image.fromarray(pixels).save(folder / "images" / f"{name}.jpg")
                    trimap = rng.integers(1, 4, (HEIGHT, WIDTH), dtype=np.uint8)
                    Image.fromarray(trimap).save(folder / "annotations" / "trimaps" / f"{name}.png")
                    lines.append(f"{name} {breeds.index(breed) + 1} 2 {breeds.index(breed) + 1}\n")
                first[breed] += count
            (folder / "annotations" / f"{part}.txt").write_text("".join(lines))
        return folder

    return write


@pytest.fixture(scope="session")
def write_cities() -> Callable[..., Path]:
    """write_cities(root, {"train": {"ulm": 3, ...}, "val": {...}}) -> `root`, in Cityscapes' layout."""

    def write(root: Path, cities: Mapping[str, Mapping[str, int]]) -> Path:
        rng = np.random.default_rng(0)
        for split, counts in cities.items():
            for city, count in counts.items():
                images, masks = (root / kind / split / city for kind in ("leftImg8bit", "gtFine"))
                images.mkdir(parents=True)
                masks.mkdir(parents=True)
                for frame in range(count):
                    stem = f"{city}_{frame:06d}_000019"
                    pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
                    labels = rng.choice(np.array(LABEL_IDS, dtype=np.uint8), (HEIGHT, WIDTH))
                    Image.fromarray(pixels).save(images / f"{stem}_leftImg8bit.png")
                    Image.fromarray(labels).save(masks / f"{stem}_gtFine_labelIds.png")
        return root

    return write

"""What is written for a folder of images and masks can be read again, and trained on when it is corrected."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segtrain.data.cache import open_cache
from segtrain.data.own.describe_folder import write_description
from segtrain.data.own.description import read_description
from segtrain.data.own.toml_dataset import read_dataset
from segtrain.data.spec import SPLITS, DataError

WriteOwn = Callable[..., Path]


def write_pairs(folder: Path, images: str, masks: str, names: list[str]) -> None:
    """Noise, and labels 0, 1, 2; the two texts have a {} for the name."""
    rng = np.random.default_rng(0)
    for name in names:
        for text, pixels in ((images, rng.integers(0, 256, (16, 24, 3))), (masks, rng.integers(0, 3, (16, 24)))):
            path = folder / text.format(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(path)


@pytest.mark.parametrize("kind", ["ids", "palette", "colours"])
def test_each_kind_of_masks_is_found(tmp_path: Path, write_own: WriteOwn, kind: str) -> None:
    write_own(tmp_path, kind).unlink()
    write_description(tmp_path)
    told = read_description(tmp_path / "dataset.toml")
    assert (told.labels, told.group, told.bits, len(told.classes)) == (kind, "{group}_*", 8, 4)
    cache = open_cache(read_dataset(told.path), tmp_path, 32, 48)
    assert {split: len(cache.splits[split]) for split in SPLITS} == {"train": 6, "val": 3, "test": 3}
    assert sorted({group for split in SPLITS for group in cache.splits[split].groups}) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("images", "masks", "found"),
    [
        ("images/{}.jpg", "masks/{}.png", ("images/*.jpg", "masks/*.png")),
        ("images/{}.png", "masks/{}_mask.png", ("images/*.png", "masks/*_mask.png")),
        ("{}.png", "{}_mask.png", ("*.png", "*_mask.png")),
        ("{}.jpg", "{}.png", ("*.jpg", "*.png")),
        ("a/{}_leftImg8bit.png", "b/{}_gtFine_labelIds.png", ("a/*_leftImg8bit.png", "b/*_gtFine_labelIds.png")),
    ],
)
def test_layouts_of_one_folder(tmp_path: Path, images: str, masks: str, found: tuple[str, str]) -> None:
    write_pairs(tmp_path, images, masks, [str(number) for number in range(10)])
    write_description(tmp_path)
    told = read_description(tmp_path / "dataset.toml")
    assert (told.images[0].text, told.masks[0].text) == found
    pairs = read_dataset(told.path).list_pairs(tmp_path)
    assert sum(map(len, pairs.values())) == 10


@pytest.mark.parametrize(
    ("images", "masks", "found"),
    [
        ("{}/{{}}.jpg", "{}annot/{{}}.png", ("*/*.jpg", "*annot/*.png")),
        ("images/{}/{{}}.jpg", "masks/{}/{{}}.png", ("images/*/*.jpg", "masks/*/*.png")),
        ("{}/images/{{}}.jpg", "{}/masks/{{}}.png", ("*/images/*.jpg", "*/masks/*.png")),
        ("x/{}/ulm/{{}}.jpg", "y/{}/ulm/{{}}.png", ("x/*/ulm/*.jpg", "y/*/ulm/*.png")),
    ],
)
def test_folders_of_splits(tmp_path: Path, images: str, masks: str, found: tuple[str, str]) -> None:
    for split, count in (("train", 5), ("val", 3), ("test", 2)):
        write_pairs(tmp_path, images.format(split), masks.format(split), [str(number) for number in range(count)])
    write_description(tmp_path)
    told = read_description(tmp_path / "dataset.toml")
    assert (told.images[0].text, told.masks[0].text, told.split_by) == (*found, "folders")
    pairs = read_dataset(told.path).list_pairs(tmp_path)
    assert {split: len(pairs[split]) for split in SPLITS} == {"train": 5, "val": 3, "test": 2}


def test_lists_and_what_is_missing(tmp_path: Path) -> None:
    write_pairs(tmp_path, "images/{}.jpg", "masks/{}.png", [str(number) for number in range(20)])
    (tmp_path / "train.txt").write_text("".join(f"{number}\n" for number in range(15)))
    (tmp_path / "test.txt").write_text("15\n16\n")
    write_description(tmp_path)
    told = read_description(tmp_path / "dataset.toml")
    assert told.parts == {"train": "train.txt", "val": 0.15, "test": "test.txt"}
    pairs = read_dataset(told.path).list_pairs(tmp_path)
    assert {split: len(pairs[split]) for split in SPLITS} == {"train": 13, "val": 2, "test": 2}


def test_what_is_said(tmp_path: Path, write_own: WriteOwn) -> None:
    path = write_own(tmp_path)
    path.unlink()
    assert write_description(tmp_path)[:3] == [
        f"{path}: 12 pairs of 'images/*.png' and 'masks/*.png'",
        "4 classes, from 12 of the masks; labels: ids",
        "split by shares, in 4 groups",
    ]
    with pytest.raises(DataError) as caught:
        write_description(tmp_path)
    assert str(caught.value) == f"{path} is there already; edit it, or move it away to have it written anew"


def test_a_folder_without_masks_is_told(tmp_path: Path, write_own: WriteOwn) -> None:
    write_own(tmp_path).unlink()
    for mask in (tmp_path / "masks").iterdir():
        mask.unlink()
    with pytest.raises(DataError, match=r": no images with masks were found among 12 pictures; "):
        write_description(tmp_path)
    with pytest.raises(DataError, match=r"nowhere is not a folder; name the one that holds "):
        write_description(tmp_path / "nowhere")

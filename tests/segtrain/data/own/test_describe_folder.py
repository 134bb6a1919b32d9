"""What is written for a folder of images and masks can be read again, and trained on when it is corrected."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tifffile import imwrite

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
    assert write_description(tmp_path)[:4] == [
        f"{path}: 12 pairs of 'images/*.png' and 'masks/*.png'",
        "images of 3 channels, 8 bits each, from 12 of them",
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


RNG = np.random.default_rng(0)
EIGHT, SIXTEEN = (RNG.integers(0, 2**bits, (16, 24, 4)).astype(f"uint{bits}") for bits in (8, 16))


@pytest.mark.parametrize(("suffix", "pixels", "kind", "found"), [
    ("png", EIGHT[..., :3], {}, (3, 8)),
    ("png", EIGHT[..., 0], {}, (1, 8)),
    ("png", EIGHT, {}, (3, 8)),  # transparency
    ("png", SIXTEEN[..., 0], {}, (1, 16)),
    ("tif", SIXTEEN[..., :3], {"photometric": "rgb"}, (3, 16)),
    ("tif", SIXTEEN[..., :3], {"photometric": "minisblack", "planarconfig": "contig"}, (3, 16)),
    ("tif", SIXTEEN, {"photometric": "minisblack", "planarconfig": "contig"}, (4, 16)),
    ("tif", EIGHT, {"photometric": "rgb", "extrasamples": ["unspecified"]}, (4, 8)),
])  # fmt: skip
def test_channels_and_bits_are_those_of_the_files(
    tmp_path: Path,
    write_own: WriteOwn,
    suffix: str,
    pixels: np.ndarray,
    kind: dict[str, object],
    found: tuple[int, int],
) -> None:
    """And what is written can be trained on as it is."""
    path = write_own(tmp_path)
    path.unlink()
    for mask in (tmp_path / "masks").iterdir():
        image = tmp_path / "images" / mask.name
        image.unlink()
        Image.open(mask).crop((0, 0, 24, 16)).save(mask)
        if suffix == "png":
            Image.fromarray(pixels).save(image)
        else:
            imwrite(image.with_suffix(".tif"), pixels, **kind)
    shape = f"{found[0]} channel{'s' * (found[0] > 1)}, {found[1]} bits each"
    assert write_description(tmp_path)[1] == f"images of {shape}, from 12 of them"
    told = read_description(path)
    assert (len(told.channels), told.bits) == found
    images = open_cache(read_dataset(path), tmp_path, 16, 24).splits["train"].images
    upper = found[0] == 3 and pixels.dtype == np.uint16
    assert np.array_equal(images[0], (pixels >> 8 * upper).reshape(16, 24, -1)[..., : found[0]])


def test_grey_files_among_colours_are_three_channels(tmp_path: Path, write_own: WriteOwn) -> None:
    write_own(tmp_path).unlink()
    grey = tmp_path / "images" / "b_1.png"
    Image.open(grey).convert("L").save(grey)
    assert write_description(tmp_path)[1] == "images of 3 channels, 8 bits each, from 12 of them"


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path, write_own: WriteOwn) -> None:
    write_own(tmp_path).unlink()
    torn = tmp_path / "images" / "b_1.png"
    torn.write_bytes(torn.read_bytes()[:100])
    with pytest.raises(DataError, match=rf"^{re.escape(str(torn))}: cannot be read "):
        write_description(tmp_path)
    assert not (tmp_path / "dataset.toml").exists()

"""Cityscapes: the official val set is tested on, validation is whole cities, and label ids become 19 classes."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segtrain.data.cache import open_cache
from segtrain.data.cityscapes import CITYSCAPES, CLASSES, LAYOUT, STREETS
from segtrain.data.spec import IGNORE, SPLITS, DataError

WriteCities = Callable[..., Path]
CITIES = {"train": {"aachen": 4, "jena": 2, "ulm": 3, "zurich": 1}, "val": {"lindau": 2, "munster": 1}}
OFFICIAL = (
    "aachen", "bochum", "bremen", "cologne", "darmstadt", "dusseldorf", "erfurt", "hamburg", "hanover", "jena",
    "krefeld", "monchengladbach", "strasbourg", "stuttgart", "tubingen", "ulm", "weimar", "zurich",
)  # fmt: skip


def cities(root: Path) -> dict[str, list[str]]:
    pairs = CITYSCAPES.list_pairs(root)
    return {split: [pair.image.parent.name for pair in pairs[split]] for split in SPLITS}


def test_of_the_real_cities_bochum_and_bremen_validate(tmp_path: Path, write_cities: WriteCities) -> None:
    """Written down, and in the docstring: another draw would silently be another dataset of the same name."""
    write_cities(tmp_path / "cityscapes", {"train": dict.fromkeys(OFFICIAL, 1), "val": {"lindau": 1}})
    found = cities(tmp_path)
    assert found["val"] == ["bochum", "bremen"]
    assert found["train"] == [city for city in OFFICIAL if city not in found["val"]]
    assert found["test"] == ["lindau"]


def test_no_city_is_in_two_splits_and_no_image_is_lost(tmp_path: Path, write_cities: WriteCities) -> None:
    write_cities(tmp_path / "cityscapes", CITIES)
    found = cities(tmp_path)
    assert found["test"] == ["lindau", "lindau", "munster"]
    assert len(found["train"]) + len(found["val"]) == 10
    assert len(set(found["val"])) == 1
    assert not set(found["train"]) & set(found["val"])


def test_a_mask_is_the_one_of_its_image_and_strays_are_left_out(tmp_path: Path, write_cities: WriteCities) -> None:
    root = write_cities(tmp_path / "cityscapes", CITIES)
    before = CITYSCAPES.list_pairs(tmp_path)
    for kind in ("instanceIds.png", "color.png", "polygons.json"):
        (root / "gtFine" / "train" / "ulm" / f"ulm_000000_000019_gtFine_{kind}").write_text("")
    (root / "leftImg8bit" / "train" / "ulm" / ".DS_Store").write_text("")
    (root / "leftImg8bit" / "test" / "berlin").mkdir(parents=True)
    (root / "leftImg8bit" / "test" / "berlin" / "berlin_000000_000019_leftImg8bit.png").write_text("")
    assert CITYSCAPES.list_pairs(tmp_path) == before
    pair = before["test"][0]
    assert pair.image == root / "leftImg8bit/val/lindau/lindau_000000_000019_leftImg8bit.png"
    assert pair.mask == root / "gtFine/val/lindau/lindau_000000_000019_gtFine_labelIds.png"


def test_label_ids_become_train_ids_and_all_others_are_ignored(tmp_path: Path, write_cities: WriteCities) -> None:
    """By the table of the benchmark; the license plate's -1 is 255 in a file of bytes."""
    write_cities(tmp_path / "cityscapes", CITIES)
    path = CITYSCAPES.list_pairs(tmp_path)["test"][0].mask
    labels = np.full((33, 47), 255, dtype=np.uint8)
    labels[0, :34] = np.arange(34)
    Image.fromarray(labels).save(path)
    expected = [
        255, 255, 255, 255, 255, 255, 255, 0, 1, 255, 255, 2, 3, 4, 255, 255, 255, 5, 255, 6, 7, 8, 9, 10, 11, 12, 13,
        14, 15, 255, 255, 16, 17, 18,
    ]  # fmt: skip
    mask = open_cache(CITYSCAPES, tmp_path, 33, 47).splits["test"].masks[0]
    assert mask[0, :34].tolist() == expected
    assert (mask[1:] == IGNORE).all()
    assert (CLASSES[expected[7]], CLASSES[expected[26]], CLASSES[expected[33]]) == ("road", "car", "bicycle")


def test_minus_one_itself_is_ignored() -> None:
    assert CITYSCAPES.train_ids[-1] == IGNORE


def test_a_mask_where_all_is_ignored_is_fine(tmp_path: Path, write_cities: WriteCities) -> None:
    write_cities(tmp_path / "cityscapes", CITIES)
    Image.new("L", (47, 33), 3).save(CITYSCAPES.list_pairs(tmp_path)["test"][1].mask)
    assert (open_cache(CITYSCAPES, tmp_path, 32, 64).splits["test"].masks[1] == IGNORE).all()


@pytest.mark.parametrize("label", [34, 26_001])
def test_an_id_that_cityscapes_does_not_have_is_named(tmp_path: Path, write_cities: WriteCities, label: int) -> None:
    """An instance map in the place of a label map has ids such as 26001; to ignore them would train on nothing."""
    write_cities(tmp_path / "cityscapes", CITIES)
    path = CITYSCAPES.list_pairs(tmp_path)["test"][1].mask
    Image.fromarray(np.full((33, 47), label, dtype=np.uint16)).save(path)
    with pytest.raises(
        DataError, match=f"^{re.escape(f'{path}: has label {label} in 1551 pixels; dataset {CITYSCAPES.name!r} has ')}"
    ):
        open_cache(CITYSCAPES, tmp_path, 32, 64)


@pytest.mark.parametrize("part", ["leftImg8bit", "gtFine"])
def test_a_missing_folder_names_the_account_and_the_archives(
    tmp_path: Path, write_cities: WriteCities, part: str
) -> None:
    root = write_cities(tmp_path / "cityscapes", CITIES)
    (root / part).rename(root / "elsewhere")
    layout = LAYOUT.format(subfolder="cityscapes")
    sentence = (
        f"{root / part} is not a folder; dataset 'cityscapes' expects {layout} under the data root: name "
        "the folder that holds it with --data-root, or get an account at "
        "https://www.cityscapes-dataset.com and unpack its leftImg8bit_trainvaltest.zip and "
        "gtFine_trainvaltest.zip into the folder cityscapes under the data root"
    )
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        CITYSCAPES.list_pairs(tmp_path)


def test_missing_images_and_masks_are_all_named(tmp_path: Path, write_cities: WriteCities) -> None:
    root = write_cities(tmp_path / "cityscapes", CITIES)
    image = root / "leftImg8bit/train/ulm/ulm_000001_000019_leftImg8bit.png"
    mask = root / "gtFine/val/munster/munster_000000_000019_gtFine_labelIds.png"
    image.unlink()
    mask.unlink()
    with pytest.raises(DataError) as caught:
        CITYSCAPES.list_pairs(tmp_path)
    assert caught.value.problems == (
        f"{mask}: no such mask, wanted by {root / 'leftImg8bit/val/munster/munster_000000_000019_leftImg8bit.png'}",
        f"{root / 'gtFine/train/ulm/ulm_000001_000019_gtFine_labelIds.png'}: mask without an image",
    )


def test_a_single_training_city_leaves_none_to_train_on(tmp_path: Path, write_cities: WriteCities) -> None:
    root = write_cities(tmp_path / "cityscapes", {"train": {"ulm": 3}, "val": {"lindau": 1}})
    layout = LAYOUT.format(subfolder="cityscapes")
    sentence = f"{root} has no image and mask pairs for train; dataset 'cityscapes' expects {layout}"
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        CITYSCAPES.list_pairs(tmp_path)


def test_the_embedded_streets_go_through_the_same_loader() -> None:
    assert (STREETS.classes, STREETS.palette, STREETS.train_ids) == (
        CITYSCAPES.classes, CITYSCAPES.palette, CITYSCAPES.train_ids,
    )  # fmt: skip
    assert STREETS.prepare is not None
    assert CITYSCAPES.prepare is CITYSCAPES.download is None

"""CARLA roads: how drives become splits, what a mask says, and what is said of files that do not fit."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segtrain.data.roads import CLASSES, LAYOUT, PALETTE, ROADS, SCENES, SCENES_SOURCE
from segtrain.data.spec import SPLITS, DataError

WriteRoads = Callable[..., Path]


def names(root: Path) -> dict[str, list[str]]:
    """Drive and frame of every image, by split."""
    pairs = ROADS.list_pairs(root)
    return {split: [f"{pair.image.parts[-3]}/{pair.image.stem}" for pair in pairs[split]] for split in SPLITS}


def test_every_drive_is_cut_into_contiguous_blocks(tmp_path: Path, write_roads: WriteRoads) -> None:
    """A random split would put neighbouring frames, which are nearly equal, on both sides."""
    write_roads(tmp_path, count=20, drive="dataB")
    write_roads(tmp_path, count=10, drive="dataA")
    frames = {"dataA": [f"dataA/{i:03d}" for i in range(10)], "dataB": [f"dataB/{i:03d}" for i in range(20)]}
    assert names(tmp_path) == {
        "train": frames["dataA"][:7] + frames["dataB"][:14],
        "val": frames["dataA"][7:8] + frames["dataB"][14:17],
        "test": frames["dataA"][8:] + frames["dataB"][17:],
    }


def test_no_frame_is_lost_or_used_twice(tmp_path: Path, write_roads: WriteRoads) -> None:
    for index, drive in enumerate(("dataA", "dataC", "dataE")):
        write_roads(tmp_path, count=7 + index, drive=drive)
    found = [name for split in names(tmp_path).values() for name in split]
    assert len(found) == len(set(found)) == 7 + 8 + 9


def test_image_and_mask_have_one_name(roads_root: Path) -> None:
    for pairs in ROADS.list_pairs(roads_root).values():
        for pair in pairs:
            assert pair.mask == pair.image.parent.with_name("CameraSeg") / pair.image.name
            assert pair.image.parent.name == "CameraRGB"


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_the_class_is_the_red_channel_or_the_only_one(mode: str) -> None:
    labels = np.array([[0, 5, 12], [255, 7, 1]], dtype=np.uint8)
    if mode == "P":
        mask = Image.fromarray(labels).convert("P")
        mask.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tobytes())
    elif mode == "L":
        mask = Image.fromarray(labels)
    else:
        others = [np.full_like(labels, value) for value in (3, 4, 255)]
        mask = Image.fromarray(np.stack([labels, *others], axis=-1)[..., : len(mode)])
    assert mask.mode == mode
    decoded = ROADS.decode_mask(mask)
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, labels)


def test_thirteen_classes_of_distinct_colours() -> None:
    assert len(CLASSES) == len(set(CLASSES)) == len(PALETTE) == len(set(PALETTE)) == 13


def test_a_missing_root_is_named(tmp_path: Path) -> None:
    root = tmp_path / "nowhere"
    sentence = (
        f"{root} is not a folder; dataset 'roads' expects {LAYOUT} under the data root: "
        "name the folder that holds it with --data-root"
    )
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        ROADS.list_pairs(root)


@pytest.mark.parametrize(("count", "empty"), [(0, "train, val, test"), (1, "val, test"), (2, "test")])
def test_splits_without_images_are_named(tmp_path: Path, write_roads: WriteRoads, count: int, empty: str) -> None:
    write_roads(tmp_path, count=count)
    sentence = f"{tmp_path} has no image and mask pairs for {empty}; dataset 'roads' expects {LAYOUT}"
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        ROADS.list_pairs(tmp_path)


def test_images_without_masks_are_all_named(tmp_path: Path, write_roads: WriteRoads) -> None:
    drive = write_roads(tmp_path)
    for frame in ("003", "019"):
        (drive / "CameraSeg" / f"{frame}.png").unlink()
    with pytest.raises(DataError) as caught:
        ROADS.list_pairs(tmp_path)
    assert caught.value.problems == tuple(
        f"{drive / 'CameraSeg' / f'{frame}.png'}: no such mask, wanted by {drive / 'CameraRGB' / f'{frame}.png'}"
        for frame in ("003", "019")
    )


def test_masks_without_images_are_all_named(tmp_path: Path, write_roads: WriteRoads) -> None:
    drive = write_roads(tmp_path)
    for frame in ("003", "019"):
        (drive / "CameraRGB" / f"{frame}.png").unlink()
    with pytest.raises(DataError) as caught:
        ROADS.list_pairs(tmp_path)
    assert caught.value.problems == tuple(
        f"{drive / 'CameraSeg' / f'{frame}.png'}: mask without an image" for frame in ("003", "019")
    )


def test_both_kinds_of_orphans_are_named_together(tmp_path: Path, write_roads: WriteRoads) -> None:
    """A frame that was renamed on one side is both at once."""
    drive = write_roads(tmp_path)
    mask, renamed = drive / "CameraSeg" / "003.png", drive / "CameraSeg" / "3.png"
    mask.rename(renamed)
    with pytest.raises(DataError) as caught:
        ROADS.list_pairs(tmp_path)
    assert sorted(caught.value.problems) == sorted(
        [
            f"{mask}: no such mask, wanted by {drive / 'CameraRGB' / '003.png'}",
            f"{renamed}: mask without an image",
        ]
    )


def test_a_drive_that_lost_all_its_images_is_named(tmp_path: Path, write_roads: WriteRoads) -> None:
    write_roads(tmp_path, drive="dataA")
    drive = write_roads(tmp_path, count=2, drive="dataB")
    for image in (drive / "CameraRGB").iterdir():
        image.unlink()
    with pytest.raises(DataError) as caught:
        ROADS.list_pairs(tmp_path)
    assert caught.value.problems == tuple(
        f"{drive / 'CameraSeg' / f'{frame}.png'}: mask without an image" for frame in ("000", "001")
    )


def test_the_embedded_scenes_go_through_the_same_loader() -> None:
    for scenes in (SCENES, SCENES_SOURCE):
        assert (scenes.classes, scenes.palette, scenes.decode_mask) == (CLASSES, PALETTE, ROADS.decode_mask)
        assert scenes.prepare is not None
    assert ROADS.prepare is None

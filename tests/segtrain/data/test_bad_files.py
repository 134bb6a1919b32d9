"""Files that no trial could use are all named, with what is wrong with each, before anything is trained."""

import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segtrain.data.cache import download, open_cache
from segtrain.data.roads import ROADS
from segtrain.data.spec import IGNORE, DataError
from segtrain.machine.array_store import cache_root

WriteRoads = Callable[..., Path]


def file(drive: Path, kind: str, frame: int) -> Path:
    return drive / kind / f"{frame:03d}.png"


def problems(root: Path) -> tuple[str, ...]:
    with pytest.raises(DataError) as caught:
        open_cache(ROADS, root, 32, 48)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_truncated_png_is_named(tmp_path: Path, write_roads: WriteRoads) -> None:
    drive = write_roads(tmp_path)
    truncate(file(drive, "CameraRGB", 2))
    (problem,) = problems(tmp_path)
    assert re.fullmatch(rf"{re.escape(str(file(drive, 'CameraRGB', 2)))}: cannot be read \(.+\)", problem)


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.95])
def test_a_jpeg_cut_anywhere_is_named(tmp_path: Path, write_roads: WriteRoads, kept: float) -> None:
    """Pillow opens it happily and fails, or not, when the pixels are asked for."""
    drive = write_roads(tmp_path)
    path = file(drive, "CameraRGB", 2)
    Image.open(path).save(path, format="JPEG", quality=95)
    content = path.read_bytes()
    path.write_bytes(content[: round(len(content) * kept)])
    (problem,) = problems(tmp_path)
    assert re.fullmatch(rf"{re.escape(str(path))}: cannot be read \(.+\)", problem)


def test_a_whole_jpeg_is_fine(tmp_path: Path, write_roads: WriteRoads) -> None:
    path = file(write_roads(tmp_path), "CameraRGB", 2)
    Image.open(path).save(path, format="JPEG", quality=95)
    assert np.array_equal(open_cache(ROADS, tmp_path, 32, 48).splits["train"].images[2], np.asarray(Image.open(path)))


def test_a_picture_that_claims_to_be_huge_is_named(tmp_path: Path, write_roads: WriteRoads) -> None:
    """Pillow refuses it as a decompression bomb, which is no OSError."""
    path = file(write_roads(tmp_path), "CameraRGB", 2)
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    path.write_bytes(path.read_bytes()[:8] + chunk + path.read_bytes()[33:])
    (problem,) = problems(tmp_path)
    assert re.fullmatch(rf"{re.escape(str(path))}: cannot be read \(.+\)", problem)


def test_a_mask_of_another_size_is_named(tmp_path: Path, write_roads: WriteRoads) -> None:
    drive = write_roads(tmp_path)
    image, mask = file(drive, "CameraRGB", 4), file(drive, "CameraSeg", 4)
    Image.new("L", (40, 32)).save(mask)
    assert problems(tmp_path) == (f"{mask}: is 40x32 but its image {image} is 48x32",)


def test_stray_labels_are_named_though_resizing_would_drop_them(tmp_path: Path, write_roads: WriteRoads) -> None:
    drive = write_roads(tmp_path, height=200, width=200)
    mask = file(drive, "CameraSeg", 4)
    labels = np.array(Image.open(mask))
    labels[7, 9], labels[7, 11], labels[8, 9] = (13, 0, 0), (254, 0, 0), (IGNORE, 0, 0)
    Image.fromarray(labels).save(mask)
    known = ", ".join(map(str, range(13)))
    assert problems(tmp_path) == (
        f"{mask}: has label 13 in 1 pixel, 254 in 1 pixel; dataset 'roads' has labels {known}, 255",
    )


@pytest.mark.parametrize("label", [13, 256, 300, 65_535])
def test_labels_beyond_a_byte_are_named(tmp_path: Path, write_roads: WriteRoads, label: int) -> None:
    """A PNG may have 16 bits; taken modulo 256, label 256 would pass for class 0 and 65535 for ignored."""
    mask = file(write_roads(tmp_path), "CameraSeg", 4)
    labels = np.zeros((32, 48), dtype=np.uint16)
    labels[3, 5] = label
    Image.fromarray(labels).save(mask)
    (problem,) = problems(tmp_path)
    assert problem.startswith(f"{mask}: has label {label} in 1 pixel; ")


def test_an_image_of_16_bits_is_named(tmp_path: Path, write_roads: WriteRoads) -> None:
    """Made RGB it would be cut off at 255, and white nearly everywhere."""
    path = file(write_roads(tmp_path), "CameraRGB", 2)
    Image.fromarray(np.full((32, 48), 40_000, dtype=np.uint16)).save(path)
    assert problems(tmp_path) == (f"{path}: has wider pixels than a byte (mode I;16); save it with 8 bits a channel",)


def test_a_mask_in_colour_is_named_where_ids_are_in_a_single_channel(tmp_path: Path, write_roads: WriteRoads) -> None:
    dataset = replace(ROADS, decode_mask=np.asarray)
    mask = file(write_roads(tmp_path), "CameraSeg", 0)
    with pytest.raises(DataError) as caught:
        open_cache(dataset, tmp_path, 32, 48)
    sentence = f"{mask}: has 3 channels; dataset 'roads' expects labels in a single one"
    assert caught.value.problems[0] == sentence
    assert len(caught.value.problems) == 20


def test_labels_are_refused_as_they_are_in_the_file_and_not_as_train_ids(
    tmp_path: Path, write_roads: WriteRoads
) -> None:
    """Label 0 becomes nothing here; counted down to a train id it would be -1, which a byte holds as ignored."""
    dataset = replace(ROADS, train_ids={label: label - 1 for label in range(1, 13)})
    mask = file(write_roads(tmp_path), "CameraSeg", 0)
    with pytest.raises(DataError) as caught:
        open_cache(dataset, tmp_path, 32, 48)
    assert caught.value.problems[0] == (
        f"{mask}: has label 0 in 256 pixels; dataset 'roads' has labels 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12"
    )


def test_all_bad_files_of_all_splits_are_named_at_once(tmp_path: Path, write_roads: WriteRoads) -> None:
    drive = write_roads(tmp_path)
    truncate(file(drive, "CameraRGB", 1))
    truncate(file(drive, "CameraSeg", 1))
    file(drive, "CameraRGB", 15).write_text("not a picture")
    Image.new("L", (9, 9)).save(file(drive, "CameraSeg", 19))
    found = [problem.split(": ")[0] for problem in problems(tmp_path)]
    expected = [("CameraRGB", 1), ("CameraSeg", 1), ("CameraRGB", 15), ("CameraSeg", 19)]
    assert found == [str(file(drive, *which)) for which in expected]


def test_a_failing_build_leaves_nothing_and_a_mended_one_succeeds(tmp_path: Path, write_roads: WriteRoads) -> None:
    path = file(write_roads(tmp_path), "CameraRGB", 2)
    whole = path.read_bytes()
    truncate(path)
    assert len(problems(tmp_path)) == 1
    assert [entry.name for entry in cache_root().iterdir() if entry.is_dir()] == []
    path.write_bytes(whole)
    assert len(open_cache(ROADS, tmp_path, 32, 48).splits["train"]) == 14


def test_a_dataset_without_a_publisher_to_ask_says_so(tmp_path: Path) -> None:
    sentence = (
        "dataset 'roads' cannot be downloaded by this program; leave --download out, and name the folder that holds "
        "the data with --data-root"
    )
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        download(ROADS, tmp_path)

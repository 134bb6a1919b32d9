"""Same data, other data: what the fingerprint is over, and what is read again to take it."""

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segtrain.data import cache as cache_module
from segtrain.data import fingerprint as fingerprint_module
from segtrain.data.cache import read_fingerprint
from segtrain.data.roads import ROADS, decode_mask
from segtrain.data.spec import IGNORE, DataError, Dataset
from segtrain.machine.array_store import cache_root

WriteRoads = Callable[..., Path]


def other_labels(mask: Image.Image, first: int) -> np.ndarray:
    return decode_mask(mask) + first


@pytest.fixture
def drive(tmp_path: Path, write_roads: WriteRoads) -> Path:
    return write_roads(tmp_path / "here")


@pytest.fixture
def read(tmp_path: Path, drive: Path) -> Callable[..., str]:
    """read(dataset=ROADS, place="here") -> the fingerprint of the data there."""
    return lambda dataset=ROADS, place="here": read_fingerprint(dataset, tmp_path / place)


def test_a_copy_is_the_same_data(
    tmp_path: Path, read: Callable[..., str], drive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read()
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    os.utime(tmp_path / "there" / drive.relative_to(tmp_path / "here") / "CameraRGB" / "003.png", ns=(0, 12_345))
    assert read(place="there") == before
    monkeypatch.chdir(tmp_path)
    assert read_fingerprint(ROADS, Path("there")) == before
    for kind in ("CameraRGB", "CameraSeg"):  # other names in the same order
        (drive / kind / "003.png").rename(drive / kind / "003b.png")
    assert read() == before


@pytest.mark.parametrize("change", ["pixel", "label", "fewer", "order"])
def test_other_files_are_other_data(read: Callable[..., str], drive: Path, change: str) -> None:
    before = read()
    image, mask = drive / "CameraRGB" / "003.png", drive / "CameraSeg" / "003.png"
    if change == "fewer":
        image.unlink()
        mask.unlink()
    elif change == "order":
        for path in (image, mask):
            path.rename(path.with_name("013b.png"))
    else:
        path = image if change == "pixel" else mask
        pixels = np.asarray(Image.open(path)).copy()
        pixels[0, 0, 0] ^= 1
        Image.fromarray(pixels).save(path)
    assert read() != before


def test_another_way_of_decoding_is_other_data(read: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    edits: list[Dataset] = [
        ROADS,
        replace(ROADS, train_ids={**ROADS.train_ids, 3: IGNORE}),
        replace(ROADS, decode_mask=np.asarray),
        replace(ROADS, decode_mask=partial(other_labels, first=1)),
        replace(ROADS, decode_mask=partial(other_labels, first=2)),
    ]
    found = [read(dataset) for dataset in edits]
    monkeypatch.setattr(cache_module, "IMAGE_RESAMPLING", Image.Resampling.BOX)
    found.append(read())
    assert len(set(found)) == len(found)


def test_an_unchanged_file_is_not_read_again(
    read: Callable[..., str], drive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint_module, "SETTLED_NS", -(10**12))  # as if the files were old
    digest, names = hashlib.file_digest, []
    monkeypatch.setattr(hashlib, "file_digest", lambda file, kind: names.append(file.name) or digest(file, kind))
    before = read()
    assert len(names) == 40
    assert read() == before
    assert len(names) == 40
    path = drive / "CameraRGB" / "003.png"
    stat, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-1] + b"?")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # the size and the time of before
    assert read() != before
    assert names[40:] == [str(path)]
    (index,) = cache_root().glob("files-roads-*.json")
    index.write_text("{")
    path.write_bytes(content)
    assert read() == before


def test_a_file_that_has_just_changed_is_read_again(read: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a tick of the file system's clock it could change again and keep its time."""
    before = read()
    monkeypatch.setattr(hashlib, "file_digest", lambda file, kind: hashlib.sha256(b"read again"))
    assert read() != before


def test_files_that_cannot_be_read_are_all_named(tmp_path: Path, read: Callable[..., str], drive: Path) -> None:
    paths = [drive / "CameraRGB" / name for name in ("003.png", "005.png")]
    pairs = ROADS.list_pairs(tmp_path / "here")
    dataset = replace(ROADS, list_pairs=lambda root: pairs)
    for path in paths:
        path.unlink()
    with pytest.raises(DataError) as caught:
        read(dataset)
    assert caught.value.problems == tuple(f"{path}: cannot be read (No such file or directory)" for path in paths)

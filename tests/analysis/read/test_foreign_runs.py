"""Runs that somebody else made: nothing outside of them is read, and nothing in them is believed unseen."""

import io
import os
import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from analysis.read import arrays
from analysis.read.arrays import read_array, read_picture
from analysis.read.frames import load
from analysis.report import provenance
from segtrain import records
from segtrain.records import RecordError


@pytest.mark.parametrize("name", [".", records.STATUS_FILE, records.PANELS_DIR])
def test_a_link_that_leads_out_is_not_followed(builder: Any, tmp_path: Path, name: str) -> None:
    folder = builder.trial(lr=0.1)
    builder.trial(lr=0.2)
    (folder / records.PANELS_DIR).mkdir()
    inside, outside = folder / name, tmp_path / "outside"
    inside.resolve().rename(outside)
    folder.joinpath(name).parent.mkdir(exist_ok=True)
    Path(os.path.normpath(inside)).symlink_to(outside)
    study = load(builder.write())
    assert study.trials["state"].tolist() == ["unreadable", "finished"]
    assert f"is a link that leads out of {builder.out}; copy what it points to in its place" in study.problems[0]


def test_a_study_file_that_is_a_link_out_is_not_read(builder: Any, tmp_path: Path) -> None:
    builder.trial()
    path = builder.write() / records.STUDY_FILE
    path.rename(tmp_path / "study.json")
    path.symlink_to(tmp_path / "study.json")
    with pytest.raises(RecordError, match=re.escape(f"{path} is a link that leads out of {builder.out}")):
        load(path.parent)


def test_a_link_inside_of_the_runs_and_one_that_goes_round(builder: Any) -> None:
    folder = builder.trial(lr=0.1)
    kept = builder.out / "kept.json"
    (folder / records.STATUS_FILE).rename(kept)
    (folder / records.STATUS_FILE).symlink_to(kept)
    round_about = builder.trial(lr=0.2) / records.STATUS_FILE
    round_about.unlink()
    round_about.symlink_to(round_about)
    assert load(builder.write()).trials["state"].tolist() == ["finished", "unreadable"]


@pytest.mark.parametrize("name", ["../../elsewhere", "/etc", "..", ""])
def test_a_trial_id_is_a_name(builder: Any, name: str) -> None:
    builder.trial()
    builder.entries[0]["trial_id"] = name
    with pytest.raises(RecordError, match=r"trial 1: trial_id is .*; allowed: a name without / of up to 200 bytes"):
        load(builder.write())


@pytest.mark.parametrize("length", [1, 2, 150])
def test_parents_that_go_round_make_their_trials_unreadable(builder: Any, length: int) -> None:
    configs = [builder.config(lr=0.001 * (index + 1)) for index in range(length)]
    for config, parent in zip(configs, [*configs[1:], configs[0]], strict=True):
        folder = builder.trial(lr=config.lr)
        values = config.to_dict() | {"parent": parent.trial_id}
        records.write_json(folder / records.CONFIG_FILE, values)
    builder.trial(lr=0.9)
    study = load(builder.write())
    assert study.trials["state"].tolist() == ["unreadable"] * length + ["finished"]
    assert "more than 100 parents stand before it" in study.problems[0]
    provenance.table(study)


def test_settings_of_deep_families_are_told_apart_by_their_parents(builder: Any) -> None:
    configs: list[Any] = [builder.config(lr=0.1), builder.config(lr=0.2)]
    for config in configs:
        builder.trial(lr=config.lr)
    for generation in range(40):
        configs = [builder.config(lr=0.5, epochs=generation + 1, init="parent", parent=c.trial_id) for c in configs]
        for config in configs:
            builder.trial(lr=0.5, epochs=generation + 1, init="parent", parent=config.parent)
    assert load(builder.write()).trials["setting"].nunique() == 82


def header(shape: tuple[int, ...], descr: str = "<i8") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape!r}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize(
    "content",
    [header((10**12,)), header((2**63, 2)), header((-1, 4)), header((2, 2)), header((0, 5)), header((1,), "|O"),
     header((1,), "<c16") + bytes(16), b"\x93NUMPY\x09\x00", b"", header((2,)) + struct.pack("<qq", -1, 5)],
    ids=["large", "overflow", "negative", "short", "empty", "objects", "complex", "version", "nothing", "a debt"],
)  # fmt: skip
def test_a_header_is_checked_before_anything_is_allocated(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(RecordError, match=r"a\.npy "):
        read_array(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("confusion.npy", content)
    with pytest.raises(RecordError, match=r"a\.npz "):
        read_array(tmp_path / "a.npz", "confusion")


def test_an_archive_that_unpacks_to_more_than_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "a.npz", confusion=np.zeros(1000, np.int64))
    assert read_array(tmp_path / "a.npz", "confusion").shape == (1000,)
    monkeypatch.setattr(arrays, "MOST_BYTES", 7999)
    with pytest.raises(RecordError, match="its header says"):
        read_array(tmp_path / "a.npz", "confusion")


def test_arrays_in_either_order_and_of_other_machines(tmp_path: Path) -> None:
    numbers = np.arange(6).reshape(2, 3)
    for name, array in {"f": np.asfortranarray(numbers), "big": numbers.astype(">i4"), "half": numbers / 2}.items():
        np.save(tmp_path / f"{name}.npy", array)
        assert read_array(tmp_path / f"{name}.npy").tolist() == array.tolist()
    np.save(tmp_path / "nan.npy", [np.nan, 0.5])
    assert np.isnan(read_array(tmp_path / "nan.npy")[0])


@pytest.mark.parametrize("size", [(0, 5), (2**31 - 1, 2**31 - 1), (60_000, 60_000), (30_000, 1)])
def test_a_picture_says_its_size_before_it_is_decoded(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "a.png"
    content = io.BytesIO()
    Image.new("L", (3, 2)).save(content, "PNG")
    whole = content.getvalue()
    path.write_bytes(whole)
    assert read_picture(path).size == (3, 2)
    chunk = b"IHDR" + struct.pack(">II", *size) + whole[24:29]
    path.write_bytes(whole[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + whole[33:])
    with pytest.raises(RecordError, match=r"a\.png cannot be read"):
        read_picture(path)


def test_a_picture_is_a_png_file(tmp_path: Path) -> None:
    Image.new("L", (3, 2)).save(tmp_path / "a.png", "GIF")
    os.mkfifo(tmp_path / "b.png")
    for name in ("a.png", "b.png", "absent.png"):
        with pytest.raises(RecordError, match="cannot be read"):
            read_picture(tmp_path / name)

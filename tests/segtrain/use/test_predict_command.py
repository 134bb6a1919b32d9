"""`python -m segtrain predict`, as a user meets it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segtrain
from segtrain import records
from segtrain.data.roads import PALETTE

Call = Callable[..., tuple[int, str, str]]


def times(out: Path) -> dict[str, int]:
    return {str(path.relative_to(out)): path.stat().st_mtime_ns for path in sorted(out.rglob("*.png"))}


def test_masks_and_overlays_of_a_folder(call: Call, trained: Path, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert call("predict", trained, images, "--out", out) == (
        0,
        f"3 predicted, in {out}/masks and {out}/overlays\n",
        "",
    )
    assert [*times(out)] == [
        f"{kind}/{name}" for kind in ("masks", "overlays") for name in ("a.png", "drive/b.png", "drive/c.png")
    ]
    model = segtrain.load(trained)
    mask = Image.open(out / "masks/drive/b.png")
    assert (mask.mode, mask.size) == ("P", (70, 45))
    assert (np.asarray(mask) == model.predict(images / "drive/b.jpg")).all()
    assert mask.getpalette()[: 3 * len(PALETTE)] == [part for colour in PALETTE for part in colour]
    drawn = model.predict(images / "drive/c.tif", "overlay")
    assert Image.open(out / "overlays/drive/c.png").tobytes() == drawn.tobytes()


def test_the_same_command_makes_only_what_changed(call: Call, trained: Path, images: Path, tmp_path: Path) -> None:
    out, trial = tmp_path / "out", shutil.copytree(trained, tmp_path / "trial")
    command = ("predict", trial, images, "--out", out)
    call(*command)
    first = times(out)
    code, text, _ = call(*command)
    assert (code, text) == (0, f"0 predicted, 3 were there already, in {out}/masks and {out}/overlays\n")
    assert times(out) == first

    Image.new("RGB", (9, 9)).save(images / "a.png")
    (out / "overlays/drive/b.png").unlink()
    assert call(*command)[1].startswith("2 predicted, 1 were")
    assert Image.open(out / "masks/a.png").size == (9, 9)
    assert call(*command)[1].startswith("0 predicted, 3 were")

    assert call(*command, "--own-resolution")[1].startswith("3 predicted, in")
    call(*command)
    model = records.read_json(trial / records.MODEL_FILE)
    records.write_json(trial / records.MODEL_FILE, model | {"mean": [0.4, 0.4, 0.4]})
    assert call(*command)[1].startswith("3 predicted, in")


def test_what_was_predicted_into_the_folder_of_the_images_is_no_image(call: Call, trained: Path, images: Path) -> None:
    assert call("predict", trained, images, "--out", images)[1].startswith("3 predicted, in")
    assert call("predict", trained, images, "--out", images)[1].startswith("0 predicted, 3 were")


def test_a_bad_file_is_named_and_the_others_are_predicted(
    call: Call, trained: Path, images: Path, tmp_path: Path
) -> None:
    (images / "a.png").write_text("no picture")
    code, text, error = call("predict", trained, images, "--out", tmp_path / "out")
    assert (code, text) == (2, "")
    assert error.startswith(f"error: {images / 'a.png'}: cannot be read (")
    assert error.count("\n") == 1
    assert len(times(tmp_path / "out")) == 4


def test_mistakes_are_told_before_anything_is_written(
    call: Call, trained: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, empty = tmp_path / "out", tmp_path / "empty"
    empty.mkdir()
    shutil.copy(images / "a.png", images / "drive/b.png")
    for arguments, messages in (
        ((trained, empty), [f"{empty}: is a folder without images; allowed: image files, and folders of .png,"]),
        ((trained, tmp_path / "gone"), [f"{tmp_path / 'gone'}: is no file or folder; allowed: "]),
        (
            (trained, images),
            [f"{images}/drive/b.png: would be written to drive/b.png, as {images}/drive/b.jpg; predict it into"],
        ),
        ((empty, images / "a.png"), [f"{empty} is not the folder of a trial: it has no config.json; give <out>/"]),
    ):
        code, text, error = call("predict", *arguments, "--out", out)
        assert (code, text) == (2, "")
        lines = error.splitlines()
        assert len(lines) == len(messages)
        for line, message in zip(lines, messages, strict=True):
            assert line.startswith(f"error: {message}")
        assert not out.exists()


def test_a_file_that_is_no_prediction_is_not_written_over(
    call: Call, trained: Path, images: Path, tmp_path: Path
) -> None:
    """Masks drawn by hand, say."""
    own = tmp_path / "out/masks/a.png"
    own.parent.mkdir(parents=True)
    Image.new("P", (48, 32)).save(own)
    content = own.read_bytes()
    code, _, error = call("predict", trained, images, "--out", tmp_path / "out")
    assert (code, error) == (
        2,
        f"error: {own}: is there already, and is no prediction of this program; choose another --out, or move it "
        "away\n",
    )
    assert own.read_bytes() == content
    assert len(times(tmp_path / "out")) == 1

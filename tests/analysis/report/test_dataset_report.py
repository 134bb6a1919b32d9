"""Looking at a dataset: the shares by hand, every bad file, and pictures of the right pixels."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from analysis.report.dataset_report import class_shares, draw_classes, draw_samples, main, read_survey
from segtrain.data import DATASETS
from segtrain.data.cache import open_cache
from segtrain.data.camvid import CAMVID
from segtrain.data.spec import DataError
from segtrain.synthetic import write_animals

SPLIT_SIZES = {"train": 3, "val": 2, "test": 1}
SKY, ROAD, CAR, VOID = 0, 3, 8, 11


def mask_path(root: Path, split: str, frame: int) -> Path:
    return root / "camvid" / f"{split}annot" / f"{frame}.png"


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """A data root with 3, 2 and 1 images of 4 x 8: sky over road, and in train 1 a car and void."""
    folder = tmp_path / "data" / "camvid"
    for split, count in SPLIT_SIZES.items():
        (folder / split).mkdir(parents=True)
        (folder / f"{split}annot").mkdir()
        lines = [f"{split}/{frame}.png {split}annot/{frame}.png\n" for frame in range(count)]
        (folder / f"{split}.txt").write_text("".join(lines))
        for frame in range(count):
            labels = np.full((4, 8), SKY, dtype=np.uint8)
            labels[2:] = ROAD
            if (split, frame) == ("train", 1):
                labels[2, :3], labels[3, 0] = CAR, VOID
            Image.fromarray(labels).save(folder / f"{split}annot" / f"{frame}.png")
            Image.new("RGB", (8, 4), (40 * frame, 100, 200)).save(folder / split / f"{frame}.png")
    return tmp_path / "data"


def shown(figure: Figure, title: str) -> np.ndarray:
    (axes,) = [axes for axes in figure.axes if axes.get_title().startswith(title)]
    return np.asarray(axes.images[0].get_array())


def test_shares_and_images_are_those_counted_by_hand(camvid: Path, tmp_path: Path) -> None:
    assert main(["--dataset", "camvid", "--data-root", str(camvid), "--out", str(tmp_path / "out")]) == 0
    with (tmp_path / "out" / "class_shares.csv").open() as file:
        rows = {row["class"]: row for row in csv.DictReader(file)}
    assert list(rows) == [*CAMVID.classes, "ignored"]
    train = {name: (float(row["train_pixel_share"]), int(row["train_images"])) for name, row in rows.items()}
    assert {name: found for name, found in train.items() if found[1]} == {
        "Sky": (48 / 96, 3), "Road": (44 / 96, 3), "Car": (3 / 96, 1), "ignored": (1 / 96, 1),
    }  # fmt: skip
    assert (float(rows["Road"]["val_pixel_share"]), int(rows["Road"]["val_images"])) == (0.5, 2)
    text = (tmp_path / "out" / "class_shares.md").read_text()
    assert "| Road       |            45.83 |            3 |" in text
    absent = "Building, Pole, Pavement, Tree, SignSymbol, Fence, Pedestrian, Bicyclist"
    assert f"train: 3 images, none with {absent}; val: 2 images, none with" in text


def test_the_report_is_printed_and_written(camvid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["--dataset", "camvid", "--data-root", str(camvid), "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "## camvid: pixels and images of each class" in printed.out
    for name in ("class_shares.csv", "class_shares.md", "samples.png", "classes.png"):
        assert (out / name).stat().st_size > 0
        assert f"  {out / name}\n" in printed.out
    assert not (out / "bad_files.txt").exists()


def test_samples_are_image_labels_and_labels_over_the_image(camvid: Path) -> None:
    figure = draw_samples(read_survey(CAMVID, camvid))
    assert figure is not None
    assert [axes.get_ylabel() for axes in figure.axes[::3]] == ["train", "train", "val", "val", "test"]
    image, labels, over = (np.asarray(axes.images[0].get_array()) for axes in figure.axes[3:6])
    assert (image == (80, 100, 200)).all()  # train 2, the last of the three
    assert (labels[:2] == CAMVID.palette[SKY]).all()
    assert (labels[2:] == CAMVID.palette[ROAD]).all()
    assert (over[0, 0] == [80 // 2 + 128 // 2, 100 // 2 + 128 // 2, 200 // 2 + 128 // 2]).all()


def test_ignored_pixels_are_black_in_the_labels_and_bare_over_the_image(camvid: Path) -> None:
    for split in ("train", "val", "test"):
        Image.new("L", (8, 4), VOID).save(mask_path(camvid, split, 0))
    figure = draw_samples(read_survey(CAMVID, camvid))
    assert figure is not None
    image, labels, over = (np.asarray(axes.images[0].get_array()) for axes in figure.axes[:3])
    assert (labels == 0).all()
    assert np.array_equal(over, image)


def test_each_class_is_drawn_where_it_is_in_the_mask_with_the_most_classes(camvid: Path) -> None:
    figure = draw_classes(read_survey(CAMVID, camvid))
    assert figure is not None
    labels = np.asarray(Image.open(mask_path(camvid, "train", 1)))
    for title, label in (("Sky", SKY), ("Road", ROAD), ("Car, 9.38 %", CAR), ("ignored", VOID)):
        assert np.array_equal(shown(figure, title), labels == label), title
    assert not shown(figure, "Building").any()


def test_every_bad_file_is_named_as_a_sweep_would(
    camvid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGTRAIN_CACHE", str(tmp_path / "cache"))
    out, stray = tmp_path / "out", np.full((4, 8), 17, dtype=np.uint8)
    Image.fromarray(stray).save(mask_path(camvid, "train", 1))
    (camvid / "camvid" / "test" / "0.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError) as refused:
        open_cache(CAMVID, camvid, 32, 32)
    arguments = ["--dataset", "camvid", "--data-root", str(camvid), "--out", str(out)]
    assert main(arguments) == 1
    printed = capsys.readouterr().out
    assert (out / "bad_files.txt").read_text().splitlines() == list(refused.value.problems)
    assert len(refused.value.problems) == 2
    assert "\n2 bad files:\n" + "".join(f"  {problem}\n" for problem in refused.value.problems) in printed
    assert "train: 2 images" in printed
    assert "test: 0 images" in printed
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []


def test_what_no_longer_applies_goes(camvid: Path, tmp_path: Path) -> None:
    out, arguments = (
        tmp_path / "out",
        ["--dataset", "camvid", "--data-root", str(camvid), "--out", str(tmp_path / "out")],
    )
    kept = {path: path.read_bytes() for path in camvid.rglob("*.png")}
    for path in kept:
        path.write_bytes(b"")
    assert main(arguments) == 1
    assert (out / "bad_files.txt").exists()
    assert not (out / "samples.png").exists()
    for path, content in kept.items():
        path.write_bytes(content)
    assert main(arguments) == 0
    assert not (out / "bad_files.txt").exists()
    assert (out / "samples.png").exists()
    for path in kept:
        path.write_bytes(b"")
    assert main(arguments) == 1
    assert not list(out.glob("samples.*"))
    assert not list(out.glob("classes.*"))


def test_missing_data_are_exit_code_2_and_leave_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--dataset", "pets", "--data-root", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    missing = re.escape(str(tmp_path / "oxford-iiit-pet"))
    assert re.fullmatch(rf"analysis: {missing} is not a folder; .* or pass --download to fetch it\n", printed.err)
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_without_a_download_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--dataset", "cityscapes", "--data-root", str(tmp_path), "--download"]) == 2
    assert capsys.readouterr().err == (
        "analysis: dataset 'cityscapes' cannot be downloaded by this program; leave --download out, and name the "
        "folder that holds the data with --data-root\n"
    )


def test_the_pictures_of_large_files_are_small(tmp_path: Path, camvid: Path) -> None:
    for split, count in SPLIT_SIZES.items():
        for frame in range(count):
            Image.new("L", (1300, 700)).save(mask_path(camvid, split, frame))
            Image.new("RGB", (1300, 700)).save(camvid / "camvid" / split / f"{frame}.png")
    figure = draw_samples(read_survey(CAMVID, camvid))
    assert figure is not None
    assert figure.axes[0].images[0].get_array().shape == (234, 434, 3)


def test_it_needs_no_torch() -> None:
    code = (
        "import sys, analysis.report.dataset_report; print([name for name in sys.modules if name.startswith('torch')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_pixels_add_up_over_classes_whatever_the_sizes(tmp_path: Path) -> None:
    """Odd sizes and every split: the shares of each split add up to one."""
    write_animals(tmp_path / "animals", 5, 1, seed=3)
    survey = read_survey(DATASETS["animals"], tmp_path)
    for pixels in survey.pixels.values():
        assert len(set(pixels.sum(axis=1))) > 1
    for column in class_shares(survey).columns[1::2]:
        (shares,) = column.values.values()
        assert sum(shares) == pytest.approx(1)

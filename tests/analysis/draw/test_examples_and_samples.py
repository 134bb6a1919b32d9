"""The single images of a trial's folder, as they are shown."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from analysis.draw.example_panels import example_panels
from analysis.draw.panels import image_iou
from analysis.draw.training_samples import training_samples
from analysis.read.frames import load
from analysis.report.tables.data_tables import data_tables
from segtrain import records
from tests.analysis.conftest import PALETTE

TRUTH = [[0, 0, 1], [0, 1, 255]]
RED = (255, 0, 0)


def keep(folder: Path, rank: str, index: int, **masks: list[list[int]]) -> None:
    examples = folder / records.EXAMPLES_DIR
    examples.mkdir(exist_ok=True)
    height, width = np.shape(masks["truth"])
    Image.new("RGB", (width, height), (90, 90, 90)).save(examples / records.example_file(rank, index, "image"))
    for kind, labels in masks.items():
        picture = Image.fromarray(np.array(labels, dtype=np.uint8))
        picture.putpalette(PALETTE + [0] * (768 - len(PALETTE)))
        picture.save(examples / records.example_file(rank, index, kind))


def data(groups: dict[str, int] | None = None) -> dict[str, Any]:
    split = {"images": 2, "pixels": [30, 10], "images_with": [2, 1], "ignored": 10, "groups": groups or {}}
    empty = {"images": 1, "pixels": [5, 0], "images_with": [1, 0], "ignored": 0, "groups": (groups and {"b": 1}) or {}}
    return {"classes": ["road", "sky"], "height": 2, "width": 3, "train": split, "val": empty, "test": empty}


def test_the_iou_of_an_image_is_over_the_classes_that_it_or_its_prediction_has() -> None:
    truth = np.array(TRUTH, dtype=np.uint8)
    # Class 0: three of four; class 1: one of two; the ignored pixel counts for nothing.
    assert image_iou(np.array([[0, 0, 0], [0, 1, 7]], dtype=np.uint8), truth) == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert image_iou(truth, np.full_like(truth, 255)) != image_iou(truth, truth) == 1


def test_worst_images_are_shown_with_their_iou_and_their_wrong_pixels(builder: Any) -> None:
    folder = builder.trial()
    keep(folder, "worst1", 7, truth=TRUTH, prediction=[[0, 0, 0], [0, 1, 0]])
    keep(folder, "train", 0, truth=TRUTH)
    found, problems = example_panels(load(builder.write()), RED)
    assert (problems, list(found), list(found["fcn8s"])) == ([], ["fcn8s"], ["worst1"])
    panel = found["fcn8s"]["worst1"]
    assert (panel.index, panel.wrong, panel.iou) == (7, pytest.approx(0.2), pytest.approx(0.625))
    assert panel.marked[0, 2].tolist() == [255, 0, 0]
    assert panel.truth[0, 2].tolist() == PALETTE[3:6]


def test_a_torn_picture_is_named_and_the_others_are_shown(builder: Any) -> None:
    torn, whole = builder.trial(), builder.trial(arch="fcn16s")
    for folder in (torn, whole):
        keep(folder, "median", 3, truth=TRUTH, prediction=TRUTH)
    (torn / records.EXAMPLES_DIR / records.example_file("median", 3, "truth")).write_bytes(b"\x89PNG")
    found, problems = example_panels(load(builder.write()), RED)
    assert list(found) == ["fcn16s"]
    assert "median-3_truth.png cannot be read" in problems[0]


def test_training_images_come_with_the_masks_of_the_fullest_and_what_the_splits_hold(builder: Any) -> None:
    folder = builder.trial()
    keep(folder, "train", 0, truth=[[0, 0, 0], [0, 0, 0]])
    keep(folder, "train", 5, truth=TRUTH)
    records.write_json(folder / records.DATA_FILE, data({"a": 1, "b": 1}))
    (sample,), problems = training_samples(load(builder.write()))
    assert (problems, [index for index, _, _ in sample.pairs], sample.masked) == ([], [0, 5], 5)
    assert [(name, round(share, 2)) for name, share, _ in sample.masks] == [
        ("road", 0.5),
        ("sky", 0.33),
        ("ignored", 0.17),
    ]
    shares, groups = data_tables([sample])
    texts = {column.title: column.texts for column in shares.columns}
    assert (texts["train pixels %"], texts["val pixels %"], texts["val images"]) == (
        ["60.00", "20.00"],
        ["100.00", "0.00"],
        ["1", "0"],
    )
    assert "20.0 % of its pixels ignored" in shares.note
    assert "val: 1 images, none with sky" in shares.note
    assert shares.note.startswith("At the size of the training, 3 × 2: ")
    assert [column.texts for column in groups.columns] == [["scenes"] * 2, ["a", "b"], ["1", "1"], ["", "1"], ["", "1"]]
    assert "In more than one split: 1 of 2." in groups.note


def test_of_images_at_their_own_sizes_the_classes_are_counted_at_these(builder: Any) -> None:
    records.write_json(builder.trial() / records.DATA_FILE, data() | {"height": None, "width": None})
    samples, _ = training_samples(load(builder.write()))
    assert data_tables(samples)[0].note.startswith("At the size of the files: ")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"train": None}, "train is None; allowed: an object; what it says is left out"),
        ({"classes": ["road"]}, "train has other classes than 1; what it says is left out"),
        ({"height": -1}, "height is -1; allowed: an integer >= 0, or null; what it says is left out"),
    ],
)
def test_a_damaged_data_file_is_named(builder: Any, changes: dict[str, Any], problem: str) -> None:
    records.write_json(builder.trial() / records.DATA_FILE, data() | changes)
    samples, (told,) = training_samples(load(builder.write()))
    assert samples == []
    assert told.endswith(problem)


def test_older_folders_have_neither(builder: Any) -> None:
    builder.trial()
    study = load(builder.write())
    assert (example_panels(study, RED), training_samples(study)) == (({}, []), ([], []))

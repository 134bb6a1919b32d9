"""Tables of settings, classes and single images."""

from typing import Any

import numpy as np

from analysis.read.frames import load
from analysis.report.tables.class_tables import class_differences, class_shares
from analysis.report.tables.image_table import image_table
from analysis.report.tables.settings_table import settings_table
from tests.analysis.conftest import counts


def shown(table: Any) -> dict[str, list[str]]:
    columns = zip(*table.rows(), strict=True)
    return {column.title: list(texts) for column, texts in zip(table.columns, columns, strict=True)}


def test_a_setting_of_which_no_seed_finished_is_in_the_table(builder: Any) -> None:
    builder.trial([0.5], 0.4, lr=0.1)
    builder.trial([0.5], 0.4, lr=0.1, seed=1, state="diverged")
    builder.trial([0.5], lr=0.2, state="failed")
    table = shown(settings_table(load(builder.write())))
    assert table["setting"] == ["lr 0.1", "lr 0.2"]
    assert table["chosen"] == ["✓", ""]
    assert table["test mIoU %"] == ["40.00 (n=1)", ""]
    assert table["seeds finished"] == ["1 of 2", "0 of 1"]
    assert (table["diverged"], table["failed"]) == (["1", "0"], ["0", "1"])


def test_where_the_best_model_loses_is_said(builder: Any) -> None:
    for seed in range(2):
        builder.trial([0.9], iou=[0.5 + seed / 500, 0.9], seed=seed)
        builder.trial([0.1], iou=[0.6, 0.2], seed=seed, freeze="encoder")
    table = class_differences(load(builder.write()))
    assert shown(table)["minus fcn8s, freeze"] == ["−9.9 ± 1.3 (n=2)", "+70.0 ± 0.0 (n=2)"]
    assert "It is worse, with its whole interval, in road against fcn8s, freeze (−9.9)." in table.note


def test_the_classes_of_the_test_set_are_counted(builder: Any) -> None:
    matrices = np.zeros((3, 2, 2), dtype=np.int64)
    matrices[0] = [[5, 1], [0, 2]]
    matrices[1] = [[2, 0], [0, 0]]
    builder.trial(counts=matrices)
    table = class_shares(load(builder.write()))
    assert table is not None
    assert shown(table) == {
        "class": ["road", "sky"],
        "test pixels %": ["80.00", "20.00"],
        "test images with it": ["2", "1"],
    }


def test_the_worst_the_middle_and_the_best_image(builder: Any) -> None:
    builder.trial(counts=counts([0.9, 0.1, 0.5, 0.8, 0.3, 0.7, 0.6]))
    builder.trial(arch="fcn16s", counts=counts([0.9, 0.1, 0.5, 0.8, 0.3, 0.7, 0.6]))
    builder.trial(arch="fcn32s", counts=counts([0.9]))  # tested on others: left out
    table = image_table(load(builder.write()))
    assert table is not None
    found = shown(table)
    assert found["rank"] == ["worst 1", "worst 2", "worst 3", "median", "worst 5", "best"]
    assert found["test image"] == ["1", "4", "2", "6", "5", "0"]
    assert found["fcn16s"][0] == "90.0"
    assert "fcn32s" not in found

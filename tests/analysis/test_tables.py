from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis import tables
from analysis.load import Study, load_study

GRID = {"arch": ["fcn32s", "fcn8s"], "freeze": ["encoder", "none"], "lr": [0.1, 0.2]}


@pytest.fixture
def grid(builder: Any) -> Study:
    """fcn8s has both freezes; fcn32s has only the frozen one, and a trial that diverged."""
    builder.trial([0.61], 0.80, arch="fcn32s", freeze="encoder", lr=0.1)
    builder.trial([0.60], 0.99, arch="fcn32s", freeze="encoder", lr=0.2)
    builder.trial([0.1, 0.2], arch="fcn32s", lr=0.1, state="diverged", reason="loss is nan", step=7, runtime_s=3723)
    builder.trial([0.50], 0.70, arch="fcn8s", freeze="encoder", lr=0.1)
    builder.trial([0.7], 0.90, arch="fcn8s", lr=0.1)
    builder.trial([0.8, 0.9], 0.60, arch="fcn8s", lr=0.2)
    builder.trial([0.8], 0.64, arch="fcn8s", lr=0.2, seed=1)
    return load_study(builder.write(axes=GRID))


def test_results_show_every_trial_with_its_state(grid: Study) -> None:
    table = tables.results(grid)
    assert table.text["run"].tolist() == grid.trials["run"].tolist()
    assert table.text.iloc[2].to_dict() == {
        "run": "fcn32s-unfreeze-lr0.1",
        "stage": "trial",
        "state": "diverged",
        "runtime": "1h 02m 03s",
        "test/loss": "",
        "test/mean_iou %": "",
        "train/loss": "0.5",
        "val/loss": "1",
        "val/mean_iou %": "20.00",
        "best epoch": "2",
        "note": "epoch 3, step 7: loss is nan",
    }
    assert table.text.iloc[0]["test/mean_iou %"] == "80.00"
    assert table.note.startswith("7 trials: 6 finished, 1 diverged. ")


def test_a_missing_number_is_a_blank_in_the_csv_and_never_0(grid: Study, tmp_path: Path) -> None:
    written = tables.results(grid).write(tmp_path)[0].read_text().splitlines()
    head, diverged = written[0].split(","), written[3].split(",")
    row = dict(zip(head, diverged, strict=True))
    assert (row["test/loss"], row["test/mean_iou"]) == ("", "")
    assert (row["val/mean_iou"], row["runtime_s"], row["step"], row["reason"]) == ("0.2", "3723.0", "7", "loss is nan")


def test_architecture_by_freeze_worked_by_hand(grid: Study) -> None:
    table = tables.architecture_by_freeze(grid)
    # fcn32s: lr 0.1 validates at 0.61, lr 0.2 at 0.60, although it tests at 0.99. fcn8s: lr 0.2, (0.60 + 0.64) / 2.
    assert table.text.values.tolist() == [
        ["fcn32s", "80.00 (lr 0.1, n=1)", "", ""],
        ["fcn8s", "70.00 (lr 0.1, n=1)", "62.00 ± 2.83 (lr 0.2, n=2)", "-8.00"],
    ]
    assert table.text.columns.tolist() == ["architecture", "freeze", "unfreeze", "unfreeze - freeze"]
    values = table.values.set_index("architecture")
    assert values.loc["fcn8s", "unfreeze"] == pytest.approx(0.62)
    assert values.loc["fcn8s", "unfreeze_std"] == pytest.approx(0.02 * 2**0.5)
    assert values.loc["fcn8s", "unfreeze_n"] == 2
    assert values.loc["fcn8s", "unfreeze_setting"] == "lr 0.2"
    assert values.loc["fcn8s", "unfreeze_minus_freeze"] == pytest.approx(-0.08)
    assert values.loc["fcn32s", ["unfreeze", "unfreeze_n", "unfreeze_minus_freeze"]].isna().all()
    assert "No test score takes part in the choice." in table.note


def test_an_incomplete_cell_says_so(builder: Any) -> None:
    builder.trial([0.6], 0.8, lr=0.1)
    builder.trial([0.6], 0.9, lr=0.1, seed=1, state="running")
    builder.trial([0.6], 0.9, lr=0.2, state="failed")
    table = tables.architecture_by_freeze(load_study(builder.write()))
    assert table.text["unfreeze"].tolist() == ["80.00 (lr 0.1, n=1 of 2, 1 of 2 settings done)"]
    assert "unfreeze - freeze" not in table.text


def test_best_models_are_ranked_by_validation_with_all_four_metrics(grid: Study) -> None:
    table = tables.best_models(grid)
    assert table.text["architecture"].tolist() == ["fcn8s", "fcn32s"]
    first = table.text.iloc[0].to_dict()
    assert first.pop("trial").startswith("trials/fcn8s-scenes-unfreeze-lr0.2-s0-")
    assert first == {
        "rank": "1",
        "architecture": "fcn8s",
        "freeze": "unfreeze",
        "setting": "lr 0.2",
        "seeds": "0, 1",
        "val/mean_iou %": "85.00",
        "pixel_accuracy %": "90.00 ± 0.00",
        "mean_accuracy %": "80.00 ± 0.00",
        "mean_iou %": "62.00 ± 2.83",
        "frequency_weighted_iou %": "70.00 ± 0.00",
        "best epoch": "2",
    }
    assert table.text.iloc[1]["mean_iou %"] == "80.00"
    values = table.values
    assert values["val/mean_iou"].tolist() == pytest.approx([0.85, 0.61])
    assert values["lr"].tolist() == [0.2, 0.1]
    assert values["n"].tolist() == [2, 1]
    assert values["test/mean_iou_std"].isna().tolist() == [False, True]


def test_a_pretraining_is_a_result_and_not_a_competitor(builder: Any) -> None:
    builder.trial([0.9], 0.9, arch="fcn16s", stage="pretrain")
    builder.trial([0.5], 0.5, arch="fcn8s")
    study = load_study(builder.write())
    assert tables.results(study).text["stage"].tolist() == ["pretrain", "trial"]
    assert tables.architecture_by_freeze(study).text["architecture"].tolist() == ["fcn8s"]
    assert tables.best_models(study).text["architecture"].tolist() == ["fcn8s"]


def test_a_study_without_results_says_so_in_one_sentence(builder: Any) -> None:
    builder.enter(builder.config())
    builder.trial([], lr=0.1, state="failed", reason="no GPU")
    study = load_study(builder.write(axes=GRID))
    sentence = "Nothing to compare yet: no trial has finished with scores (2 trials: 1 failed, 1 not started)."
    assert tables.architecture_by_freeze(study).markdown() == f"## Architecture by freeze\n\n{sentence}\n"
    assert tables.best_models(study).markdown() == f"## Best models\n\n{sentence}\n"
    assert len(tables.results(study).text) == 2


@pytest.mark.parametrize(
    ("state", "reason", "step", "note"),
    [
        ("running", None, None, "1 of 10 epochs"),
        ("failed", "a | b\n  c", None, "after 1 of 10 epochs: a \\| b c"),
        ("diverged", "loss is inf", None, "epoch 2: loss is inf"),
        ("skipped", "its parent failed", None, "its parent failed"),
        ("failed", "x" * 161, None, "after 1 of 10 epochs: " + "x" * 159 + "…"),
    ],
)
def test_the_note_of_a_trial_that_did_not_finish(
    builder: Any, state: str, reason: str | None, step: int | None, note: str
) -> None:
    builder.trial([0.1], state=state, reason=reason, step=step)
    assert tables.results(load_study(builder.write())).text["note"].tolist() == [note]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0s"), (59.6, "1m 00s"), (1258, "20m 58s"), (3600, "1h 00m 00s"), (float("nan"), "")],
)
def test_duration(seconds: float, text: str) -> None:
    assert tables.duration(seconds) == text


def test_written_tables_can_be_read_back(grid: Study, tmp_path: Path) -> None:
    paths = tables.write_tables(tables.all_tables(grid), tmp_path / "tables")
    assert [path.name for path in paths] == [
        f"{name}.{kind}" for name in ("results", "architecture_by_freeze", "best_models") for kind in ("csv", "md")
    ]
    assert sorted(paths) == sorted((tmp_path / "tables").iterdir())
    values = pd.read_csv(StringIO(paths[0].read_text()))
    assert values["test/mean_iou"].tolist()[:2] == [0.80, 0.99]
    assert "| fcn8s          | 70.00 (lr 0.1, n=1) | 62.00 ± 2.83 (lr 0.2, n=2) | -8.00" in paths[3].read_text()

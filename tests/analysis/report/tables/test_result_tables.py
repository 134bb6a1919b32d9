from typing import Any

import pytest

from analysis.read.frames import Study, load
from analysis.report.tables import claims_table, class_tables, result_tables, trials_table
from analysis.report.tables.table import Table
from analysis.statistics import claims
from tests.analysis.conftest import ENV

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
    return load(builder.write(axes=GRID))


def texts(table: Table, title: str) -> list[str]:
    (column,) = [column for column in table.columns if column.title == title]
    return column.texts


def values(table: Table, name: str) -> list[Any]:
    (found,) = [column.values[name] for column in table.columns if name in column.values]
    return list(found)


def test_results_show_every_trial_with_its_state(grid: Study) -> None:
    table = trials_table.trials_table(grid)
    assert texts(table, "run") == grid.trials["run"].tolist()
    shown = {column.title: column.texts[2] for column in table.columns}
    assert shown == {
        "run": "fcn32s-unfreeze-lr0.1",
        "stage": "trial",
        "state": "diverged",
        "test mIoU %": "",
        "val mIoU %": "20.00",
        "test loss": "",
        "validation loss": "1",
        "training loss": "0.5",
        "best epoch": "2",
        "runtime": "1h 02m 03s",
        "note": "epoch 3, step 7: loss is nan",
    }
    assert texts(table, "test mIoU %")[0] == "80.00"
    assert table.note.startswith("7 trials: 6 finished, 1 diverged. ")


def test_architecture_by_freeze_worked_by_hand(grid: Study) -> None:
    table = result_tables.architecture_by_freeze(grid)
    # fcn32s: lr 0.1 validates at 0.61, lr 0.2 at 0.60, although it tests at 0.99. fcn8s: lr 0.2, (0.60 + 0.64) / 2.
    # Its interval: t of 1 degree of freedom 12.706, standard deviation 0.0283: 12.706 * 0.0283 / sqrt(2) = 0.2541.
    assert table.rows() == [
        ("fcn32s", "80.00 (n=1), lr 0.1", "", ""),
        ("fcn8s", "70.00 (n=1), lr 0.1", "62.00 ± 25.41 (n=2), lr 0.2", "−10.00 (n=1)"),
    ]
    assert [column.title for column in table.columns] == ["architecture", "freeze %", "unfreeze %", "unfreeze − freeze"]
    assert values(table, "unfreeze_n") == [None, 2]
    assert values(table, "unfreeze_minus_freeze")[1] == pytest.approx(0.60 - 0.70)  # seed 0, which both have
    assert "No test score takes part in the choice." in table.note


def test_an_incomplete_cell_says_so(builder: Any) -> None:
    builder.trial([0.6], 0.8, lr=0.1)
    builder.trial([0.6], 0.9, lr=0.1, seed=1, state="running")
    builder.trial([0.6], 0.9, lr=0.2, state="failed")
    table = result_tables.architecture_by_freeze(load(builder.write()))
    assert texts(table, "unfreeze %") == ["80.00 (n=1 of 2), lr 0.1, 1 of 2 settings done"]
    assert len(table.columns) == 2


def test_best_models_are_ranked_by_validation(grid: Study) -> None:
    table = result_tables.best_models(grid)
    assert texts(table, "model") == ["fcn8s", "fcn32s"]
    assert texts(table, "val mIoU %")[1] == "61.00 (n=1)"
    assert texts(table, "test mIoU %") == ["62.00 ± 25.41 (n=2)", "80.00 (n=1)"]
    assert texts(table, "best epoch") == ["2", "1"]
    assert texts(table, "trial")[0].startswith("trials/fcn8s-scenes-unfreeze-lr0.2-s0-")


def test_every_kind_of_score_has_its_table(builder: Any) -> None:
    builder.trial([0.2, 0.6, 0.5], env=ENV, extra={"images_per_s": 10.0, "peak_memory_bytes": 2**30})
    study = load(builder.write())
    assert texts(result_tables.four_metrics(study), "f.w. IoU %") == ["70.00 (n=1)"]
    assert texts(result_tables.details(study), "boundary IoU %") == ["30.00 (n=1)"]
    assert texts(result_tables.details(study), "small %") == ["10.00 (n=1)"]
    assert texts(result_tables.training_dynamics(study), "epochs to 90 %") == ["2.0 (n=1)"]
    assert texts(result_tables.training_dynamics(study), "late fall %") == ["10.00 (n=1)"]
    cost = result_tables.cost(study)
    assert {column.title: column.texts for column in cost.columns[2:]} == {
        "parameters M": ["0.00"],
        "trained M": ["0.00"],
        "multiply-adds G": ["0.01"],
        "images/s": ["10.0 (n=1)"],
        "memory GiB": ["1.00 (n=1)"],
        "hours": ["0.017 (n=1)"],
    }
    assert "Measured on A CPU" in cost.note


def test_a_cost_that_was_not_recorded_has_no_column(builder: Any) -> None:
    builder.trial()
    assert [column.title for column in result_tables.cost(load(builder.write())).columns] == [
        "model",
        "setting",
        "hours",
    ]


def test_iou_per_class_is_blank_for_a_class_that_does_not_occur(builder: Any) -> None:
    builder.trial(iou=[0.2, None], seed=0)
    builder.trial(iou=[0.4, None], seed=1)
    builder.trial(iou=[0.9, 0.8], arch="fcn16s")
    table = class_tables.class_iou(load(builder.write()))
    assert table.rows() == [("road", "30.0 [0.0, 100.0] (n=2)", "90.0 (n=1)"), ("sky", "", "80.0 (n=1)")]
    assert values(table, "fcn8s_n") == [2, 0]


def test_a_study_of_variants_has_no_table_of_architectures(builder: Any) -> None:
    builder.trial(variant="scratch")
    builder.trial(variant="frozen", freeze="encoder")
    study = load(builder.write(variants={"frozen": {}, "scratch": {}}))
    assert "architecture_by_freeze" not in [table.name for table in result_tables.all_tables(study)]
    assert texts(result_tables.four_metrics(study), "model") == ["frozen", "scratch"]


def test_a_study_without_results_says_so_in_one_sentence(builder: Any) -> None:
    builder.enter(builder.config())
    builder.trial([], lr=0.1, state="failed", reason="no GPU")
    study = load(builder.write(axes=GRID))
    sentence = "Nothing to compare yet: no trial has finished with scores (2 trials: 1 failed, 1 not started)."
    for table in result_tables.all_tables(study):
        assert table.name == "results" or (table.note, len(table)) == (sentence, 0)
    assert len(trials_table.trials_table(study)) == 2


def test_the_table_of_claims(builder: Any) -> None:
    for seed, test in enumerate((0.60, 0.62, 0.64)):
        builder.trial(test=test, seed=seed)
        builder.trial(test=0.5, arch="fcn16s", seed=seed)
    claim = {"text": "better", "left": {"arch": "fcn8s"}, "right": {"arch": "fcn16s"}, "source": "a report"}
    published = {"published": {"left": 0.76, "right": 0.72}}
    faster = claim | {"text": "faster", "metric": "epochs_to_90"}
    study = load(builder.write(claims=[claim | published, faster, "words"]))
    rows = claims_table.claims_table(claims.judge_all(study)).rows()
    assert rows[0][:5] == ("better", "holds", "test mean IoU, points", "+12.00 [+7.03, +16.97]", "3")
    # 0.00914 alone; the first look takes 0.9 of the error, and there are two claims that could be tested.
    assert rows[0][6:10] == ("0.020", "+4.00 (76.00 − 72.00)", "a report", "t over 3 seeds")
    assert rows[1][1:5] == ("undecided", "epochs to 90 % of the best, epochs", "+0.0 [+0.0, +0.0]", "3")
    assert rows[2][:5] == ("words", "undecided", "", "", "0")


@pytest.mark.parametrize(
    ("state", "reason", "step", "note"),
    [
        ("running", None, None, "1 of 10 epochs"),
        ("failed", "a | b\n  c", None, "after 1 of 10 epochs: a | b c"),
        ("diverged", "loss is inf", None, "epoch 2: loss is inf"),
        ("skipped", "its parent failed", None, "its parent failed"),
        ("failed", "x" * 161, None, "after 1 of 10 epochs: " + "x" * 159 + "…"),
    ],
)
def test_the_note_of_a_trial_that_did_not_finish(
    builder: Any, state: str, reason: str | None, step: int | None, note: str
) -> None:
    builder.trial([0.1], state=state, reason=reason, step=step)
    assert texts(trials_table.trials_table(load(builder.write())), "note") == [note]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0s"), (59.6, "1m 00s"), (1258, "20m 58s"), (3600, "1h 00m 00s"), (float("nan"), "")],
)
def test_duration(seconds: float, text: str) -> None:
    assert trials_table.duration(seconds) == text

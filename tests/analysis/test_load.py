import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.load import CLASS_DTYPES, EPOCH_DTYPES, TRIAL_DTYPES, load_study
from segtrain import records
from segtrain.records import RecordError

REPO = Path(__file__).parents[2]


def row_of(study: Any, run: str) -> Any:
    rows = study.trials[study.trials["run"] == run].to_dict("records")
    assert len(rows) == 1
    return rows[0]


def test_a_finished_trial_has_the_numbers_of_the_epoch_whose_weights_were_kept(builder: Any) -> None:
    folder = builder.trial([0.2, 0.7, 0.6], 0.65, freeze="encoder", lr=0.01, seed=3, runtime_s=90.5)
    study = load_study(builder.write())
    row = row_of(study, "fcn8s-freeze-lr0.01-s3")
    expected = {
        "state": "finished",
        "arch": "fcn8s",
        "freeze": "freeze",
        "lr": 0.01,
        "seed": 3,
        "variant": "lr 0.01",
        "runtime_s": 90.5,
        "epoch": 3,
        "best_epoch": 2,
        "train/loss": 1 / 2,
        "val/loss": 2 / 2,
        "val/mean_iou": 0.7,
        "test/loss": 0.25,
        "test/mean_iou": 0.65,
        "pixel_accuracy": 0.9,
        "mean_accuracy": 0.8,
        "frequency_weighted_iou": 0.7,
        "folder": f"trials/{folder.name}",
    }
    assert {key: row[key] for key in expected} == expected
    assert study.problems == []
    assert study.out == builder.out


def test_frames_have_the_documented_columns_and_the_order_of_the_study(builder: Any) -> None:
    builder.trial([0.1, 0.2], arch="fcn8s")
    builder.trial([0.3], arch="fcn16s")
    builder.trial([0.4], arch="fcn32s")
    study = load_study(builder.write())
    for frame, dtypes in (
        (study.trials, TRIAL_DTYPES),
        (study.epochs, EPOCH_DTYPES),
        (study.classes, CLASS_DTYPES),
    ):
        assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == dtypes
    ids = study.trials["trial_id"].tolist()
    assert study.trials["arch"].tolist() == ["fcn8s", "fcn16s", "fcn32s"]
    assert study.epochs["trial_id"].tolist() == [ids[0], ids[0], ids[1], ids[2]]
    assert study.epochs["val/mean_iou"].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert study.classes["class_name"].tolist() == ["road", "sky"] * 3


def test_a_class_that_does_not_occur_is_missing(builder: Any) -> None:
    builder.trial(iou=[None, 0.6])
    iou = load_study(builder.write()).classes["iou"]
    assert iou.isna().tolist() == [True, False]
    assert iou[1] == 0.6


def test_the_last_line_of_an_epoch_counts_and_a_torn_last_line_does_not(builder: Any) -> None:
    folder = builder.trial([0.1, 0.2, 0.3])
    for epoch, value in ((2, 0.8), (3, 0.7)):
        records.append_metrics(folder, {"epoch": epoch, "train/loss": 1.0, "val/mean_iou": value})
    with open(folder / records.METRICS_FILE, "a") as file:
        file.write('{"epoch": 4, "val/m')
    epochs = load_study(builder.write()).epochs
    assert epochs["epoch"].tolist() == [1, 2, 3]
    assert epochs["val/mean_iou"].tolist() == [0.1, 0.8, 0.7]
    assert epochs["val/loss"].isna().tolist() == [False, True, True]


def test_a_running_trial_has_its_best_epoch_so_far_and_no_test_scores(builder: Any) -> None:
    builder.trial([0.1, 0.4, 0.4, 0.3], state="running")
    row = row_of(load_study(builder.write()), "fcn8s-unfreeze-lr0.001")
    assert (row["state"], row["epoch"], row["epochs"], row["best_epoch"]) == ("running", 4, 10, 2)
    assert row["val/mean_iou"] == 0.4
    assert pd.isna(row["test/mean_iou"])
    assert pd.isna(row["test/loss"])
    assert pd.isna(row["pixel_accuracy"])


def test_every_state_stays_in_with_its_reason(builder: Any) -> None:
    builder.trial(lr=1.0)
    builder.trial([], state="running", lr=0.1)
    builder.trial([0.1], state="failed", reason="out of memory", lr=0.2)
    builder.trial([0.1], state="diverged", reason="loss is nan", step=7, lr=0.3)
    builder.trial([], state="skipped", reason="its parent failed", lr=0.4)
    builder.enter(builder.config(lr=0.5))
    study = load_study(builder.write())
    assert study.trials["state"].tolist() == [
        "finished",
        "running",
        "failed",
        "diverged",
        "skipped",
        "not started",
    ]
    assert study.trials["reason"].fillna("").tolist() == [
        "",
        "",
        "out of memory",
        "loss is nan",
        "its parent failed",
        "",
    ]
    assert row_of(study, "fcn8s-unfreeze-lr0.3")["step"] == 7
    absent = row_of(study, "fcn8s-unfreeze-lr0.5")
    assert (absent["arch"], absent["freeze"], absent["lr"]) == ("fcn8s", "unfreeze", 0.5)
    assert all(pd.isna(absent[key]) for key in ("runtime_s", "best_epoch", "test/mean_iou"))
    assert study.problems == []


DAMAGE = {
    "torn test.json": ("test.json", '{"epoch": 1, "lo', "is not valid JSON"),
    "test.json of another kind": ("test.json", '{"epoch": 1}', "does not hold a TestScores"),
    "no test.json": ("test.json", None, "is finished but has no test.json"),
    "torn status.json": ("status.json", '{"state"', "is not valid JSON"),
    "unknown state": ("status.json", '{"state": "odd", "epoch": 1, "epochs": 1, "runtime_s": 1}', "state is 'odd'"),
    "a word for a number": (
        "status.json",
        '{"state": "finished", "epoch": "one", "epochs": 1, "runtime_s": 1}',
        "epoch is 'one', not an integer",
    ),
    "no config.json": ("config.json", None, "is finished but has no config.json"),
    "config.json without lr": (
        "config.json",
        '{"arch": "fcn8s", "dataset": "scenes", "freeze": "none", "seed": 0}',
        "has no usable lr",
    ),
    "torn line in the middle": ("metrics.jsonl", '{"epoch"\n{"epoch": 1}\n', "line 1 is no record of an epoch"),
    "a line that is no epoch": ("metrics.jsonl", "3\n", "line 1 is no record of an epoch"),
    "a word in a line": ("metrics.jsonl", '{"epoch": 1, "lr": "high"}\n', "line 1 holds what is no number"),
    "no line of the kept epoch": ("metrics.jsonl", '{"epoch": 9}\n', "has no line of epoch 1, whose weights were kept"),
}


@pytest.mark.parametrize(("name", "content", "message"), DAMAGE.values(), ids=DAMAGE.keys())
def test_an_unreadable_trial_is_named_and_the_others_go_on(
    builder: Any, name: str, content: str | None, message: str
) -> None:
    folder = builder.trial(lr=0.1)
    builder.trial([0.3], 0.31, lr=0.2)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    study = load_study(builder.write())
    assert study.trials["state"].tolist() == ["unreadable", "finished"]
    assert len(study.problems) == 1
    assert study.problems[0].startswith("fcn8s-unfreeze-lr0.1: ")
    assert message in study.problems[0]
    assert folder.name in study.problems[0]
    assert study.trials["test/mean_iou"].isna().tolist() == [True, False]
    assert study.epochs["val/mean_iou"].tolist() == [0.3]


def test_a_file_that_the_system_cannot_read_makes_a_trial_unreadable(builder: Any) -> None:
    folder = builder.trial()
    (folder / records.STATUS_FILE).unlink()
    (folder / records.STATUS_FILE).mkdir()
    study = load_study(builder.write())
    assert study.trials["state"].tolist() == ["unreadable"]
    assert "Is a directory" in study.problems[0]


def test_a_skipped_trial_needs_no_config(builder: Any) -> None:
    folder = builder.trial([], state="skipped", reason="its parent failed")
    (folder / records.CONFIG_FILE).unlink()
    study = load_study(builder.write())
    assert study.trials["state"].tolist() == ["skipped"]
    assert study.problems == []


@pytest.mark.parametrize(
    "changes",
    [{"iou": None}, {"iou": [0.5]}, {"iou": [0.5, "high"]}, {"classes": [["road"], "sky"]}, {"mean_iou": "high"}],
    ids=str,
)
def test_test_scores_of_the_wrong_kind_make_a_trial_unreadable(builder: Any, changes: dict[str, Any]) -> None:
    folder = builder.trial()
    path = folder / records.TEST_FILE
    records.write_json(path, json.loads(path.read_text()) | changes)
    study = load_study(builder.write())
    assert study.trials["state"].tolist() == ["unreadable"]
    assert study.classes.empty


def test_a_setting_is_all_but_the_seed_and_a_parent_counts_by_its_own_setting(builder: Any) -> None:
    parents = [builder.config(arch="fcn16s", seed=seed) for seed in (0, 1)] + [builder.config(arch="fcn16s", lr=0.5)]
    for seed, lr in ((0, 0.001), (1, 0.001), (0, 0.5)):
        builder.trial(arch="fcn16s", seed=seed, lr=lr, stage="pretrain")
    for seed, parent in enumerate(parents):
        builder.trial(seed=seed, init="parent", parent=parent.trial_id)
    builder.trial(lr=0.2)
    builder.trial(lr=0.2, batch_size=4)
    settings = load_study(builder.write()).trials["setting"].tolist()
    assert settings == [0, 0, 1, 2, 2, 3, 4, 5]


def test_a_variant_names_the_further_axes_that_vary(builder: Any) -> None:
    builder.trial(lr=0.0003, batch_size=8, width_mult=0.5)
    axes = {"batch_size": [8, 16], "lr": [0.0003], "arch": ["fcn8s"], "width_mult": [0.5], "seed": [0, 1]}
    assert load_study(builder.write(axes=axes)).trials["variant"].tolist() == ["lr 0.0003, batch_size 8"]


def test_a_folder_without_a_study_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(RecordError) as caught:
        load_study(tmp_path / "nowhere")
    assert str(caught.value) == (
        f"the study folder is '{tmp_path}/nowhere', which has no study.json; "
        "expected <out>/studies/<name>: a sweep writes one when it starts"
    )


def test_an_out_folder_names_its_studies(builder: Any) -> None:
    folder = builder.write()
    with pytest.raises(RecordError) as caught:
        load_study(builder.out)
    assert str(caught.value).endswith(f"expected <out>/studies/<name>: found {folder}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"metric": "test/mean_iou"},
            "metric is 'test/mean_iou'; allowed: val/mean_iou or val/loss, never a test score",
        ),
        ({"mode": "best"}, "mode is 'best'; allowed: max or min"),
        ({"trials": None}, "trials is None; allowed: a JSON list"),
        ({"axes": {"lr": 1}}, "axis lr is 1; allowed: a JSON list"),
        (
            {"trials": [{"run": "a"}]},
            "an entry of trials is {'run': 'a'}; allowed: an object with the texts trial_id, run, stage",
        ),
        (
            {"trials": [{"run": "a", "trial_id": "x", "stage": "trial"}] * 2},
            "trials is 'x'; allowed: every trial_id once",
        ),
    ],
)
def test_a_study_file_that_cannot_be_meant_is_an_error(builder: Any, changes: dict[str, Any], message: str) -> None:
    folder = builder.write(**changes)
    with pytest.raises(RecordError) as caught:
        load_study(folder)
    path = folder / "study.json"
    assert str(caught.value) == f"{path}: {message}; run the sweep's command again to rewrite it"


@pytest.mark.parametrize(
    ("module", "banned"),
    [("analysis.load", ["matplotlib", "torch", "ray", "optuna"]), ("analysis.__main__", ["torch", "ray", "optuna"])],
)
def test_analysis_does_not_import_what_it_does_not_need(module: str, banned: list[str]) -> None:
    code = f"import sys, {module}; print([name for name in {banned} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_analysis_imports_nothing_of_the_program_but_the_names_on_disk() -> None:
    files = sorted((REPO / "analysis").glob("*.py"))
    assert len(files) > 4
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ("segtrain", "sweeps"):
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                assert node.module == "segtrain.records" or names == {"segtrain.records"}, f"{file}: {names}"
            elif isinstance(node, ast.Import):
                assert not any(alias.name.split(".")[0] in ("segtrain", "sweeps") for alias in node.names), file

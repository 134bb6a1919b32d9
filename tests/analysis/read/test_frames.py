import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import analysis
from analysis.draw import gallery
from analysis.draw.panels import read_panels
from analysis.read.frames import CLASS_DTYPES, EPOCH_DTYPES, TRIAL_DTYPES, load
from analysis.report import provenance
from analysis.report.tables import result_tables
from analysis.statistics.claims import judge_all
from segtrain import records
from segtrain.records import RecordError
from tests.analysis.conftest import ENV, counts

REPO = Path(__file__).parents[3]


def row_of(study: Any, run: str) -> Any:
    rows = study.trials[study.trials["run"] == run].to_dict("records")
    assert len(rows) == 1
    return rows[0]


def test_a_finished_trial_has_the_numbers_of_the_epoch_whose_weights_were_kept(builder: Any) -> None:
    folder = builder.trial([0.2, 0.7, 0.6], 0.65, freeze="encoder", lr=0.01, seed=3, runtime_s=90.5)
    study = load(builder.write())
    row = row_of(study, "fcn8s-freeze-lr0.01-s3")
    expected = {
        "state": "finished",
        "arch": "fcn8s",
        "freeze": "freeze",
        "lr": 0.01,
        "seed": 3,
        "model": "fcn8s",
        "setting_name": "lr 0.01",
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
    study = load(builder.write())
    for frame, dtypes in (
        (study.trials, TRIAL_DTYPES),
        (study.epochs, EPOCH_DTYPES),
        (study.classes, CLASS_DTYPES),
    ):
        found = {name: str(dtype) for name, dtype in frame.dtypes.items()}
        assert {name: found[name] for name in dtypes} == dtypes
    recipe = {name for config in study.configs.values() for name in config}
    assert set(study.trials) == set(TRIAL_DTYPES) | recipe
    assert study.trials["batch_size"].tolist() == [study.configs[name]["batch_size"] for name in study.configs]
    assert repr(study) == "<Study grid: A small grid; 3 trials (3 finished), 0 claims>"
    ids = study.trials["trial_id"].tolist()
    assert study.trials["arch"].tolist() == ["fcn8s", "fcn16s", "fcn32s"]
    assert study.epochs["trial_id"].tolist() == [ids[0], ids[0], ids[1], ids[2]]
    assert study.epochs["val/mean_iou"].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert study.classes["class_name"].tolist() == ["road", "sky"] * 3


def test_a_class_that_does_not_occur_is_missing(builder: Any) -> None:
    builder.trial(iou=[None, 0.6])
    iou = load(builder.write()).classes["iou"]
    assert iou.isna().tolist() == [True, False]
    assert iou[1] == 0.6


def test_the_last_line_of_an_epoch_counts_and_a_torn_last_line_does_not(builder: Any) -> None:
    folder = builder.trial([0.1, 0.2, 0.3])
    for epoch, value in ((2, 0.8), (3, 0.7)):
        records.append_metrics(folder, {"epoch": epoch, "train/loss": 1.0, "val/mean_iou": value})
    with open(folder / records.METRICS_FILE, "a") as file:
        file.write('{"epoch": 4, "val/m')
    epochs = load(builder.write()).epochs
    assert epochs["epoch"].tolist() == [1, 2, 3]
    assert epochs["val/mean_iou"].tolist() == [0.1, 0.8, 0.7]
    assert epochs["val/loss"].isna().tolist() == [False, True, True]


def test_a_running_trial_has_its_best_epoch_so_far_and_no_test_scores(builder: Any) -> None:
    builder.trial([0.1, 0.4, 0.4, 0.3], state="running")
    row = row_of(load(builder.write()), "fcn8s-unfreeze-lr0.001")
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
    study = load(builder.write())
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
        "epoch is 'one'; allowed: an integer >= 0",
    ),
    "no config.json": ("config.json", None, "is finished but has no config.json"),
    "config.json without lr": (
        "config.json",
        '{"arch": "fcn8s", "dataset": "scenes", "freeze": "none", "seed": 0}',
        "lr is None; allowed: a number from -1e+100 to 1e+100",
    ),
    "torn line in the middle": ("metrics.jsonl", '{"epoch"\n{"epoch": 1}\n', "line 1 is no record of an epoch"),
    "a line that is no epoch": ("metrics.jsonl", "3\n", "line 1 is no record of an epoch"),
    "a word in a line": ("metrics.jsonl", '{"epoch": 1, "lr": "high"}\n', "line 1: lr is 'high'; allowed: a number"),
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
    study = load(builder.write())
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
    study = load(builder.write())
    assert study.trials["state"].tolist() == ["unreadable"]
    assert "Is a directory" in study.problems[0]


@pytest.mark.parametrize("config", [3, {"arch": "fcn8s"}, {"parent": ["a"]}])
def test_a_config_that_cannot_be_one_makes_its_trial_unreadable(builder: Any, config: Any) -> None:
    builder.enter(builder.config())
    kept = builder.entries[0]["config"]
    builder.entries[0]["config"] = kept | config if isinstance(config, dict) and "parent" in config else config
    study = load(builder.write())
    assert study.trials["state"].tolist() == ["unreadable"]
    assert study.configs == {}
    assert len(study.problems) == 1


DAMAGES = [b"", b"{", b"[]", b"null", b"\x00\xff\xfe", b'{"epoch": {}}', None]


@pytest.mark.parametrize("content", DAMAGES, ids=repr)
def test_no_damage_to_any_file_stops_a_report_or_hides_a_trial(builder: Any, content: bytes | None) -> None:
    whole = builder.trial(env=ENV, counts=counts([0.5, 0.8]))
    builder.panel(whole, 0, [[0, 1]], [[1, 1]])
    names = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    assert len(names) == 11
    for number, name in enumerate(names, start=1):
        folder = builder.trial(
            env=ENV, counts=counts([0.5, 0.8]), arch="fcn16s" if number % 2 else "fcn32s", seed=number
        )
        builder.panel(folder, 0, [[0, 1]], [[1, 1]])
        (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    claim = {"text": "a", "left": {"arch": "fcn16s"}, "right": {"arch": "fcn32s"}}
    study = load(builder.write(claims=[claim]))
    assert len(study.trials) == 1 + len(names)
    assert "finished" in set(study.trials["state"])
    assert all(
        run in " ".join(study.problems) for run in study.trials.loc[study.trials["state"] == "unreadable", "run"]
    )
    result_tables.all_tables(study)
    provenance.table(study)
    gallery.all_charts(study)
    read_panels(study)
    assert len(judge_all(study)) == 1


def test_a_skipped_trial_needs_no_config(builder: Any) -> None:
    folder = builder.trial([], state="skipped", reason="its parent failed")
    (folder / records.CONFIG_FILE).unlink()
    study = load(builder.write())
    assert study.trials["state"].tolist() == ["skipped"]
    assert study.problems == []


@pytest.mark.parametrize(
    "changes",
    [
        {"iou": None},
        {"iou": [0.5]},
        {"iou": [0.5, "high"]},
        {"classes": [["road"], "sky"]},
        {"mean_iou": "high"},
        {"boundary_iou": [0.5]},
        {"size_iou": {"small": [0.1, 0.2]}},
        {"mean_size_iou": None},
        {"mean_size_iou": {"small": "x", "medium": 0.3, "large": 0.6}},
    ],
    ids=str,
)
def test_test_scores_of_the_wrong_kind_make_a_trial_unreadable(builder: Any, changes: dict[str, Any]) -> None:
    folder = builder.trial()
    path = folder / records.TEST_FILE
    records.write_json(path, json.loads(path.read_text()) | changes)
    study = load(builder.write())
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
    settings = load(builder.write()).trials["setting"].tolist()
    assert settings == [0, 0, 1, 2, 2, 3, 4, 5]


def test_a_setting_names_the_further_axes_that_vary(builder: Any) -> None:
    builder.trial(lr=0.0003, batch_size=8, width_mult=0.5)
    axes = {"batch_size": [8, 16], "lr": [0.0003], "arch": ["fcn8s"], "width_mult": [0.5], "seed": [0, 1]}
    assert load(builder.write(axes=axes)).trials["setting_name"].tolist() == ["lr 0.0003, batch_size 8"]


def test_a_model_is_the_variant_and_else_the_architecture(builder: Any) -> None:
    builder.trial(variant="scratch", lr=0.1)
    builder.trial(variant="scratch", lr=0.2)
    builder.trial(arch="fcn16s", stage="pretrain")
    study = load(builder.write(variants={"scratch": {}}))
    assert study.trials["model"].tolist() == ["scratch", "scratch", "fcn16s"]
    assert study.variants == ["scratch"]
    builder.trial(variant="scratch", arch="fcn32s")
    assert load(builder.write()).trials["model"].tolist() == [
        "fcn8s, scratch",
        "fcn8s, scratch",
        "fcn16s",
        "fcn32s, scratch",
    ]


def test_extended_scores_cost_and_environment_are_columns(builder: Any) -> None:
    extra = {"images_per_s": 8.0, "peak_memory_bytes": 100}
    folder = builder.trial([0.2, 0.4], env=ENV, extra=extra)
    records.append_metrics(folder, {"epoch": 3, "images_per_s": 20.0, "peak_memory_bytes": 300})
    study = load(builder.write())
    row = row_of(study, "fcn8s-unfreeze-lr0.001")
    expected = {
        "mean_auc": 0.8,
        "mean_boundary_iou": 0.3,
        "iou_small": 0.1,
        "iou_large": 0.6,
        "images_per_s": 8.0,  # the median
        "peak_memory_bytes": 300.0,
        "parameters": 1000,
        "trained_parameters": 400,
        "multiply_adds": 5_000_000,
        "threads": 2,
        "device_name": "A CPU",
        "git_commit": "c0ffee",
        "git_dirty": False,
        "epochs_to_90": 2.0,
    }
    assert {key: row[key] for key in expected} == expected
    assert study.classes[["auc", "boundary_iou", "iou_small"]].values.tolist()[0] == [0.9, 0.2, 0.1]
    assert pd.isna(study.classes["iou_small"][1])
    assert study.envs == {folder.name: ENV}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not valid JSON"),
        (
            '{"threads": "two"}',
            "threads is 'two'; allowed: an integer >= 0, or null; what the trial ran on is left out",
        ),
        ('{"packages": 3}', "packages is 3; allowed: an object, or null; what the trial ran on is left out"),
    ],
)
def test_a_torn_environment_is_named_and_its_trial_stays(builder: Any, content: str, message: str) -> None:
    folder = builder.trial()
    (folder / records.ENV_FILE).write_text(content)
    study = load(builder.write())
    assert study.trials["state"].tolist() == ["finished"]
    assert study.trials["host"].isna().tolist() == [True]
    assert len(study.problems) == 1
    assert message in study.problems[0]


def test_the_public_function_is_this_one(builder: Any) -> None:
    builder.trial()
    folder = builder.write()
    assert analysis.load(str(folder)).trials["state"].tolist() == ["finished"]


def test_a_folder_without_a_study_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(RecordError) as caught:
        load(tmp_path / "nowhere")
    assert str(caught.value) == (
        f"the study folder is '{tmp_path}/nowhere', which has no study.json; "
        "expected <out>/studies/<name>: a sweep writes one when it starts"
    )


def test_an_out_folder_names_its_studies(builder: Any) -> None:
    folder = builder.write()
    with pytest.raises(RecordError) as caught:
        load(builder.out)
    assert str(caught.value).endswith(f"expected <out>/studies/<name>: found {folder}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"claims": None}, "claims is None; allowed: a list, each an object or a text"),
        ({"variants": ["a"]}, "variants is ['a']; allowed: an object, or null"),
        ({"trials": None}, "trials is None; allowed: a list, each an object"),
        ({"axes": {"lr": 1}}, ", axes: lr is 1; allowed: a list, each a text, a number, true, false or null"),
        (
            {"trials": [{"run": "a"}]},
            ", trial 1: trial_id is None; allowed: a name without / of up to 200 bytes",
        ),
        (
            {"trials": [{"run": "a", "trial_id": "x", "stage": "trial"}] * 2},
            "trials has x twice",
        ),
        ({"commands": ["a"], "latest": 1}, "latest is 1; allowed: the place of a command"),
        (
            {"trials": [{"run": "a", "trial_id": "x", "stage": "trial", "commands": [1]}]},
            ", trial 1: a command is 1 of 1",
        ),
    ],
)
def test_a_study_file_that_cannot_be_meant_is_an_error(builder: Any, changes: dict[str, Any], message: str) -> None:
    folder = builder.write(**changes)
    with pytest.raises(RecordError) as caught:
        load(folder)
    path = folder / "study.json"
    remedy = "restore it, or move it away: the study's commands, given again, make it anew"
    assert str(caught.value) == f"{path}{'' if message[0] == ',' else ': '}{message}; {remedy}"


@pytest.mark.parametrize(
    ("module", "banned"),
    [("analysis", ["matplotlib", "torch", "ray", "optuna"]), ("analysis.report.page", ["torch", "ray", "optuna"])],
)
def test_analysis_does_not_import_what_it_does_not_need(module: str, banned: list[str]) -> None:
    code = f"import sys, {module}; print([name for name in {banned} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

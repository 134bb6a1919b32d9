"""A study gathers what its commands asked for: nothing is lost, whoever writes when, and recipes are told apart."""

import dataclasses
import multiprocessing
from pathlib import Path

import pytest

from analysis.inference.spending import Look
from analysis.read.frames import load
from analysis.read.gathering.study_json import read_description
from analysis.statistics import claims, selection
from segtrain import records
from segtrain.records import RecordError
from sweeps.engine.ask.study import Study
from sweeps.engine.plan.study_file import merge, read_looks, write_study
from tests.sweeps.engine.plan.test_replication import STUDY, finish, options


def ask(out: Path, study: Study, command: str, looks: tuple[Look, ...] = (), iou: float | None = None) -> None:
    """What a command writes, and with `iou` what it trains."""
    how = dataclasses.replace(options(out, None), command=command)
    write_study(study, study.expand(), looks, how)
    for trial in study.expand() if iou is not None else []:
        better = 0.2 if trial.config.arch == "fcn8s" else 0.0
        finish(out, trial, iou + better + 0.001 * (trial.config.seed % 3) * (1 + better))


def stored(out: Path) -> dict[str, list[int]]:
    """Run name -> the places of the commands that asked for it."""
    described = records.read_json(out / "studies/grid/study.json")
    return {entry["run"]: entry["commands"] for entry in described["trials"]}


def test_a_narrower_command_leaves_the_trials_of_the_one_before(tmp_path: Path) -> None:
    ask(tmp_path, STUDY, "python grid.py")
    narrow = STUDY.edit({"arch": ("fcn16s",), "lr": (1e-3,)})
    ask(tmp_path, narrow, "python grid.py --set arch=fcn16s")
    described = records.read_json(tmp_path / "studies/grid/study.json")
    assert described["commands"] == ["python grid.py", "python grid.py --set arch=fcn16s"]
    assert (described["latest"], described["command"]) == (1, "python grid.py --set arch=fcn16s")
    assert len(stored(tmp_path)) == 10
    assert stored(tmp_path)["fcn16s-freeze-lr0.001"] == [1]
    ask(tmp_path, STUDY, "python grid.py")
    again = records.read_json(tmp_path / "studies/grid/study.json")
    assert (again["latest"], len(again["commands"]), len(again["trials"])) == (0, 2, 10)
    study = load(tmp_path / "studies/grid")
    assert study.axes["arch"] == ["fcn32s", "fcn8s", "fcn16s"]
    assert len(load(tmp_path / "studies/grid", latest=True).trials) == 8


def test_the_command_of_an_edited_file_is_another_one(tmp_path: Path) -> None:
    ask(tmp_path, STUDY.edit({"lr": (1e-3, 1e-5)}), "python grid.py")
    ask(tmp_path, STUDY.edit({"lr": (1e-3,)}), "python grid.py")
    assert records.read_json(tmp_path / "studies/grid/study.json")["commands"] == ["python grid.py"] * 2
    latest = load(tmp_path / "studies/grid", latest=True)
    assert set(latest.trials["lr"]) == {1e-3}
    assert set(load(tmp_path / "studies/grid").trials["lr"]) == {1e-3, 1e-5}


def _ask_for_a_seed(out: Path, seed: int) -> None:
    ask(out, STUDY.edit({"seed": (seed,)}), f"python grid.py --set seed={seed}")


def test_commands_that_write_at_once_lose_nothing_of_each_other(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.starmap(_ask_for_a_seed, [(tmp_path, seed) for seed in range(12)])
    described = records.read_json(tmp_path / "studies/grid/study.json")
    assert len(described["trials"]) == 12 * 8
    assert len(described["commands"]) == 12
    asked = {(entry["config"]["seed"], described["commands"][entry["commands"][0]]) for entry in described["trials"]}
    assert asked == {(seed, f"python grid.py --set seed={seed}") for seed in range(12)}


def test_merged_lists_keep_apart_commands_that_read_the_same_and_merge_no_further_the_second_time(
    tmp_path: Path,
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    look = Look(3, 0.05)
    ask(one, STUDY.edit({"lr": (1e-3, 1e-5)}), "python grid.py")
    ask(one, STUDY.edit({"lr": (1e-3,)}), "python grid.py", (look,))
    ask(other, STUDY.edit({"lr": (1e-4,)}), "python grid.py --set lr=1e-4", (look,))
    here, there = (read_description(out / "studies/grid") for out in (one, other))
    merged = merge(there, here)
    assert merged["commands"] == ["python grid.py --set lr=1e-4", "python grid.py", "python grid.py"]
    assert merged["latest"] == 2
    asked = {entry["config"]["lr"]: entry["commands"] for entry in merged["trials"] if entry["stage"] == "trial"}
    assert asked == {1e-3: [1, 2], 1e-5: [1], 1e-4: [0]}
    assert [taken["command"] for taken in merged["looks"]] == [0, 2]
    assert merge(merged, here) == merge(merged, merged) == merged


def test_seeds_of_a_job_array_are_one_study_and_its_report_is_the_first_look(tmp_path: Path) -> None:
    study = STUDY.edit({"lr": (1e-3,)})
    for seed in range(3):
        ask(tmp_path, study.edit({"seed": (seed,)}), f"python grid.py --set seed={seed}", iou=0.3)
    found = load(tmp_path / "studies/grid")
    assert selection.settings(found)["n"].tolist() == [3] * 4
    assert found.looks == []
    better = claims.judge_all(found)[0]
    assert (better.verdict, better.effect.n) == ("holds", 3)
    assert found.trials["asked_by"].tolist() == ["3"] * 4 + ["2"] * 4 + ["1"] * 4


def test_seeds_beyond_the_last_look_are_judged_with_what_the_looks_have_left(tmp_path: Path) -> None:
    study = STUDY.edit({"lr": (1e-3,)})
    ask(tmp_path, study.edit({"seed": (0, 1)}), "python grid.py --seeds 2", (Look(2, 0.8),), iou=0.3)
    before = claims.judge_all(load(tmp_path / "studies/grid"))[0]
    for seed in (2, 3, 4):
        ask(tmp_path, study.edit({"seed": (seed,)}), f"python grid.py --set seed={seed}", iou=0.3)
    after = claims.judge_all(load(tmp_path / "studies/grid"))[0]
    assert after.effect.n == 5
    assert after.p_value < before.p_value
    # p over a tenth of the error; Holm doubles it, since both claims are declared and this is the stronger one.
    assert after.p_value == pytest.approx(2 * after.p_single / 0.1)
    # While a trial has still to end, nothing is looked at.
    ask(tmp_path, study.edit({"seed": (5,)}), "python grid.py --set seed=5")
    assert claims.judge_all(load(tmp_path / "studies/grid"))[0].p_value == pytest.approx(before.p_value)


def test_another_recipe_under_the_same_name_is_told_apart_and_mixed_with_nothing(tmp_path: Path) -> None:
    study = STUDY.edit({"lr": (1e-3,), "freeze": ("none",), "seed": (0, 1, 2)})
    ask(tmp_path, study, "python grid.py", iou=0.3)
    longer = study.edit({"epochs": (50,), "arch": ("fcn32s",)})
    ask(tmp_path, longer, "python grid.py --set epochs=50", iou=0.7)
    found = load(tmp_path / "studies/grid")
    names = [f"lr 0.001, epochs {epochs}" for epochs in (50, 1, 1)]
    assert selection.settings(found)["setting_name"].tolist() == names
    assert found.axes["epochs"] == [50, 1]
    # Fifty epochs make fcn32s look better than one makes fcn8s; that pair is never formed.
    judged = claims.judge_all(found)[0]
    assert judged.effect.mean == pytest.approx(0.2, abs=0.01)
    assert judged.cells is not None
    assert [name for name, _ in judged.cells.by_cell] == ["1"]


def test_looks_at_another_recipe_are_kept_apart(tmp_path: Path) -> None:
    study, how = STUDY.edit({"seed": (0, 1, 2)}), options(tmp_path, None)
    longer = study.edit({"epochs": (9,)})
    ask(tmp_path, study, "python grid.py", (Look(3, 0.8),))
    ask(tmp_path, longer, "python grid.py --set epochs=9")
    assert read_looks(longer, longer.expand(), how) == []
    assert read_looks(study, study.expand(), how) == [Look(3, 0.8)]
    ask(tmp_path, longer, "python grid.py --set epochs=9", (Look(2, 0.8),))
    both = study.edit({"epochs": (1, 9)})
    # Of the shares that two questions spent apart, a claim on both has no more than all.
    assert read_looks(both, both.expand(), how) == [Look(2, 0.8), Look(3, pytest.approx(0.2))]


def test_an_older_file_is_gathered_into(tmp_path: Path) -> None:
    trials = STUDY.expand()
    old = STUDY.describe(trials[:4], "python grid.py --set arch=fcn32s") | {"looks": [{"seeds": 3, "share": 0.8}]}
    for entry in old["trials"]:
        del entry["config"]["ema_decay"]  # younger than the file
    (tmp_path / "studies/grid").mkdir(parents=True)
    records.write_json(tmp_path / "studies/grid/study.json", old)
    assert load(tmp_path / "studies/grid", latest=True).trials["asked_by"].tolist() == ["1"] * 4
    ask(tmp_path, STUDY.edit({"arch": ("fcn8s",)}), "python grid.py --set arch=fcn8s")
    found = load(tmp_path / "studies/grid")
    assert found.trials["asked_by"].tolist() == ["2"] * 4 + ["1"] * 4
    assert all(config["ema_decay"] == 0 for config in found.configs.values())
    ask(tmp_path, STUDY, "python grid.py --set seed=1")
    assert read_looks(STUDY, trials, options(tmp_path, None)) == [Look(3, 0.8)]


@pytest.mark.parametrize("content", ['{"name"', "[]", '{"name": "grid"}'])
def test_a_file_that_cannot_be_added_to_is_not_written_over(tmp_path: Path, content: str) -> None:
    path = tmp_path / "studies/grid/study.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(RecordError, match=r"study\.json"):
        ask(tmp_path, STUDY, "python grid.py")
    assert path.read_text() == content

"""What a plan reads off trial folders: what would happen to each trial, and what must be put right first."""

import os
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.numpy
import torch

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.machine.disk import locked
from sweeps.engine.ask.options import ChangedData
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.actions import PlanError, check_decided, make_plan
from sweeps.engine.plan.earlier.restart import clear_restarted
from tests.sweeps.harness import SCORES

PARENT = TrialConfig(arch="fcn8s", dataset="scenes_source", init="scratch")
CHILD = TrialConfig(arch="fcn8s", dataset="scenes", init="parent", parent=PARENT.trial_id, epochs=9)
TRIALS = [Trial(PARENT, "pretrain", "pretrain"), Trial(CHILD, "child", "trial")]


def put(out: Path, config: TrialConfig, state: records.State, epoch: int) -> Path:
    """A sound trial folder."""
    folder = records.trial_dir(out, config.trial_id)
    folder.mkdir(parents=True)
    records.write_json(folder / records.CONFIG_FILE, config.to_dict())
    records.write_status(folder, records.Status(state=state, epoch=epoch, epochs=config.epochs, runtime_s=1.0))
    torch.save({"epoch": epoch}, folder / records.LAST_FILE)
    safetensors.numpy.save_file({"weight": torch.arange(6).numpy()}, folder / records.BEST_FILE)
    if state == "finished":
        records.write_test_scores(folder, SCORES)
    return folder


def described(out: Path) -> list[str]:
    return [planned.describe() for planned in make_plan(TRIALS, out)]


def test_nothing_has_run_yet(tmp_path: Path) -> None:
    assert described(tmp_path) == ["run", "wait for parent"]
    assert [planned.epochs_left for planned in make_plan(TRIALS, tmp_path)] == [30, 9]


@pytest.mark.parametrize("state", ["running", "failed", "skipped"])
def test_a_trial_that_was_cut_off_goes_on(tmp_path: Path, state: records.State) -> None:
    put(tmp_path, PARENT, state, epoch=4)
    assert described(tmp_path) == ["resume at epoch 5", "wait for parent"]
    assert make_plan(TRIALS, tmp_path)[0].epochs_left == 26


def test_a_finished_parent_lets_its_child_run(tmp_path: Path) -> None:
    put(tmp_path, PARENT, "finished", epoch=30)
    assert described(tmp_path) == ["skip, finished", "run"]


def test_a_diverged_trial_is_not_tried_again(tmp_path: Path) -> None:
    put(tmp_path, PARENT, "diverged", epoch=4)
    assert described(tmp_path)[0] == "skip, diverged"


def test_a_half_done_child_goes_on_without_its_parent(tmp_path: Path) -> None:
    put(tmp_path, CHILD, "running", epoch=2)
    assert described(tmp_path) == ["run", "resume at epoch 3"]


def test_a_parent_outside_the_study_must_have_finished(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=re.escape(f"parent {PARENT.trial_id} is no trial of this study and")):
        make_plan(TRIALS[1:], tmp_path)
    put(tmp_path, PARENT, "finished", epoch=30)
    assert [planned.describe() for planned in make_plan(TRIALS[1:], tmp_path)] == ["run"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (records.STATUS_FILE, b'{"state": "fin', "status.json is not valid JSON"),
        (records.STATUS_FILE, b'{"state": "fin", "epoch": 1, "epochs": 2, "runtime_s": 0}', "state is 'fin'; allowed:"),
        (records.CONFIG_FILE, b"[]", "config.json holds a list, not an object"),
        (records.TEST_FILE, b"{", "test.json is not valid JSON"),
        (records.METRICS_FILE, b"{\n{}\n", "metrics.jsonl, line 1 is no record of an epoch"),
        (records.LAST_FILE, b"PK\x03\x04 and no end", "last.pt is torn; restore it, or delete its folder"),
        (records.BEST_FILE, b"\x08\0\0\0\0\0\0\0{}", "best.safetensors is torn; restore it, or delete its folder"),
    ],
)
def test_a_torn_file_is_named_and_nothing_is_lost(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    folder = put(tmp_path, PARENT, "running" if name == records.LAST_FILE else "finished", epoch=30)
    (folder / name).write_bytes(content)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(PlanError) as caught:
        make_plan(TRIALS, tmp_path)
    assert message in str(caught.value)
    assert str(folder) in str(caught.value)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_cut_off_weights_file_is_torn(tmp_path: Path) -> None:
    best = put(tmp_path, PARENT, "finished", epoch=30) / records.BEST_FILE
    best.write_bytes(best.read_bytes()[:-1])
    with pytest.raises(PlanError, match=re.escape(f"{best} is torn")):
        make_plan(TRIALS, tmp_path)


@pytest.mark.parametrize("name", [records.TEST_FILE, records.BEST_FILE])
def test_a_finished_trial_without_its_results_is_a_problem(tmp_path: Path, name: str) -> None:
    folder = put(tmp_path, PARENT, "finished", epoch=30)
    (folder / name).unlink()
    with pytest.raises(PlanError, match=re.escape(f"{folder / name} is missing from a finished trial")):
        make_plan(TRIALS, tmp_path)


def test_a_folder_of_another_config_is_named_with_the_fields(tmp_path: Path) -> None:
    folder = put(tmp_path, PARENT, "finished", epoch=30)
    records.write_json(folder / records.CONFIG_FILE, PARENT.edit(lr=0.5, seed=3).to_dict())
    message = f"{folder / records.CONFIG_FILE} belongs to another config: it differs in lr, seed; move the folder away"
    with pytest.raises(PlanError, match=re.escape(message)):
        make_plan(TRIALS, tmp_path)


def test_all_bad_folders_are_named_at_once(tmp_path: Path) -> None:
    folders = [put(tmp_path, PARENT, "finished", epoch=30), put(tmp_path, CHILD, "running", epoch=2)]
    for folder in folders:
        (folder / records.STATUS_FILE).write_text("{")
    with pytest.raises(PlanError) as caught:
        make_plan(TRIALS, tmp_path)
    assert len(caught.value.problems) == 2


THEN, NOW = "a" * 16, "b" * 16


def made_from(folder: Path, fingerprint: str) -> Path:
    records.write_json(folder / records.ENV_FILE, {"data_fingerprint": fingerprint})
    return folder


def after_change(out: Path, decision: ChangedData | None = None, **now: str) -> list[str]:
    """`now`: fingerprint by dataset; of those left out it is unknown."""
    return [planned.describe() for planned in make_plan(TRIALS, out, now.get, decision)]


def test_trials_of_other_data_need_a_decision(tmp_path: Path) -> None:
    made_from(put(tmp_path, PARENT, "finished", epoch=30), NOW)
    child = made_from(put(tmp_path, CHILD, "running", epoch=2), THEN)
    assert after_change(tmp_path, scenes=THEN, scenes_source=NOW) == ["skip, finished", "resume at epoch 3"]
    assert after_change(tmp_path) == ["skip, finished", "resume at epoch 3"], "data that cannot be read"
    assert after_change(tmp_path, scenes=NOW, scenes_source=NOW) == ["skip, finished", "data changed: decide"]
    for decision in ("rerun", "keep"):  # two epochs on one set and the rest on another would be a trial of neither
        described = after_change(tmp_path, decision, scenes=NOW, scenes_source=NOW)
        assert described == ["skip, finished", "run again, data changed"]
    plan = make_plan(TRIALS, tmp_path, {"scenes": NOW, "scenes_source": NOW}.get)
    assert plan[1].epochs_left == 9
    sentence = (
        f"the data have changed since 1 of the trials were trained, such as {child}; --data changed=rerun trains them "
        "again, --data changed=keep leaves those that ended as they are, and begins the others again"
    )
    with pytest.raises(PlanError, match=f"^{re.escape(sentence)}$"):
        check_decided(plan, tmp_path)
    check_decided(make_plan(TRIALS, tmp_path, {"scenes": NOW}.get, "keep"), tmp_path)


def test_what_started_from_a_trial_of_other_data_is_of_other_data(tmp_path: Path) -> None:
    made_from(put(tmp_path, PARENT, "finished", epoch=30), THEN)
    now = {"scenes": NOW, "scenes_source": NOW}
    assert after_change(tmp_path, "rerun", **now) == ["run again, data changed", "wait for parent"]
    assert after_change(tmp_path, "keep", **now) == ["skip, finished", "run"]
    made_from(put(tmp_path, CHILD, "running", epoch=2), NOW)
    assert after_change(tmp_path, **now) == ["data changed: decide"] * 2
    assert after_change(tmp_path, "rerun", **now) == ["run again, data changed"] * 2
    assert after_change(tmp_path, "keep", **now) == ["skip, finished", "resume at epoch 3"]


@pytest.mark.parametrize("fingerprint", ["0123456789ab", None])
def test_folders_that_do_not_say_what_they_were_made_from_are_gone_on_with(
    tmp_path: Path, fingerprint: str | None
) -> None:
    """Twelve digits are over modification times, which a copy changes and which nothing can be held against."""
    folder = put(tmp_path, PARENT, "finished", epoch=30)
    if fingerprint is not None:
        made_from(folder, fingerprint)
    assert after_change(tmp_path, scenes_source=NOW) == ["skip, finished", "run"]


def test_what_starts_again_starts_from_nothing(tmp_path: Path) -> None:
    folder = made_from(put(tmp_path, PARENT, "finished", epoch=30), THEN)
    (folder / records.PANELS_DIR).mkdir()
    (folder / records.PANELS_DIR / "00_image.png").touch()
    kept = put(tmp_path, CHILD, "running", epoch=2)
    before = {path: path.read_bytes() for path in kept.iterdir()}
    plan = make_plan(TRIALS, tmp_path, {"scenes_source": NOW}.get, "keep")
    clear_restarted(plan, tmp_path)
    assert (folder / records.TEST_FILE).exists(), "kept"
    clear_restarted([replace(plan[0], action="restart"), plan[1]], tmp_path)
    assert [path.name for path in folder.iterdir()] == [records.LOCK_FILE]
    assert {path: path.read_bytes() for path in kept.iterdir()} == before
    with locked(folder / records.LOCK_FILE), pytest.raises(PlanError, match="is being trained by another command"):
        clear_restarted([replace(plan[0], action="restart")], tmp_path)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize("name", [records.LAST_FILE, records.BEST_FILE])
def test_something_else_in_place_of_weights_is_named(tmp_path: Path, name: str, make: Callable[[Path], None]) -> None:
    """Above all, opening a pipe does not wait for somebody to write into it."""
    path = put(tmp_path, PARENT, "running", epoch=4) / name
    path.unlink(missing_ok=True)
    make(path)
    with pytest.raises(PlanError, match=re.escape(f"{path} is no file; restore it, or delete")):
        make_plan(TRIALS, tmp_path)


def test_a_checkpoint_that_vanishes_while_it_is_looked_at_is_not_torn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a trial of another command finishes at that moment."""
    last = put(tmp_path, PARENT, "running", epoch=4) / records.LAST_FILE
    is_zipfile = zipfile.is_zipfile

    def finishing(file: Any) -> bool:
        last.unlink()
        return is_zipfile(file)

    monkeypatch.setattr(zipfile, "is_zipfile", finishing)
    assert described(tmp_path) == ["run", "wait for parent"]

"""`python -m sweeps status|stop|archive|restore|tail`, as it is called, on folders that the trainer's writers made."""

import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import sweeps.__main__ as command
from analysis.read.frames import load
from segtrain import records
from segtrain.machine.disk import locked
from sweeps.engine.ask.study import Study, Trial
from sweeps.engine.manage import status
from sweeps.engine.plan.actions import PlanError, check_study_folder, make_plan
from sweeps.engine.plan.study_file import write_study
from sweeps.engine.run.queue.trial_queue import TrialQueue
from tests.sweeps.engine.plan.test_replication import STUDY, finish, options

SMALL = STUDY.edit({"lr": (1e-3,)})
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A study of four trials: one finished, one half done, one failed, one that has not begun."""
    trials = SMALL.expand()
    write_study(SMALL, trials, [], options(tmp_path, None))
    finish(tmp_path, trials[0], 0.5)
    begin(tmp_path, trials[1], "running")
    begin(tmp_path, trials[2], "failed", "ValueError: \x1b[31mred\nand more")
    return tmp_path


def begin(out: Path, trial: Trial, state: records.State, reason: str | None = None) -> Path:
    folder = records.trial_dir(out, trial.trial_id)
    folder.mkdir(parents=True, exist_ok=True)
    records.write_json(folder / records.CONFIG_FILE, trial.config.to_dict())
    records.append_metrics(folder, {"epoch": 1, "train/loss": 0.5, "val/mean_iou": 0.25, "epoch_s": 3.0})
    records.write_status(
        folder, records.Status(state=state, epoch=1, epochs=4, runtime_s=3.0, reason=reason, attempts=1)
    )
    return folder


@pytest.fixture
def call(out: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """call(*arguments) -> exit code, output, errors; commands that take a trial get `--out`."""

    def run(*arguments: str) -> tuple[int, str, str]:
        place = [str(out)] if arguments[0] == "status" else ["--out", str(out)]
        code = command.main([*arguments[:1], *place, *arguments[1:]])
        return code, *capsys.readouterr()

    return run


def trial(number: int, study: Study = SMALL) -> Trial:
    return study.expand()[number]


def folder_of(out: Path, number: int) -> Path:
    return records.trial_dir(out, trial(number).trial_id)


def states(out: Path) -> dict[str, str]:
    found, _ = status.read_all(out)
    return {each.run: each.state for each in found[0].trials}


def test_status_says_what_is_done_what_runs_and_what_failed(out: Path, call: Call) -> None:
    assert list(states(out).values()) == ["interrupted", "failed", "waiting", "finished"]
    with locked(folder_of(out, 1) / records.LOCK_FILE):
        code, text, _ = call("status", "--json")
    (study,) = json.loads(text)["studies"]
    assert code == 1  # one has failed
    assert study["counts"] == {"running": 1, "failed": 1, "waiting": 1, "finished": 1}
    running = study["trials"][0]
    assert (running["state"], running["val_mean_iou"], running["epoch"], running["epochs"]) == ("running", 0.25, 1, 4)
    assert study["eta_s"] == 3.0 * (3 + 1)  # of the running one, and of the one that waits
    assert study["trials"][1]["reason"].endswith("red\nand more")


def test_the_screen_holds_everything_and_no_control_character(out: Path, call: Call) -> None:
    code, text, _ = call("status")
    assert code == 1
    assert "grid: 1 of 4 finished" in text
    assert "and 1 finished" in text
    assert "\x1b" not in text
    assert "ValueError" in text
    many = SMALL.edit({"seed": tuple(range(50))})
    write_study(many, many.expand(), [], options(out, None))
    found, _ = status.read_all(out)
    console = Console(width=100, height=20, record=True, file=io.StringIO())
    console.print(status.render(found, console))
    shown = console.export_text()
    assert len(shown.splitlines()) <= 20
    assert "fcn32s-freeze-lr0.001 " not in shown  # finished: counted, not listed
    assert f"and {200 - 3 - 12} waiting, 1 finished" in " ".join(shown.split())


def test_status_of_no_study_and_of_a_damaged_one(out: Path, call: Call, tmp_path: Path) -> None:
    (out / "studies/torn").mkdir()
    (out / "studies/torn/study.json").write_text("{")
    code, text, errors = call("status")
    assert (code, "grid: 1 of 4" in text, "torn/study.json is not valid JSON" in errors) == (2, True, True)
    assert command.main(["status", str(tmp_path / "nowhere")]) == 2


def test_a_trial_is_named_by_its_beginning_when_that_is_unique(out: Path, call: Call) -> None:
    code, _, errors = call("stop", "fcn8s")
    assert code == 2
    assert "2 begin so: fcn8s-scenes-freeze-lr0.001" in errors
    code, _, errors = call("stop", "unet")
    assert (code, "the trial is 'unet', which is none in" in errors) == (2, True)
    assert call("stop", trial(3).trial_id[:-4])[0] == 0
    assert call("stop", str(folder_of(out, 1)))[0] == 0


def test_a_stopped_trial_is_not_started_again_until_asked(out: Path, call: Call) -> None:
    code, text, _ = call("stop", trial(1).trial_id)
    assert (code, "stopped after 1 epochs" in text) == (0, True)
    assert call("stop", trial(3).trial_id)[0] == 0  # had not begun
    assert states(out)["fcn32s-unfreeze-lr0.001"] == "stopped"
    status_now = records.read_status(folder_of(out, 1))
    assert status_now is not None
    assert str(status_now.reason).startswith("stopped by ")
    plan = make_plan(SMALL.expand(), out)
    assert [planned.describe() for planned in plan] == ["skip, finished", "skip, stopped", "run", "skip, stopped"]
    assert call("restore", trial(1).trial_id)[0] == call("restore", trial(3).trial_id)[0] == 0
    assert [planned.action for planned in make_plan(SMALL.expand(), out)] == ["skip", "run", "run", "run"]
    code, _, errors = call("restore", trial(1).trial_id)
    assert (code, "neither archived nor stopped" in errors) == (2, True)


def test_what_has_finished_cannot_be_stopped(out: Path, call: Call) -> None:
    code, _, errors = call("stop", trial(0).trial_id)
    assert (code, "has finished, so there is nothing to stop" in errors) == (2, True)
    assert not (folder_of(out, 0) / records.STOP_FILE).exists()


def test_a_trial_that_does_not_end_in_time_has_been_told(out: Path, call: Call) -> None:
    with locked(folder_of(out, 1) / records.LOCK_FILE):
        code, text, _ = call("stop", trial(1).trial_id, "--wait", "0", "--json")
    assert (code, json.loads(text)["stopped"]) == (1, False)
    assert (folder_of(out, 1) / records.STOP_FILE).exists()


def test_a_running_sweep_does_not_start_what_was_stopped_or_archived_meanwhile(out: Path, call: Call) -> None:
    plan = make_plan(SMALL.expand(), out)
    queue = TrialQueue(plan, {p.trial.trial_id: 1.0 for p in plan}, out, lambda: 9, lambda t: {"id": t.trial_id})
    call("stop", trial(3).trial_id)
    call("archive", trial(2).trial_id)
    asked: list[Any] = [queue.suggest(str(number)) for number in range(3)]
    assert [a["id"] for a in asked if isinstance(a, dict)] == [trial(1).trial_id]
    assert not folder_of(out, 2).exists()


def test_archived_trials_leave_the_report_and_are_not_run_again(out: Path, call: Call) -> None:
    code, text, _ = call("archive", trial(0).trial_id)
    place = out / "archive/trials" / trial(0).trial_id
    assert (code, text) == (0, f"archived: {place}\n")
    assert records.read_test_scores(place).mean_iou == 0.5
    assert make_plan(SMALL.expand(), out)[0].describe() == "skip, archived"
    study = load(out / "studies/grid")
    assert (len(study.trials), study.archived) == (3, ["fcn32s-freeze-lr0.001"])
    assert states(out)["fcn32s-freeze-lr0.001"] == "archived"
    assert call("restore", trial(0).trial_id[:30])[0] == 0
    assert load(out / "studies/grid").archived == []
    assert make_plan(SMALL.expand(), out)[0].describe() == "skip, finished"


def test_what_others_need_is_not_set_aside(out: Path, call: Call) -> None:
    with locked(folder_of(out, 1) / records.LOCK_FILE):
        code, _, errors = call("archive", trial(1).trial_id)
        assert (code, "is in use by a running command; stop it first" in errors) == (2, True)
        assert call("archive", "grid")[0] == 2
        assert folder_of(out, 0).exists()
    child = SMALL.base.edit(init="parent", parent=trial(0).trial_id, lr=0.5)
    family = Study(name="family", title="A family", base=child)
    write_study(family, family.expand(), [], options(out, None))
    code, _, errors = call("archive", trial(0).trial_id)
    assert (code, "1 trials of family start from" in errors) == (2, True)


def test_a_study_is_archived_with_what_is_its_own_and_comes_back_whole(out: Path, call: Call) -> None:
    other = Study(name="other", title="Other", base=trial(0).config)
    write_study(other, other.expand(), [], options(out, None))
    before = sorted(path.relative_to(out) for path in out.rglob("*") if path.name != records.LOCK_FILE)
    assert call("archive", "grid")[0] == 0
    assert sorted(path.name for path in (out / "trials").iterdir()) == [trial(0).trial_id]  # of `other` too
    with pytest.raises(PlanError, match=r"the study grid is archived, in .*; take it back with python -m sweeps"):
        check_study_folder(out / "studies/grid")
    assert load(out / "archive/studies/grid").trials["state"].tolist().count("failed") == 1
    assert call("restore", "grid")[0] == 0
    after = [path.relative_to(out) for path in out.rglob("*") if path.name != records.LOCK_FILE]
    assert sorted(path for path in after if path.parts[0] != "archive") == before


def test_tail_prints_epochs_as_they_come_until_the_trial_ends(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_of(out, 1)
    lines: list[str] = []
    running = locked(folder / records.LOCK_FILE)
    running.__enter__()
    found: Iterator[dict[str, Any]] = command.follow.follow(folder, 10, wait=True)
    lines.append(command.follow.line_text(next(found), 4))
    records.append_metrics(folder, {"epoch": 2, "train/loss": 0.4, "val/mean_iou": None, "epoch_s": 3.0})
    lines.append(command.follow.line_text(next(found), 4))
    ender = threading.Thread(target=lambda: running.__exit__(None, None, None))
    ender.start()
    assert list(found) == []
    ender.join()
    assert lines == ["epoch 1/4  train/loss 0.5  val/mean_iou 0.25  epoch_s 3", "epoch 2/4  train/loss 0.4  epoch_s 3"]
    assert command.main(["tail", str(folder), "-n", "1"]) == 0
    assert capsys.readouterr().out.splitlines() == [lines[1], f"{folder.name} interrupted"]
    with locked(folder / records.LOCK_FILE):
        assert command.main(["tail", str(folder), "-n", "1", "--no-wait"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{folder.name} running"
    assert command.main(["tail", str(folder), "--json", "--no-wait"]) == 0
    assert [json.loads(line)["epoch"] for line in capsys.readouterr().out.splitlines()] == [1, 2]


def test_tail_tells_again_what_was_trained_again(out: Path) -> None:
    folder = folder_of(out, 1)
    records.append_metrics(folder, {"epoch": 2, "train/loss": 0.4})
    with locked(folder / records.LOCK_FILE):
        found = command.follow.follow(folder, 10, wait=True)
        assert [next(found)["epoch"], next(found)["epoch"]] == [1, 2]
        records.truncate_metrics(folder, 1)
        records.append_metrics(folder, {"epoch": 2, "train/loss": 0.3})
        assert next(found)["train/loss"] == 0.3


def test_every_command_of_the_page_works(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[4] / "docs" / "lab.md").read_text()
    commands = re.findall(r"^python -m sweeps (.*)$", page, re.MULTILINE)
    assert len(commands) == 9
    for line in commands:
        if line.startswith("compare"):
            continue  # of two studies: test_comparison.py
        arguments = line.replace("TRIAL", trial(1).trial_id).replace("fcn_grid", "grid").split()
        arguments = [str(out) if word == "runs" else word for word in arguments]
        place = [] if arguments[0] == "status" else ["--out", str(out)]
        assert command.main([*arguments, *place]) == (1 if arguments[0] == "status" else 0), line
    capsys.readouterr()
    assert "stopped" not in states(out).values()

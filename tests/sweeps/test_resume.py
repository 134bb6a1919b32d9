"""Resume is: type the same command again. Everything here is killed with SIGKILL, at chosen moments."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from segtrain import records
from tests.sweeps.harness import TINY, Sweep, kill

GRID = (*TINY, "--set", "arch=fcn8s,fcn32s")
TRIALS = 5  # two architectures, frozen and not, and the pretraining


def finished(out: Path) -> set[Path]:
    """Folders of the trials that have finished."""
    folders = (path.parent for path in out.glob(f"trials/*/{records.STATUS_FILE}"))
    return {f for f in folders if (status := records.read_status(f)) is not None and status.state == "finished"}


def results(out: Path) -> dict[str, bytes]:
    """What must not depend on interruptions, by path."""
    names = (records.TEST_FILE, records.BEST_FILE, records.CONFUSION_FILE)
    return {str(path.relative_to(out)): path.read_bytes() for name in names for path in out.glob(f"trials/*/{name}")}


def modified(folders: set[Path]) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for folder in folders for p in folder.rglob("*") if p.name != records.LOCK_FILE}


def half_done(out: Path) -> bool:
    """Whether some trial has finished an epoch and is not through."""
    for path in out.glob(f"trials/*/{records.STATUS_FILE}"):
        status = records.read_status(path.parent)
        if status is not None and status.state == "running" and 0 < status.epoch < status.epochs:
            return True
    return False


def writing_checkpoint(out: Path) -> bool:
    return any(out.glob(f"trials/*/.{records.LAST_FILE}.*{records.TEMPORARY_SUFFIX}"))


def test_killed_again_and_again_it_ends_with_the_bytes_of_an_undisturbed_run(
    start: Callable[..., Sweep], tmp_path: Path
) -> None:
    calm, out = tmp_path / "calm", tmp_path / "killed"
    assert start(*GRID, "--out", str(calm)).wait() == 0
    command = (*GRID, "--out", str(out))

    # The driver, in the middle of an epoch.
    sweep = start(*command)
    sweep.wait_until(lambda: half_done(out))
    sweep.kill_driver()

    # Everything, while a checkpoint is being written: its temporary file is left behind, or we were too late.
    for _ in range(5):
        sweep = start(*command)
        sweep.wait_until(lambda: writing_checkpoint(out))
        sweep.kill_everything()
        if writing_checkpoint(out):
            break
    else:
        raise AssertionError("no kill fell into the writing of a checkpoint")

    # Everything, between trials: right after one has finished.
    before = finished(out)
    sweep = start(*command)
    sweep.wait_until(lambda: len(finished(out)) > len(before))
    sweep.kill_everything()

    # A worker, in the middle of an epoch; the sweep itself goes on and ends well.
    kept = finished(out)
    times = modified(kept)
    sweep = start(*command)
    sweep.wait_until(lambda: bool(sweep.epoch_lines()))
    kill(sweep.workers()[0])
    assert sweep.wait() == 0, sweep.text()
    assert "its process died; trying again" in sweep.text()

    assert kept
    assert modified(kept) == times, "a finished trial was touched"
    assert len(finished(out)) == TRIALS
    expected = results(calm)
    assert len(expected) == 3 * TRIALS
    assert results(out) == expected
    for folder in finished(out):
        assert [line[records.EPOCH] for line in records.read_metrics(folder)] == [1, 2, 3] or "source" in folder.name


def test_ctrl_c_says_how_to_go_on(start: Callable[..., Sweep], tmp_path: Path) -> None:
    command = (
        *TINY,
        "--set",
        "init=scratch",
        "--set",
        "arch=fcn32s",
        "--set",
        "epochs=15",
        "--out",
        str(tmp_path / "o"),
    )
    sweep = start(*command)
    sweep.wait_until(lambda: bool(sweep.epoch_lines()))
    os.killpg(sweep.process.pid, signal.SIGINT)  # as a terminal does: to all of its processes
    assert sweep.wait() == 130
    assert sweep.text().endswith("interrupted; the same command again goes on from here\n")
    again = start(*command)
    assert again.wait() == 0
    assert set((sweep.epoch_lines() + again.epoch_lines()).values()) == {1}


def test_a_grid_that_grew_trains_only_what_is_new(start: Callable[..., Sweep], tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = start(*TINY, "--set", "arch=fcn32s", "--set", "freeze=none", "--out", str(out))
    assert first.wait() == 0
    before, times = finished(out), modified(finished(out))
    second = start(*TINY, "--set", "arch=fcn32s", "--set", "freeze=none", "--set", "lr=1e-3,1e-4", "--out", str(out))
    assert second.wait() == 0
    assert {run for run, _ in second.epoch_lines()} == {"fcn32s-unfreeze-lr0.0001"}
    assert modified(before) == times
    assert len(finished(out)) == len(before) + 1
    # And once more, with nothing left: no Ray, no epoch, the same closing lines.
    third = start(*TINY, "--set", "arch=fcn32s", "--set", "freeze=none", "--set", "lr=1e-3,1e-4", "--out", str(out))
    assert third.wait() == 0
    assert not third.epoch_lines()
    assert second.text().splitlines()[-3:] == third.text().splitlines()[-3:]


def test_two_commands_on_one_folder_share_the_work(start: Callable[..., Sweep], tmp_path: Path) -> None:
    out = tmp_path / "out"
    sweeps = [start(*TINY, "--set", "arch=fcn32s", "--out", str(out)) for _ in range(2)]
    assert [sweep.wait() for sweep in sweeps] == [0, 0], sweeps[0].text() + sweeps[1].text()
    reported = sweeps[0].epoch_lines() + sweeps[1].epoch_lines()
    assert set(reported.values()) == {1}, "an epoch was trained twice"
    assert len(finished(out)) == 3
    for folder in finished(out):
        epochs = [line[records.EPOCH] for line in records.read_metrics(folder)]
        assert epochs == list(range(1, len(epochs) + 1))

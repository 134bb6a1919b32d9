"""How a trial ends: finished, diverged, failed, or never begun because another process has it."""

import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.data.roads import CLASSES
from segtrain.data.spec import DataError
from segtrain.training import epoch as epoch_module
from segtrain.training import trial as trial_module
from segtrain.training.trial import TrialLocked, train

Tiny = Callable[..., TrialConfig]
RunTrial = Callable[..., list[dict[str, Any]]]
ReadStatus = Callable[[Path], records.Status]
Outcome = Callable[[Path], dict[str, Any]]
K = len(CLASSES)


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Time and content of every file but the lock."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != records.LOCK_FILE]
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


def test_a_finished_trial_yields_nothing_and_touches_nothing(
    tiny: Tiny, folder: Path, roads_root: Path, run_trial: RunTrial
) -> None:
    run_trial(tiny(epochs=1), folder, roads_root)
    before = snapshot(folder)
    assert run_trial(tiny(epochs=1), folder, roads_root / "gone") == []
    assert snapshot(folder) == before


HOLDER = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_trial_that_another_process_runs_is_left_alone(
    tiny: Tiny, folder: Path, roads_root: Path, monkeypatch: pytest.MonkeyPatch, run_trial: RunTrial
) -> None:
    monkeypatch.setattr(trial_module, "LOCK_PATIENCE_S", 0)
    trial = train(tiny(epochs=2), folder, roads_root, 1)
    next(trial)
    trial.close()
    before = snapshot(folder)
    command = [sys.executable, "-c", HOLDER, str(folder / records.LOCK_FILE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        sentence = f"{folder} is being trained by another process; wait for it or stop it"
        with pytest.raises(TrialLocked, match=f"^{re.escape(sentence)}$"):
            run_trial(tiny(epochs=2), folder, roads_root)
        assert snapshot(folder) == before
        holder.communicate()
    assert [line["epoch"] for line in run_trial(tiny(epochs=2), folder, roads_root)] == [2]


def test_a_trial_that_is_suspended_is_locked(
    tiny: Tiny, folder: Path, roads_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_module, "LOCK_PATIENCE_S", 0)
    trial = train(tiny(epochs=2), folder, roads_root, 1)
    next(trial)
    with pytest.raises(TrialLocked, match="is being trained by another process"):
        next(train(tiny(epochs=2), folder, roads_root, 1))
    assert next(trial)["epoch"] == 2


def test_a_loss_that_is_not_finite_is_diverged_with_its_step(
    tiny: Tiny, folder: Path, roads_root: Path, run_trial: RunTrial, status: ReadStatus
) -> None:
    """The first step is taken from equal scores; it throws the weights so far that the second loss is none."""
    assert run_trial(tiny(lr=1e6, epochs=3), folder, roads_root) == []
    assert status(folder) == records.Status(
        state="diverged",
        epoch=0,
        epochs=3,
        runtime_s=status(folder).runtime_s,
        reason="epoch 1, the training loss is nan at step 2",
        step=2,
        attempts=1,
    )
    assert status(folder).runtime_s > 0
    assert not (folder / "error.txt").exists()
    assert not (folder / "test.json").exists()
    assert not (folder / "best.safetensors").exists()


def test_divergence_in_a_later_epoch_keeps_the_earlier_ones(
    tiny: Tiny, folder: Path, roads_root: Path, monkeypatch: pytest.MonkeyPatch, run_trial: RunTrial, status: ReadStatus
) -> None:
    original, calls = epoch_module.cross_entropy_sum, []

    def poisoned(logits: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(len(target))
        loss, pixels = original(logits, target)
        return (loss * math.inf if len(calls) == 4 + 3 else loss), pixels

    monkeypatch.setattr(epoch_module, "cross_entropy_sum", poisoned)
    lines = run_trial(tiny(epochs=3), folder, roads_root)
    assert [line["epoch"] for line in lines] == [1]
    ended = status(folder)
    assert (ended.state, ended.epoch, ended.step) == ("diverged", 1, 3)
    assert ended.reason == "epoch 2, the training loss is inf at step 3"
    assert [line["epoch"] for line in records.read_metrics(folder)] == [1]
    assert (folder / "best.safetensors").exists()


def test_weights_that_blow_up_in_the_very_last_step_are_diverged(
    tiny: Tiny, folder: Path, roads_root: Path, run_trial: RunTrial, status: ReadStatus
) -> None:
    """One step, whose loss is fine; what it leaves computes NaN, and scoring that as a finished trial would lie."""
    run_trial(tiny(lr=1e6, epochs=1, batch_size=14), folder, roads_root)
    assert status(folder).state == "diverged"


def test_an_exception_leaves_its_reason_and_goes_through(
    tiny: Tiny, folder: Path, roads_root: Path, monkeypatch: pytest.MonkeyPatch, run_trial: RunTrial, status: ReadStatus
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(trial_module, "validate", broken)
        trial = train(tiny(epochs=3, val_every=2), folder, roads_root, 1)
        assert next(trial)["epoch"] == 1
        with pytest.raises(RuntimeError, match=r"^the disk is full$"):
            next(trial)
    failed = status(folder)
    assert (failed.state, failed.epoch, failed.epochs) == ("failed", 1, 3)
    assert failed.reason is not None
    assert failed.reason.endswith(": RuntimeError: the disk is full")  # behind the line of `broken`, which is not ours
    assert failed.runtime_s > 0
    error = (folder / "error.txt").read_text()
    assert error.startswith("Traceback (most recent call last):\n")
    assert error.endswith("RuntimeError: the disk is full\n")
    assert "in broken" in error
    # And then it goes on where it was.
    assert [line["epoch"] for line in run_trial(tiny(epochs=3, val_every=2), folder, roads_root)] == [2, 3]
    assert status(folder).state == "finished"


def test_bad_data_fail_the_trial(
    tiny: Tiny, folder: Path, tmp_path: Path, write_roads: Callable[..., Path], run_trial: RunTrial, status: ReadStatus
) -> None:
    drive = write_roads(tmp_path)
    for frame in (1, 15):
        (drive / "CameraSeg" / f"{frame:03d}.png").unlink()
    with pytest.raises(DataError) as caught:
        run_trial(tiny(), folder, tmp_path)
    assert len(caught.value.problems) == 2
    assert (status(folder).state, status(folder).epoch) == ("failed", 0)
    assert status(folder).reason == f"DataError: {caught.value}"


def test_a_trial_that_is_told_to_stop_drops_the_epoch_in_hand_and_goes_on_to_the_same_end(
    tiny: Tiny,
    folder: Path,
    tmp_path: Path,
    roads_root: Path,
    run_trial: RunTrial,
    status: ReadStatus,
) -> None:
    config = tiny(epochs=3)
    trial = train(config, folder, roads_root, 1)
    next(trial)
    (folder / records.STOP_FILE).write_text("stopped by somebody\n")
    assert list(trial) == []  # in the second epoch
    found = status(folder)
    assert (found.state, found.epoch, found.reason) == ("stopped", 1, "stopped by somebody")
    assert [line["epoch"] for line in records.read_metrics(folder)] == [1]
    # Whoever tries to train it finds it stopped, and changes nothing but says so.
    assert run_trial(config, folder, roads_root) == []
    assert status(folder).state == "stopped"
    (folder / records.STOP_FILE).unlink()
    run_trial(config, folder, roads_root)
    assert status(folder).state == "finished"
    undisturbed = records.trial_dir(tmp_path / "whole", config.trial_id)
    run_trial(config, undisturbed, roads_root)
    for name in (records.TEST_FILE, records.BEST_FILE):
        assert (folder / name).read_bytes() == (undisturbed / name).read_bytes()

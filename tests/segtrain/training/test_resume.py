"""An interruption, wherever it falls, changes no bit of what a trial gives."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.machine import device as device_module
from segtrain.training import checkpoint
from segtrain.training import epoch as epoch_module
from segtrain.training import evaluation as evaluate_module
from segtrain.training import run as run_module
from segtrain.training import trial as trial_module
from segtrain.training.epoch import train_one_epoch
from segtrain.training.objective.optimizer import FusedAdamW
from segtrain.training.run import start_or_resume
from segtrain.training.trial import train

Tiny = Callable[..., TrialConfig]
RunTrial = Callable[..., list[dict[str, Any]]]
ReadStatus = Callable[[Path], records.Status]
Outcome = Callable[[Path], dict[str, Any]]


class Killed(BaseException):
    """Ends a trial as SIGKILL would: no handler of exceptions sees it."""


RESUMED = {"epochs": 5, "val_every": 2, "test_every": 2}


@pytest.fixture(autouse=True)
def checkpoints_written_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small they are."""
    monkeypatch.setattr(run_module, "SMALL_BYTES", 0)


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    return {}


@pytest.fixture
def uninterrupted(
    kept: dict[str, Any], tiny: Tiny, roads_root: Path, tmp_path: Path, run_trial: RunTrial, outcome: Outcome
) -> dict[str, Any]:
    """The outcome of the trial that nothing stopped; trained for the first test that asks."""
    if not kept:
        torch.manual_seed(99)  # whatever the global generator holds
        run_trial(tiny(**RESUMED), tmp_path / "uninterrupted", roads_root)
        kept |= outcome(tmp_path / "uninterrupted")
    return kept


@pytest.mark.parametrize("epoch", range(1, 6))
def test_a_trial_stopped_after_any_epoch_ends_the_same(
    tiny: Tiny,
    folder: Path,
    roads_root: Path,
    uninterrupted: dict[str, Any],
    epoch: int,
    run_trial: RunTrial,
    status: ReadStatus,
    outcome: Outcome,
) -> None:
    trial = train(tiny(**RESUMED), folder, roads_root, 1)
    for _ in range(epoch):
        next(trial)
    trial.close()
    assert (status(folder).state, status(folder).epoch) == ("running", epoch)
    lines = run_trial(tiny(**RESUMED), folder, roads_root)
    assert [line["epoch"] for line in lines] == list(range(epoch + 1, 6))
    assert (status(folder).state, status(folder).attempts) == ("finished", 2)
    assert outcome(folder) == uninterrupted


def test_a_trial_stopped_after_every_epoch_ends_the_same(
    tiny: Tiny, folder: Path, roads_root: Path, uninterrupted: dict[str, Any], run_trial: RunTrial, outcome: Outcome
) -> None:
    for _ in range(5):
        trial = train(tiny(**RESUMED), folder, roads_root, 1)
        next(trial)
        trial.close()
    assert run_trial(tiny(**RESUMED), folder, roads_root) == []
    assert outcome(folder) == uninterrupted


def kill_at(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, call: int, *, after: bool) -> None:
    """The `call`-th call (from 1) of `owner.name` kills the trial, before or after it does its work."""
    original, calls = getattr(owner, name), []

    def killing(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        if len(calls) == call and not after:
            raise Killed
        result = original(*args, **kwargs)
        if len(calls) == call:
            raise Killed
        return result

    monkeypatch.setattr(owner, name, killing)


KILLS: dict[str, tuple[Any, str, int, bool, int]] = {  # owner, name, call, after it, epochs finished by then
    "before the first epoch": (trial_module, "train_one_epoch", 1, False, 0),
    "within an epoch": (FusedAdamW, "step", 9, True, 2),  # 4 steps an epoch
    "between the best weights and the line": (checkpoint, "save_best", 1, True, 1),
    "before the line of a second epoch": (records, "append_metrics", 2, False, 1),
    "between the line and last.pt": (checkpoint, "save_last", 3, False, 2),
    "between last.pt and the status": (checkpoint, "save_last", 4, True, 4),
    "before the test set": (trial_module, "test_best_weights", 1, False, 5),
    "among the panels": (evaluate_module.records, "panel_file", 5, False, 5),
    "among the examples": (evaluate_module.records, "example_file", 12, False, 5),
    "between the confusion matrix and the scores": (records, "write_test_scores", 1, False, 5),
    "between the scores and the status": (records, "write_test_scores", 1, True, 5),
}


@pytest.mark.parametrize("where", KILLS)
def test_a_trial_killed_anywhere_ends_the_same(
    tiny: Tiny,
    folder: Path,
    roads_root: Path,
    uninterrupted: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    run_trial: RunTrial,
    status: ReadStatus,
    outcome: Outcome,
) -> None:
    owner, name, call, after, finished = KILLS[where]
    with monkeypatch.context() as patch:
        kill_at(patch, owner, name, call, after=after)
        with pytest.raises(Killed):
            run_trial(tiny(**RESUMED), folder, roads_root)
    assert status(folder).state == "running"
    lines = run_trial(tiny(**RESUMED), folder, roads_root)
    assert [line["epoch"] for line in lines] == list(range(finished + 1, 6))
    assert status(folder).state == "finished"
    assert outcome(folder) == uninterrupted


def test_a_recipe_with_every_state_there_is_ends_the_same(
    tiny: Tiny,
    tmp_path: Path,
    roads_root: Path,
    run_trial: RunTrial,
    outcome: Outcome,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Momentum, the average of the weights, and a last step of one batch in place of three. Killed at every checkpoint,
    of which one is behind each of the two steps of an epoch."""
    config = tiny(
        epochs=3,
        val_every=3,
        optimizer="sgd",
        nesterov=True,
        lr=0.01,
        encoder_lr_factor=0.5,
        schedule="cosine",
        warmup_epochs=1,
        loss="cross_entropy+lovasz",
        class_weights="median",
        label_smoothing=0.1,
        clip_norm=0.01,
        accumulate=3,
        ema_decay=0.9,
        random_scale=1.5,
        random_rotation=10,
        color_jitter=0.3,
    )
    run_trial(config, tmp_path / "whole", roads_root)
    save = checkpoint.save_last

    def save_and_die(*state: Any) -> None:
        save(*state)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(epoch_module, "SAVE_EVERY_S", 0.0)
        patch.setattr(checkpoint, "save_last", save_and_die)
        for _ in range(3 * 3):
            with pytest.raises(Killed):
                run_trial(config, tmp_path / "stopped", roads_root)
    run_trial(config, tmp_path / "stopped", roads_root)
    assert outcome(tmp_path / "stopped") == outcome(tmp_path / "whole")
    for name, edits in (
        ("weights", {"ema_decay": 0.0}), ("steps", {"accumulate": 1}), ("norm", {"clip_norm": 0.0}),
        ("views", {"random_scale": 1.0}), ("angles", {"random_rotation": 0.0}), ("colours", {"color_jitter": 0.0}),
    ):  # fmt: skip
        run_trial(config.edit(**edits), tmp_path / name, roads_root)
        assert outcome(tmp_path / name)["best.safetensors"] != outcome(tmp_path / "whole")["best.safetensors"]


def test_a_torn_line_of_metrics_is_made_again(
    tiny: Tiny, folder: Path, roads_root: Path, uninterrupted: dict[str, Any], run_trial: RunTrial, outcome: Outcome
) -> None:
    trial = train(tiny(**RESUMED), folder, roads_root, 1)
    next(trial)
    next(trial)
    trial.close()
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"epoch": 3, "train/lo')
    run_trial(tiny(**RESUMED), folder, roads_root)
    assert outcome(folder) == uninterrupted


@pytest.mark.parametrize("stray", [".last.pt.0123abcd.tmp", "panels/.00_image.png.0123abcd.tmp"])
def test_what_a_killed_writer_left_is_removed(
    tiny: Tiny, folder: Path, roads_root: Path, run_trial: RunTrial, stray: str
) -> None:
    (folder / "panels").mkdir()
    (folder / stray).write_text("half")
    run_trial(tiny(epochs=1), folder, roads_root)
    assert not (folder / stray).exists()


def test_a_resumed_trial_keeps_its_precision_and_threads(
    tiny: Tiny,
    folder: Path,
    roads_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_trial: RunTrial,
    outcome: Outcome,
) -> None:
    """The machine it goes on with has another number of cores and no bfloat16."""
    config = tiny(epochs=3, precision="auto")
    monkeypatch.setattr(device_module, "has_bfloat16", lambda device: True)
    trial = train(config, folder, roads_root, 1)
    next(trial)
    trial.close()
    monkeypatch.setattr(device_module, "has_bfloat16", lambda device: False)
    trial = train(config, folder, roads_root, threads=2)
    next(trial)
    env, last = records.read_json(folder / "env.json"), checkpoint.load_last(folder)
    assert last is not None
    assert (env["precision"], env["threads"]) == ("bfloat16", 1)
    assert (last["progress"]["precision"], last["progress"]["threads"]) == ("bfloat16", 1)
    assert list(trial)[-1]["epoch"] == 3
    assert torch.get_num_threads() == 1
    monkeypatch.setattr(device_module, "has_bfloat16", lambda device: True)
    run_trial(config, folder.with_name("whole"), roads_root)
    assert outcome(folder) == outcome(folder.with_name("whole"))
    run_trial(config.edit(precision="float32"), folder.with_name("float32"), roads_root)
    assert outcome(folder.with_name("float32"))["best.safetensors"] != outcome(folder)["best.safetensors"]


def test_the_seed_changes_the_numbers_and_nothing_else_does(
    tiny: Tiny, tmp_path: Path, roads_root: Path, run_trial: RunTrial
) -> None:
    losses = []
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        np.random.seed(len(losses))  # noqa: NPY002 - the global generators must not matter
        torch.manual_seed(len(losses))
        losses.append([line["train/loss"] for line in run_trial(tiny(seed=seed), tmp_path / name, roads_root)])
    assert losses[0] == losses[1]
    assert all(a != b for a, b in zip(losses[0], losses[2], strict=True))


def test_dropout_is_a_function_of_seed_and_epoch(tiny: Tiny, folder: Path, roads_root: Path) -> None:
    def state_of_first_dropout(seed: int, epoch: int) -> bytes:
        run = start_or_resume(tiny(seed=seed), folder, roads_root, 1)
        states: list[bytes] = []
        run.model.decoder.dropout.register_forward_pre_hook(
            lambda *_: states.append(torch.get_rng_state().numpy().tobytes())
        )
        train_one_epoch(run, epoch)
        return states[0]

    keys = [(seed, epoch) for seed in (0, 1) for epoch in (1, 2)]
    first = [state_of_first_dropout(*key) for key in keys]
    assert len(set(first)) == 4
    assert [state_of_first_dropout(*key) for key in reversed(keys)] == first[::-1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_trial_stopped_on_cuda_ends_the_same(
    tiny: Tiny, tmp_path: Path, roads_root: Path, precision: str, run_trial: RunTrial, outcome: Outcome
) -> None:
    config = tiny(**RESUMED, precision=precision)
    run_trial(config, tmp_path / "whole", roads_root)
    trial = train(config, tmp_path / "stopped", roads_root, 1)
    next(trial)
    trial.close()
    run_trial(config, tmp_path / "stopped", roads_root)
    assert records.read_json(tmp_path / "whole" / "env.json")["device"].startswith("cuda")
    assert outcome(tmp_path / "stopped") == outcome(tmp_path / "whole")


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_trial_stopped_within_its_epochs_ends_the_same(
    tiny: Tiny,
    folder: Path,
    roads_root: Path,
    uninterrupted: dict[str, Any],
    run_trial: RunTrial,
    outcome: Outcome,
    monkeypatch: pytest.MonkeyPatch,
    steps: int,
) -> None:
    """Killed right after each checkpoint that is written after so many steps of one of the four of an epoch."""
    save, written = checkpoint.save_last, []

    def save_and_die(*state: Any) -> None:
        save(*state)
        part, epoch = state[1].get("part"), state[1]["progress"]["epoch"]
        if part is not None and len(part["loss_sums"]) % 4 == steps and (epoch, steps) not in written:
            written.append((epoch, steps))
            raise Killed

    monkeypatch.setattr(epoch_module, "SAVE_EVERY_S", 0.0)
    monkeypatch.setattr(checkpoint, "save_last", save_and_die)
    for epoch in range(5):
        with pytest.raises(Killed):
            run_trial(tiny(**RESUMED), folder, roads_root)
        torch.manual_seed(99)  # whatever the next process holds
        last = checkpoint.load_last(folder)
        assert last is not None
        assert (last["progress"]["epoch"], len(last["part"]["pixels"])) == (epoch, steps)
    run_trial(tiny(**RESUMED), folder, roads_root)
    assert outcome(folder) == uninterrupted

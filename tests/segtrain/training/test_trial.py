"""One trial end to end: what it leaves, which weights it chooses, the loss it reports."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.data.roads import CLASSES
from segtrain.data.spec import IGNORE
from segtrain.training import checkpoint
from segtrain.training.epoch import dropout_seed, train_one_epoch
from segtrain.training.evaluation import Evaluation
from segtrain.training.run import Run, start_or_resume
from segtrain.training.trial import train

Tiny = Callable[..., TrialConfig]
RunTrial = Callable[..., list[dict[str, Any]]]
ReadStatus = Callable[[Path], records.Status]
Outcome = Callable[[Path], dict[str, Any]]
K = len(CLASSES)
FILES = {"config.json", "env.json", "model.json", "status.json", "metrics.jsonl", "best.safetensors", "test.json",
         "confusion.npy", "confusion.csv", "confusion_normalised.csv",
         "image_confusion.npz", "roc.npz", "panels", "examples", "network.json", "data.json", ".lock"}  # fmt: skip


# What a trial leaves


def test_the_folder_of_a_finished_trial(
    tiny: Tiny, folder: Path, roads_root: Path, run_trial: RunTrial, status: ReadStatus
) -> None:
    config = tiny(epochs=3)
    lines = run_trial(config, folder, roads_root)
    assert {path.name for path in folder.iterdir()} == FILES
    assert records.read_metrics(folder) == lines
    assert TrialConfig.from_dict(records.read_json(folder / "config.json")) == config
    ended = status(folder)
    assert (ended.state, ended.epoch, ended.epochs, ended.reason, ended.step) == ("finished", 3, 3, None, None)
    assert ended.runtime_s > sum(line["epoch_s"] for line in lines)
    assert {path.name for path in (folder / "panels").iterdir()} == {
        records.panel_file(panel, kind) for panel in range(3) for kind in records.PANEL_KINDS
    }
    confusion = np.load(folder / "confusion.npy")
    assert confusion.sum() == 3 * 32 * 48
    scores = records.read_test_scores(folder)
    assert scores.pixel_accuracy == pytest.approx(np.trace(confusion) / confusion.sum())
    assert (scores.images, scores.classes) == (3, list(CLASSES))
    env = records.read_json(folder / "env.json")
    assert (env["device"], env["threads"], env["precision"]) == (str(env["device"]), 1, "float32")
    assert re.fullmatch("[0-9a-f]{16}", env["data_fingerprint"])
    assert 0 < env["image_s"] < ended.runtime_s - sum(line["epoch_s"] for line in lines)


def test_a_line_of_metrics(tiny: Tiny, folder: Path, roads_root: Path, run_trial: RunTrial) -> None:
    config = tiny(epochs=3, lr=0.004, lr_gamma=0.5)
    lines = run_trial(config, folder, roads_root)
    keys = {"epoch", "train/loss", "train/mean_iou", "val/loss", "val/mean_iou", "val/iou", "lr", "epoch_s",
            "images_per_s", "peak_memory_bytes"}  # fmt: skip
    assert [set(line) for line in lines] == [keys] * 3
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert [line["lr"] for line in lines] == pytest.approx([0.004, 0.002, 0.001])
    for line in lines:
        assert 0 < line["train/loss"] < 10
        assert len(line["val/iou"]) == K
        known = [value for value in line["val/iou"] if not math.isnan(value)]
        assert line["val/mean_iou"] == pytest.approx(sum(known) / len(known))
        assert line["images_per_s"] > 14 / line["epoch_s"]
        assert line["peak_memory_bytes"] > 2**20


def test_every_line_is_on_disk_when_it_is_yielded(
    tiny: Tiny, folder: Path, roads_root: Path, status: ReadStatus
) -> None:
    for epoch, line in enumerate(train(tiny(epochs=3), folder, roads_root, 1), start=1):
        assert records.read_metrics(folder)[-1] == records.nan_to_none(line)
        assert len(records.read_metrics(folder)) == epoch
        assert (status(folder).state, status(folder).epoch) == ("running", epoch)
        last = checkpoint.load_last(folder)
        assert last is not None
        assert last["progress"]["epoch"] == epoch


def test_the_steps_are_as_long_as_the_line_says(tiny: Tiny, folder: Path, roads_root: Path) -> None:
    """AdamW moves a weight by about its learning rate: none moves further in an epoch than its steps allow."""
    config, weights = tiny(epochs=3, lr=0.01, lr_gamma=0.01, weight_decay=0.0), []
    for line in train(config, folder, roads_root, 1):
        last = checkpoint.load_last(folder)
        assert last is not None
        assert [group["lr"] for group in last["optimizer"]["param_groups"]] == [line["lr"]]
        weights.append(torch.cat([tensor.flatten() for tensor in last["model"].values()]))
    second, third = ((weights[i + 1] - weights[i]).abs().max() for i in range(2))
    assert 0.0001 < second < 0.001
    assert 0.000001 < third < 0.00001


def test_it_learns(tiny: Tiny, folder: Path, roads_root: Path, run_trial: RunTrial) -> None:
    """Guessing costs ln 13 = 2.56 a pixel; the classes have colours of their own, and the encoder is random."""
    lines = run_trial(tiny(arch="fcn8s", epochs=12, batch_size=2, width_mult=0.125, lr=2e-3), folder, roads_root)
    assert lines[-1]["train/loss"] < 0.9 * math.log(K)
    assert lines[-1]["train/loss"] < lines[0]["train/loss"]
    assert lines[-1]["val/loss"] < lines[0]["val/loss"]


@pytest.mark.parametrize(
    ("epochs", "val_every", "validated"), [(5, 2, [2, 4, 5]), (4, 2, [2, 4]), (3, 1, [1, 2, 3]), (2, 9, [2])]
)
def test_validation_comes_every_few_epochs_and_at_the_last(
    tiny: Tiny, folder: Path, roads_root: Path, epochs: int, val_every: int, validated: list[int], run_trial: RunTrial
) -> None:
    lines = run_trial(tiny(epochs=epochs, val_every=val_every), folder, roads_root)
    for key in ("train/mean_iou", "val/loss", "val/mean_iou", "val/iou"):
        assert [line["epoch"] for line in lines if key in line] == validated


# Which weights it chooses


def script_evaluations(monkeypatch: pytest.MonkeyPatch, mean_ious: list[float]) -> None:
    """Evaluations find these one after the other, and then the truth again."""
    evaluate, left = Run.evaluate, list(mean_ious)

    def scripted(self: Run, arrays: Any) -> list[Evaluation]:
        if not left:
            return evaluate(self, arrays)
        value = left.pop(0)
        confusion = torch.zeros(K, K, dtype=torch.int64)
        if not math.isnan(value):  # class 1 is predicted and never true: IoU 0
            confusion[0, 0], confusion[0, 1] = round(2000 * value), 1000 - round(2000 * value)
        return [Evaluation(0.5, confusion)]

    monkeypatch.setattr(Run, "evaluate", scripted)


@pytest.mark.parametrize(
    ("mean_ious", "best"),
    [
        ([0.1, 0.4, 0.2, 0.3], 2),
        ([0.1, 0.2, 0.3, 0.4], 4),
        ([0.4, 0.3, 0.4, 0.4], 1),
        ([0.0, 0.0, 0.0, 0.0], 1),
        ([math.nan, math.nan, math.nan, math.nan], 1),
    ],
)
def test_the_best_weights_are_those_of_the_first_highest_validation(
    tiny: Tiny, folder: Path, roads_root: Path, monkeypatch: pytest.MonkeyPatch, mean_ious: list[float], best: int
) -> None:
    script_evaluations(monkeypatch, mean_ious)
    weights = {}
    for line in train(tiny(epochs=4), folder, roads_root, 1):
        last = checkpoint.load_last(folder)
        assert last is not None
        weights[line["epoch"]] = last["model"]
    chosen = checkpoint.load_best(folder)
    for epoch, state in weights.items():
        same = all(torch.equal(chosen[name], tensor) for name, tensor in state.items())
        assert same == (epoch == best), epoch
    assert records.read_test_scores(folder).epoch == best


def test_what_the_test_set_says_chooses_nothing(
    tiny: Tiny, folder: Path, roads_root: Path, monkeypatch: pytest.MonkeyPatch, run_trial: RunTrial
) -> None:
    validation, test = [0.1, 0.3, 0.2], [0.45, 0.2, 0.49]
    script_evaluations(monkeypatch, [value for pair in zip(validation, test, strict=True) for value in pair])
    lines = run_trial(tiny(epochs=3, test_every=1), folder, roads_root)
    assert [line["val/mean_iou"] for line in lines] == pytest.approx(validation)
    assert [line["test/mean_iou"] for line in lines] == pytest.approx(test)
    assert records.read_test_scores(folder).epoch == 2


def test_the_test_scores_are_those_of_the_best_weights(
    tiny: Tiny, folder: Path, roads_root: Path, monkeypatch: pytest.MonkeyPatch, run_trial: RunTrial
) -> None:
    config = tiny(epochs=3, test_every=1)
    lines = run_trial(config, folder, roads_root)
    best = max(lines, key=lambda line: line["val/mean_iou"])["epoch"]
    scores = records.read_test_scores(folder)
    assert scores.epoch == best
    assert scores.loss == lines[best - 1]["test/loss"]
    assert scores.mean_iou == lines[best - 1]["test/mean_iou"]
    assert len({line["test/loss"] for line in lines}) == 3


@pytest.mark.parametrize(("test_every", "drawn"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (9, [5])])
def test_drawing_test_curves_changes_no_number(
    tiny: Tiny,
    tmp_path: Path,
    roads_root: Path,
    test_every: int,
    drawn: list[int],
    run_trial: RunTrial,
    outcome: Outcome,
) -> None:
    plain, curves = (tiny(epochs=5, test_every=every) for every in (0, test_every))
    assert plain.trial_id != curves.trial_id
    plain_lines = run_trial(plain, tmp_path / "plain", roads_root)
    lines = run_trial(curves, tmp_path / "curves", roads_root)
    for key in ("test/loss", "test/mean_iou"):
        assert [line["epoch"] for line in lines if key in line] == drawn
        assert not any(key in line for line in plain_lines)
    expected, found = (outcome(tmp_path / name) for name in ("plain", "curves"))
    assert found.pop("config.json") != expected.pop("config.json")
    for line in found["lines"]:
        for key in ("test/loss", "test/mean_iou"):
            line.pop(key, None)
    assert found == expected


# The loss of an epoch


def test_the_training_scores_are_means_over_the_pixels_that_count(
    tiny: Tiny, folder: Path, tmp_path: Path, write_roads: Callable[..., Path]
) -> None:
    """Scores that are their biases alone, and a step too small to move them: every pixel of class c costs
    -log softmax(bias)[c]. Some images are ignored in part, one wholly."""
    drive = write_roads(tmp_path)
    for frame in range(8):
        path = drive / "CameraSeg" / f"{frame:03d}.png"
        mask = np.array(Image.open(path))
        mask[: 32 if frame == 0 else 4 * frame, :, 0] = IGNORE
        Image.fromarray(mask).save(path)
    run = start_or_resume(tiny(arch="fcn32s", lr=1e-12, batch_size=1), folder, tmp_path, 1)
    bias = torch.linspace(-2, 2, K)
    with torch.no_grad():
        run.model.decoder.score.bias.copy_(bias)
    labels = torch.from_numpy(np.array(run.data.splits["train"].masks)).long()
    costs = -torch.log_softmax(bias, 0)
    counted = labels[labels != IGNORE]
    expected = costs[counted].double().mean().item()
    of_images = np.mean([costs[image[image != IGNORE]].mean().item() for image in labels if (image != IGNORE).any()])
    assert abs(of_images - expected) > 1e-3, "the mean over images has to be another number"
    found = train_one_epoch(run, 1)
    assert found["train/loss"] == pytest.approx(expected, rel=1e-5)
    # The last class is predicted everywhere, so its IoU is its share, and that of every other class is 0.
    classes = {*counted.tolist(), K - 1}
    share = (counted == K - 1).double().mean().item()
    assert found["train/mean_iou"] == pytest.approx(share / len(classes))


def test_the_gradient_of_a_batch_is_that_of_its_mean_pixel(tiny: Tiny, folder: Path, roads_root: Path) -> None:
    """By hand for the bias of the score: mean over pixels of softmax minus one-hot."""
    run = start_or_resume(tiny(lr=1e-12, batch_size=14), folder, roads_root, 1)
    train_one_epoch(run, 1)
    labels = torch.from_numpy(np.array(run.data.splits["train"].masks)).long()
    share = torch.bincount(labels.flatten(), minlength=K) / labels.numel()
    bias = run.model.decoder.score_skips["pool4"].bias
    torch.testing.assert_close(bias.grad.cpu(), 1 / K - share, rtol=1e-4, atol=1e-6)


def test_a_summed_loss_steps_as_a_mean_at_a_rate_that_is_pixels_times_higher(
    tiny: Tiny, tmp_path: Path, roads_root: Path, run_trial: RunTrial
) -> None:
    """And it is recorded as a mean all the same."""
    recipe = {"optimizer": "sgd", "weight_decay": 0.0, "batch_size": 7, "epochs": 1}
    mean, summed = tiny(lr=0.5, **recipe), tiny(lr=0.5 / (7 * 32 * 48), reduction="sum", **recipe)
    lines = [run_trial(config, tmp_path / name, roads_root) for config, name in ((mean, "mean"), (summed, "sum"))]
    assert lines[1][0]["train/loss"] == pytest.approx(lines[0][0]["train/loss"], rel=1e-5)
    ours, theirs = (checkpoint.load_best(tmp_path / name) for name in ("sum", "mean"))
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], rtol=1e-3, atol=1e-6)


def test_images_that_are_ignored_wholly_train_nothing(
    tiny: Tiny, folder: Path, tmp_path: Path, write_roads: Callable[..., Path]
) -> None:
    """A batch of nothing but ignored pixels costs 0 and moves no weight (there is no decay here)."""
    drive = write_roads(tmp_path)
    for path in (drive / "CameraSeg").iterdir():
        mask = np.array(Image.open(path))
        if path.stem < "014":
            mask[..., 0] = IGNORE
        Image.fromarray(mask).save(path)
    run = start_or_resume(tiny(weight_decay=0.0), folder, tmp_path, 1)
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    train_one_epoch(run, 1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in run.model.state_dict().items())


def test_dropout_differs_between_epochs_and_between_seeds() -> None:
    """torch's CPU generator looks at 32 bits of a seed only, so different numbers are not enough."""
    masks = set()
    for seed, epoch in [(0, 1), (0, 2), (1, 1), (1, 2)]:
        torch.manual_seed(dropout_seed(seed, epoch))
        masks.add(tuple(torch.rand(8).tolist()))
    assert len(masks) == 4
    assert dropout_seed(3, 5) == dropout_seed(3, 5)

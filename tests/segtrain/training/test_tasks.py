"""Two tasks of one network: what it makes small, what it is scored by, and that an interruption changes no bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

import segtrain
from segtrain import records
from segtrain.config import TrialConfig
from segtrain.data.matlab.siftflow import CLASSES, GEOMETRY
from segtrain.metrics.confusion import confusion_matrix, scores
from segtrain.synthetic import write_outdoors
from segtrain.training.checkpoint import load_best
from segtrain.training.epoch import objective_of
from segtrain.training.evaluation import cross_entropy_sum
from segtrain.training.inference.network import by_task
from segtrain.training.run import Run, start_or_resume
from segtrain.training.trial import train
from segtrain.use.predict_command import main as predict_main

RunTrial = Callable[..., list[dict[str, Any]]]
SIDE = 32


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty views of 32 x 32."""
    root = tmp_path_factory.mktemp("outdoors")
    write_outdoors(root / "outdoors", trainval=16, test=4, side=SIDE, seed=0)
    return root


def outdoors(**edits: Any) -> TrialConfig:
    base = TrialConfig(
        arch="fcn16s", dataset="outdoors", image_height=SIDE, image_width=SIDE, width_mult=0.0625, init="scratch",
        epochs=3, batch_size=4, lr=3e-3, val_every=1, precision="float32",
    )  # fmt: skip
    return base.edit(**edits)


def begun(config: TrialConfig, folder: Path, root: Path) -> Run:
    folder.mkdir(exist_ok=True)
    return start_or_resume(config, folder, root, 1)


def files(folder: Path) -> dict[str, bytes]:
    left = (records.TEST_FILE, records.CONFUSION_FILE, records.IMAGE_CONFUSION_FILE, records.ROC_FILE)
    found = {
        f"{task}/{name}": (records.task_dir(folder, task) / name).read_bytes()
        for task in ("", "geometric")
        for name in left
    }
    return found | {"weights": (folder / records.BEST_FILE).read_bytes()}


def test_both_tasks_are_scored_each_by_its_own_logits(root: Path, folder: Path, run_trial: RunTrial) -> None:
    lines = run_trial(outdoors(), folder, root)
    first = records.read_test_scores(folder)
    second = records.read_test_scores(records.task_dir(folder, "geometric"))
    assert (first.classes, second.classes, first.epoch) == ([*CLASSES], [*GEOMETRY], second.epoch)
    best = max(lines, key=lambda line: line["val/mean_iou"])
    assert first.epoch == best["epoch"]
    assert {"train/geometric/loss", "val/geometric/loss", "val/geometric/mean_iou"} <= set(lines[0])

    run = begun(outdoors(), folder.with_name("again"), root)
    run.model.load_state_dict(load_best(folder))
    run.model.eval()
    batch = next(run.inputs["test"].evaluation_batches(4))  # type: ignore[union-attr]
    with torch.no_grad():
        logits = run.model(batch.images)
    assert logits.shape == (4, 36, SIDE, SIDE)
    for found, part, target in ((first, logits[:, :33], batch.target), (second, logits[:, 33:], batch.further[0])):
        confusion = confusion_matrix(part.argmax(1), target, part.shape[1], 255)
        assert found.mean_iou == pytest.approx(scores(confusion).mean_iou)
        loss, pixels = cross_entropy_sum(part, target)
        assert found.loss == pytest.approx(float(loss / pixels))
    assert records.read_json(folder / records.ENV_FILE)["task"] == "semantic"


@pytest.mark.parametrize(("edits", "wanted"), [
    ({}, lambda logits, target: F.cross_entropy(logits, target, ignore_index=255)),
    ({"reduction": "sum"}, lambda logits, target: F.cross_entropy(logits, target, ignore_index=255, reduction="sum")),
    ({"loss": "focal"}, None),
])  # fmt: skip
def test_what_is_made_small_is_the_sum_of_both_losses(
    edits: dict[str, Any], wanted: Callable[..., torch.Tensor] | None, root: Path, folder: Path
) -> None:
    run = begun(outdoors(**edits), folder, root)
    batch = next(iter(run.training.training_batches(run.config, 1)))
    torch.manual_seed(0)
    parts = [torch.randn(4, classes, SIDE, SIDE) for classes in (33, 3)]
    if wanted is None:
        assert run.losses is not None
        losses = [loss(part, target) for loss, part, target in zip(run.losses, parts, batch.targets, strict=True)]
    else:
        losses = [wanted(part, target) for part, target in zip(parts, batch.targets, strict=True)]
    assert torch.isclose(objective_of(run, parts, batch.targets), losses[0] + losses[1])
    logits = torch.cat(parts, dim=1).requires_grad_()
    objective_of(run, by_task(logits, run.outputs), batch.targets).backward()
    assert logits.grad is not None
    assert all(part.abs().sum() > 0 for part in logits.grad.split([33, 3], dim=1))


@pytest.mark.parametrize("edits", [{}, {"freeze": "encoder"}, {"random_scale": 1.5}])
def test_a_trial_stopped_after_any_epoch_ends_the_same(
    edits: dict[str, Any], root: Path, tmp_path: Path, run_trial: RunTrial
) -> None:
    run_trial(outdoors(**edits), tmp_path / "whole", root)
    for _ in range(3):
        trial = train(outdoors(**edits), tmp_path / "stopped", root, 1)
        next(trial)
        trial.close()  # type: ignore[attr-defined]
    run_trial(outdoors(**edits), tmp_path / "stopped", root)
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")


def test_kept_features_and_flips_bring_both_masks_along(root: Path, folder: Path) -> None:
    run = begun(outdoors(freeze="encoder"), folder, root)
    flipped = run.training.batch(np.arange(2), np.array([False, True]))  # type: ignore[union-attr]
    assert flipped.images is None
    split = run.data.splits["train"]
    for target, masks in zip(flipped.targets, (split.masks, *split.further), strict=True):
        assert np.array_equal(target[0], masks[0])
        assert np.array_equal(target[1], masks[1][:, ::-1])


def test_predict_gives_a_mask_of_each_task(root: Path, folder: Path, run_trial: RunTrial, tmp_path: Path) -> None:
    run_trial(outdoors(), folder, root)
    (image, *_) = sorted((root / "outdoors" / "SiftFlow" / "Images").rglob("*.jpg"))
    assert predict_main([str(folder), str(image), "--out", str(tmp_path / "out")]) == 0
    masks = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")}
    name = f"{image.stem}.png"
    assert masks == {f"{kind}/{name}" for kind in ("masks", "overlays", "geometric/masks", "geometric/overlays")}
    model = segtrain.load(folder)
    for task, place in (("", "masks"), ("geometric", "geometric/masks")):
        probabilities = model.predict(image, "probabilities", task=task)
        assert np.allclose(probabilities.sum(0), 1, atol=1e-5)
        found = np.asarray(Image.open(tmp_path / "out" / place / name))
        assert np.array_equal(found, model.predict(image, task=task))
        assert np.array_equal(found, probabilities.argmax(0))
    with pytest.raises(ValueError, match="task is 'depth'; allowed: '', 'geometric'"):
        model.predict(image, task="depth")

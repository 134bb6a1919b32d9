"""A model on a split: the loss per pixel, the confusion matrix, and what is kept of the test set."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from segtrain import metrics, records
from segtrain.data.cache import SplitArrays
from segtrain.data.roads import CLASSES, PALETTE, ROADS
from segtrain.data.spec import IGNORE
from segtrain.device import Hardware
from segtrain.evaluate import Evaluation, cross_entropy_sum, evaluate, save_panels, save_test_results

HARDWARE = Hardware(torch.device("cpu"), "float32", threads=1)
K = len(CLASSES)


class RedOracle(nn.Module):
    """Says that a pixel's class is its red value, with logit 2 against 0 for the others; in training it is wrong."""

    def forward(self, images: Tensor) -> Tensor:
        red = (images[:, 0] * 0.229 + 0.485).mul(255).round().long()
        return 2.0 * F.one_hot((red + self.training) % K, K).permute(0, 3, 1, 2).float()


def split(count: int, height: int = 6, width: int = 9, seed: int = 0, right: float = 0.7) -> SplitArrays:
    """Red is the truth at a share of `right` of the pixels; some pixels are ignored."""
    rng = np.random.default_rng(seed)
    masks = rng.integers(0, K, (count, height, width), dtype=np.uint8)
    images = rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    other = rng.integers(0, K, masks.shape, dtype=np.uint8)
    images[..., 0] = np.where(rng.random(masks.shape) < right, masks, other)
    masks[rng.random(masks.shape) < 0.2] = IGNORE
    return SplitArrays(images, masks)


def test_cross_entropy_by_hand() -> None:
    """Logits (0, ln 3) give the probabilities 1/4 and 3/4."""
    logits = torch.tensor([0.0, math.log(3)]).view(1, 2, 1, 1).expand(1, 2, 1, 3)
    loss, pixels = cross_entropy_sum(logits, torch.tensor([[[0, 1, IGNORE]]]))
    assert loss.item() == pytest.approx(math.log(4) + math.log(4 / 3))
    assert pixels.item() == 2


@pytest.mark.parametrize("seed", range(3))
def test_cross_entropy_as_torch_has_it(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, 5, 4, 7, generator=generator).to(memory_format=torch.channels_last)
    target = torch.randint(5, (3, 4, 7), generator=generator)
    target[0, :2] = IGNORE
    loss, pixels = cross_entropy_sum(logits, target)
    reference = F.cross_entropy(logits, target, ignore_index=IGNORE)
    assert (loss / pixels).item() == pytest.approx(reference.item())


def test_ignored_pixels_add_zeros_to_loss_and_gradient() -> None:
    logits = torch.randn(1, 5, 4, 4, requires_grad=True)
    loss, pixels = cross_entropy_sum(logits, torch.full((1, 4, 4), IGNORE))
    loss.backward()
    assert (loss.item(), pixels.item()) == (0.0, 0)
    assert logits.grad is not None
    assert not logits.grad.any()


def test_loss_and_confusion_by_hand() -> None:
    """4 pixels: two right, one wrong, one ignored. A right one costs ln(e^2 + 12) - 2, a wrong one ln(e^2 + 12)."""
    images = np.zeros((1, 2, 2, 3), dtype=np.uint8)
    images[0, ..., 0] = [[3, 3], [5, 6]]
    arrays = SplitArrays(images, np.array([[[3, 4], [5, IGNORE]]], dtype=np.uint8))
    found = evaluate(RedOracle(), arrays, K, 1, HARDWARE)
    assert found.loss == pytest.approx(math.log(math.exp(2) + 12) - 4 / 3, rel=1e-6)
    expected = torch.zeros(K, K, dtype=torch.int64)
    expected[3, 3] = expected[4, 3] = expected[5, 5] = 1
    assert torch.equal(found.confusion, expected)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5])
def test_the_batch_size_does_not_matter(batch_size: int) -> None:
    arrays = split(5)
    whole, parts = (evaluate(RedOracle(), arrays, K, size, HARDWARE) for size in (100, batch_size))
    assert parts.loss == pytest.approx(whole.loss)
    assert torch.equal(parts.confusion, whole.confusion)
    assert whole.confusion.sum().item() == (arrays.masks != IGNORE).sum()


def test_the_loss_is_of_pixels_not_of_images() -> None:
    """One image has a single pixel that counts, and it is wrong; its weight is one pixel."""
    arrays = split(2, right=1.0)
    masks = arrays.masks.copy()
    masks[0] = IGNORE
    masks[0, 0, 0] = (arrays.images[0, 0, 0, 0] + 1) % K
    right = int((masks[1] != IGNORE).sum())
    wrong_costs = math.log(math.exp(2) + 12)
    found = evaluate(RedOracle(), SplitArrays(arrays.images, masks), K, 1, HARDWARE)
    assert found.loss == pytest.approx((wrong_costs + right * (wrong_costs - 2)) / (right + 1), rel=1e-6)


def test_a_split_of_ignored_pixels_has_no_loss() -> None:
    arrays = split(2)
    found = evaluate(RedOracle(), SplitArrays(arrays.images, np.full_like(arrays.masks, IGNORE)), K, 2, HARDWARE)
    assert math.isnan(found.loss)
    assert found.confusion.sum() == 0


def test_a_model_in_training_is_evaluated_in_evaluation_mode() -> None:
    arrays, model = split(2, right=1.0), RedOracle().train()
    assert metrics.scores(evaluate(model, arrays, K, 2, HARDWARE).confusion).pixel_accuracy == 1.0


def test_what_is_kept_of_the_test_set(tmp_path: Path) -> None:
    confusion = torch.zeros(K, K, dtype=torch.int64)
    confusion[:2, :2] = torch.tensor([[6, 2], [1, 3]])
    scores = save_test_results(tmp_path, Evaluation(0.5, confusion), ROADS, images=7, best_epoch=4)
    assert records.read_test_scores(tmp_path) == records.TestScores(**records.nan_to_none(vars(scores)))
    kept = json.loads((tmp_path / "test.json").read_text())
    assert {name: kept[name] for name in ("epoch", "loss", "images", "counted_classes", "classes")} == {
        "epoch": 4, "loss": 0.5, "images": 7, "counted_classes": 2, "classes": list(CLASSES),
    }  # fmt: skip
    assert kept["mean_iou"] == pytest.approx((6 / 9 + 3 / 6) / 2)
    assert kept["iou"] == [pytest.approx(6 / 9), pytest.approx(3 / 6), *[None] * 11]
    assert np.array_equal(np.load(tmp_path / "confusion.npy"), confusion.numpy())
    assert np.load(tmp_path / "confusion.npy").dtype == np.int64


@pytest.mark.parametrize(
    ("count", "chosen"), [(1, [0]), (3, [0, 1, 2]), (8, list(range(8))), (29, [0, 4, 8, 12, 16, 20, 24, 28])]
)
def test_panels_are_spread_over_the_split(tmp_path: Path, count: int, chosen: list[int]) -> None:
    arrays = split(count, seed=count)
    save_panels(tmp_path, RedOracle().train(), arrays, ROADS, 3, HARDWARE)
    kinds = records.PANEL_KINDS
    names = {records.panel_file(panel, kind) for panel in range(len(chosen)) for kind in kinds}
    assert {path.name for path in (tmp_path / "panels").iterdir()} == names
    for panel, index in enumerate(chosen):
        image, truth, prediction = (Image.open(tmp_path / "panels" / records.panel_file(panel, k)) for k in kinds)
        assert np.array_equal(np.asarray(image), arrays.images[index])
        assert np.array_equal(np.asarray(truth), arrays.masks[index])
        assert np.array_equal(np.asarray(prediction), arrays.images[index][..., 0] % K)


def test_panels_carry_the_palette_and_white_for_ignored(tmp_path: Path) -> None:
    arrays = split(1)
    save_panels(tmp_path, RedOracle(), arrays, ROADS, 1, HARDWARE)
    truth = Image.open(tmp_path / "panels" / "00_truth.png")
    assert truth.mode == "P"
    colours = np.vstack([np.array(PALETTE), np.zeros((256 - K, 3), dtype=int)])
    colours[IGNORE] = 255
    assert np.array_equal(np.asarray(truth.convert("RGB")), colours[arrays.masks[0]])

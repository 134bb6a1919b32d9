"""A model on a split: the loss per pixel, the confusion matrix, and what is kept of the test set."""

import csv
import json
import math
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from segtrain import records
from segtrain.data.cache import SplitArrays
from segtrain.data.roads import CLASSES, PALETTE, ROADS
from segtrain.data.spec import IGNORE
from segtrain.machine.device import Hardware
from segtrain.metrics.confusion import scores
from segtrain.metrics.object_size import ObjectSizeMetric
from segtrain.training.evaluation import (
    TestEvaluation,
    cross_entropy_sum,
    evaluate,
    evaluate_test,
    save_panels,
    save_test_results,
)
from segtrain.training.inputs.batches import Inputs

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
    found = evaluate(RedOracle(), Inputs(arrays, HARDWARE), [K], 1, HARDWARE)[0]
    assert found.loss == pytest.approx(math.log(math.exp(2) + 12) - 4 / 3, rel=1e-6)
    expected = torch.zeros(K, K, dtype=torch.int64)
    expected[3, 3] = expected[4, 3] = expected[5, 5] = 1
    assert torch.equal(found.confusion, expected)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5])
def test_the_batch_size_does_not_matter(batch_size: int) -> None:
    arrays = split(5)
    whole, parts = (
        evaluate(RedOracle(), Inputs(arrays, HARDWARE), [K], size, HARDWARE)[0] for size in (100, batch_size)
    )
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
    found = evaluate(RedOracle(), Inputs(SplitArrays(arrays.images, masks), HARDWARE), [K], 1, HARDWARE)[0]
    assert found.loss == pytest.approx((wrong_costs + right * (wrong_costs - 2)) / (right + 1), rel=1e-6)


def test_a_split_of_ignored_pixels_has_no_loss() -> None:
    arrays = split(2)
    found = evaluate(
        RedOracle(), Inputs(SplitArrays(arrays.images, np.full_like(arrays.masks, IGNORE)), HARDWARE), [K], 2, HARDWARE
    )[0]
    assert math.isnan(found.loss)
    assert found.confusion.sum() == 0


def test_a_model_in_training_is_evaluated_in_evaluation_mode() -> None:
    arrays, model = split(2, right=1.0), RedOracle().train()
    assert scores(evaluate(model, Inputs(arrays, HARDWARE), [K], 2, HARDWARE)[0].confusion).pixel_accuracy == 1.0


def found_in(arrays: SplitArrays, batch_size: int = 2) -> TestEvaluation:
    return evaluate_test(RedOracle(), Inputs(arrays, HARDWARE), [K], batch_size, HARDWARE)[0]


def assert_equal(found: TestEvaluation, expected: TestEvaluation, rtol: float = 0) -> None:
    """To the bit, but for the loss, whose additions may come in another order."""
    assert found.loss == pytest.approx(expected.loss, rel=rtol)
    assert torch.equal(found.image_confusion, expected.image_confusion)
    np.testing.assert_equal(vars(found.roc), vars(expected.roc))
    assert found.boundary_iou == pytest.approx(expected.boundary_iou, rel=0, abs=0, nan_ok=True)
    np.testing.assert_equal(found.size_iou, expected.size_iou)


def test_the_test_set_is_evaluated_as_any_split_and_further() -> None:
    arrays = split(5, 30, 40)
    plain, found = evaluate(RedOracle(), Inputs(arrays, HARDWARE), [K], 2, HARDWARE)[0], found_in(arrays)
    assert found.loss == plain.loss
    assert torch.equal(found.image_confusion.sum(0), plain.confusion)
    for index, confusion in enumerate(found.image_confusion):
        image = SplitArrays(arrays.images[[index]], arrays.masks[[index]])
        assert torch.equal(evaluate(RedOracle(), Inputs(image, HARDWARE), [K], 1, HARDWARE)[0].confusion, confusion)


def test_objects_are_scored_by_what_is_predicted() -> None:
    arrays, metric = split(3, 30, 40), ObjectSizeMetric(K, IGNORE)
    metric.update(torch.from_numpy(arrays.images[..., 0] % K), torch.from_numpy(arrays.masks.astype(int)))
    np.testing.assert_equal(found_in(arrays).size_iou, metric.iou())


def test_a_perfect_prediction_scores_one_everywhere() -> None:
    found = found_in(split(3, 30, 40, right=1.0))
    assert found.roc.auc() == found.boundary_iou == [1.0] * K
    assert found.size_iou["small"] == [1.0] * K
    assert all(math.isnan(value) for value in found.size_iou["large"])  # single pixels


@pytest.mark.parametrize("batch_size", [1, 3, 5])
def test_the_batch_size_does_not_matter_to_any_count(batch_size: int) -> None:
    arrays = split(5, 30, 40)
    assert_equal(found_in(arrays, batch_size), found_in(arrays, 100), rtol=1e-6)


def test_ignored_pixels_enter_nothing() -> None:
    arrays = split(3, 30, 40)
    images = arrays.images.copy()
    images[arrays.masks == IGNORE] = 7
    assert not np.array_equal(images, arrays.images)
    assert_equal(found_in(SplitArrays(images, arrays.masks)), found_in(arrays))


def test_an_image_of_ignored_pixels_is_counted_as_an_image_only() -> None:
    arrays = split(3, 30, 40)
    masks = arrays.masks.copy()
    masks[1] = IGNORE
    found = found_in(SplitArrays(arrays.images, masks), 1)
    without = found_in(SplitArrays(arrays.images[[0, 2]], masks[[0, 2]]), 1)
    assert not found.image_confusion[1].any()
    assert_equal(replace(found, image_confusion=found.image_confusion[[0, 2]]), without)


def test_what_is_kept_of_the_test_set(tmp_path: Path) -> None:
    arrays = split(7, 30, 40)
    arrays.masks[arrays.masks == 4] = IGNORE  # class 4 is predicted, never true
    found = found_in(arrays)
    confusion = found.image_confusion.sum(0)
    test_scores = save_test_results(tmp_path, found, ROADS.classes, best_epoch=4)
    assert {path.name for path in tmp_path.iterdir()} == {
        "test.json", "confusion.npy", "confusion.csv", "confusion_normalised.csv", "image_confusion.npz", "roc.npz",
    }  # fmt: skip
    assert records.read_test_scores(tmp_path) == records.TestScores(**records.nan_to_none(vars(test_scores)))
    kept = json.loads((tmp_path / "test.json").read_text())
    expected = scores(confusion)
    assert {name: kept[name] for name in ("epoch", "loss", "images", "counted_classes", "classes")} == {
        "epoch": 4, "loss": found.loss, "images": 7, "counted_classes": 13, "classes": list(CLASSES),
    }  # fmt: skip
    assert (kept["mean_iou"], kept["iou"]) == (expected.mean_iou, list(expected.iou))
    assert (kept["iou"][4], kept["boundary_iou"][4], kept["auc"][4]) == (0.0, 0.0, None)
    assert kept["mean_auc"] == pytest.approx(sum(area for area in kept["auc"] if area is not None) / 12)
    assert kept["mean_boundary_iou"] == pytest.approx(sum(kept["boundary_iou"]) / 13)
    assert [kept["size_iou"][size][4] for size in records.OBJECT_SIZES] == [None] * 3
    small = [iou for iou in kept["size_iou"]["small"] if iou is not None]
    assert kept["mean_size_iou"]["small"] == pytest.approx(sum(small) / 12)
    assert kept["mean_size_iou"]["large"] is None  # pixels are of random classes


def table(path: Path) -> list[list[str]]:
    with open(path, newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["truth \\ prediction", *CLASSES]
    assert [row[0] for row in rows] == list(CLASSES)
    return [row[1:] for row in rows]


def test_the_confusion_matrix_as_tables(tmp_path: Path) -> None:
    arrays = split(2)
    arrays.masks[arrays.masks == 4] = IGNORE
    found = found_in(arrays)
    save_test_results(tmp_path, found, ROADS.classes, best_epoch=1)
    confusion = found.image_confusion.sum(0).numpy()
    kept = np.load(tmp_path / "confusion.npy")
    assert np.array_equal(kept, confusion)
    assert kept.dtype == np.int64
    assert np.array_equal(np.load(tmp_path / "image_confusion.npz")["confusion"], found.image_confusion.numpy())
    counts, shares = table(tmp_path / "confusion.csv"), table(tmp_path / "confusion_normalised.csv")
    assert [[int(cell) for cell in row] for row in counts] == confusion.tolist()
    assert shares.pop(4) == [""] * K  # no truth: no share, and not 0
    there = np.delete(confusion, 4, axis=0)
    assert np.array(shares, dtype=float) == pytest.approx(there / there.sum(1, keepdims=True), abs=1e-6)


def test_the_group_of_every_test_image_is_kept_where_there_is_one(tmp_path: Path) -> None:
    for name, groups in (("with", ("dataA", "dataB")), ("without", ())):
        (tmp_path / name).mkdir()
        save_test_results(tmp_path / name, found_in(split(2)), ROADS.classes, best_epoch=1, groups=groups)
        with np.load(tmp_path / name / "image_confusion.npz") as kept:
            assert list(kept.get("group", ())) == list(groups)
            assert kept["confusion"].shape == (2, K, K)


def test_the_curves_of_the_test_set_and_every_file_again_to_the_byte(tmp_path: Path) -> None:
    arrays = split(2)
    for name in ("first", "again"):
        (tmp_path / name).mkdir()
        save_test_results(tmp_path / name, found_in(arrays), ROADS.classes, best_epoch=1)
    for path in (tmp_path / "first").iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()
    curves = found_in(arrays).roc
    with np.load(tmp_path / "first" / "roc.npz") as kept:
        np.testing.assert_equal(dict(kept), vars(curves))
    for name in ("roc.npz", "image_confusion.npz"):
        with zipfile.ZipFile(tmp_path / "first" / name) as archive:  # a time of writing would differ between runs
            assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize(
    ("count", "chosen"), [(1, [0]), (3, [0, 1, 2]), (8, list(range(8))), (29, [0, 4, 8, 12, 16, 20, 24, 28])]
)
def test_panels_are_spread_over_the_split(tmp_path: Path, count: int, chosen: list[int]) -> None:
    arrays = split(count, seed=count)
    save_panels(tmp_path, RedOracle().train(), arrays, Inputs(arrays, HARDWARE), ROADS, 3, HARDWARE)
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
    save_panels(tmp_path, RedOracle(), arrays, Inputs(arrays, HARDWARE), ROADS, 1, HARDWARE)
    truth = Image.open(tmp_path / "panels" / "00_truth.png")
    assert truth.mode == "P"
    colours = np.vstack([np.array(PALETTE), np.zeros((256 - K, 3), dtype=int)])
    colours[IGNORE] = 255
    assert np.array_equal(np.asarray(truth.convert("RGB")), colours[arrays.masks[0]])

"""The four metrics of the FCN paper: by hand, against torchmetrics, and what has to hold whatever the labels."""

import math
import re

import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix, MulticlassJaccardIndex

from segtrain.metrics.confusion import SegMetric, confusion_matrices, confusion_matrix, mean_of_defined, scores

IGNORE = 255


def random_labels(seed: int, classes: int, shape: tuple[int, ...] = (4, 9, 11)) -> tuple[Tensor, Tensor]:
    """(prediction, target), a tenth of the target ignored, the classes unevenly frequent."""
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.ones(classes))
    prediction, target = (torch.from_numpy(rng.choice(classes, shape, p=share)) for _ in range(2))
    target[torch.from_numpy(rng.random(shape) < 0.1)] = IGNORE
    return prediction, target


def test_the_matrix_by_hand() -> None:
    target = torch.tensor([[0, 0, 0], [1, 1, IGNORE]])
    prediction = torch.tensor([[0, 0, 1], [1, 2, 2]])
    expected = [[2, 1, 0], [0, 1, 1], [0, 0, 0]]  # rows are truth; the ignored pixel is in no cell
    matrix = confusion_matrix(prediction, target, 3, IGNORE)
    assert matrix.tolist() == expected
    assert matrix.dtype == torch.int64


def test_the_papers_four_metrics_by_hand() -> None:
    """n_00 = 6, n_01 = 2, n_10 = 1, n_11 = 3, so t = (8, 4) and the columns sum to (7, 5)."""
    found = scores(torch.tensor([[6, 2], [1, 3]]))
    iou = (6 / (8 + 7 - 6), 3 / (4 + 5 - 3))
    assert found.pixel_accuracy == pytest.approx(9 / 12)
    assert found.mean_accuracy == pytest.approx((6 / 8 + 3 / 4) / 2)
    assert found.iou == pytest.approx(iou)
    assert found.mean_iou == pytest.approx((6 / 9 + 3 / 6) / 2)
    assert found.frequency_weighted_iou == pytest.approx((8 * 6 / 9 + 4 * 3 / 6) / 12)
    assert found.counted_classes == 2


def test_rows_are_truth_and_columns_are_predictions() -> None:
    """Transposing swaps truth and prediction: the IoUs stay, the mean accuracy does not."""
    matrix = torch.tensor([[6, 2], [0, 4]])
    assert scores(matrix).iou == pytest.approx(scores(matrix.T).iou)
    assert scores(matrix).mean_accuracy == pytest.approx((6 / 8 + 4 / 4) / 2)
    assert scores(matrix.T).mean_accuracy == pytest.approx((6 / 6 + 4 / 6) / 2)


def test_a_class_that_is_not_there_is_nan_and_counted_out() -> None:
    found = scores(torch.tensor([[3, 1, 0], [0, 4, 0], [0, 0, 0]]))
    assert found.iou[:2] == pytest.approx((3 / 4, 4 / 5))
    assert math.isnan(found.iou[2])
    assert found.mean_iou == pytest.approx((3 / 4 + 4 / 5) / 2)
    assert found.mean_accuracy == pytest.approx((3 / 4 + 1) / 2)
    assert found.frequency_weighted_iou == pytest.approx((4 * 3 / 4 + 4 * 4 / 5) / 8)
    assert found.counted_classes == 2


def test_a_class_that_is_only_predicted_counts_as_missed() -> None:
    found = scores(torch.tensor([[3, 0, 1], [0, 4, 0], [0, 0, 0]]))
    assert found.iou == pytest.approx((3 / 4, 1.0, 0.0))
    assert found.mean_iou == pytest.approx((3 / 4 + 1 + 0) / 3)
    assert found.mean_accuracy == pytest.approx((3 / 4 + 1) / 2)
    assert found.counted_classes == 3


def test_nothing_but_ignored_pixels_is_nan_not_zero() -> None:
    target = torch.full((2, 3, 3), IGNORE)
    matrix = confusion_matrix(torch.zeros_like(target), target, 4, IGNORE)
    assert matrix.tolist() == [[0] * 4] * 4
    found = scores(matrix)
    four = (found.pixel_accuracy, found.mean_accuracy, found.mean_iou, found.frequency_weighted_iou)
    assert all(math.isnan(value) for value in (*four, *found.iou))
    assert found.counted_classes == 0


@pytest.mark.parametrize(("ignore", "stray"), [(IGNORE, [3, 7]), (IGNORE, [-1]), (-1, [255])])
def test_a_stray_label_is_named(ignore: int, stray: list[int]) -> None:
    target = torch.tensor([0, 1, 2, ignore, *stray])
    sentence = f"target has label {stray}; allowed: 0 to 2, and {ignore} for ignored pixels"
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        confusion_matrix(torch.zeros_like(target), target, 3, ignore)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("classes", [2, 5, 13])
def test_as_torchmetrics_on_everything_at_once(seed: int, classes: int) -> None:
    """Its MeanIoU averages per image; the dataset's figure is that of its multiclass Jaccard index."""
    prediction, target = random_labels(seed, classes)
    matrix = confusion_matrix(prediction, target, classes, IGNORE)
    reference = MulticlassConfusionMatrix(classes, ignore_index=IGNORE)(prediction, target)
    assert torch.equal(matrix, reference)
    found = scores(matrix)
    per_class = MulticlassJaccardIndex(classes, average="none", ignore_index=IGNORE)(prediction, target)
    there = [not math.isnan(value) for value in found.iou]
    assert [v for v in found.iou if not math.isnan(v)] == pytest.approx(per_class[torch.tensor(there)].tolist())
    weighted = MulticlassJaccardIndex(classes, average="weighted", ignore_index=IGNORE)(prediction, target)
    assert found.frequency_weighted_iou == pytest.approx(weighted.item())
    accuracy = MulticlassAccuracy(classes, average="micro", ignore_index=IGNORE)(prediction, target)
    assert found.pixel_accuracy == pytest.approx(accuracy.item())
    if all((matrix.sum(1) > 0).tolist()):
        macro = MulticlassJaccardIndex(classes, average="macro", ignore_index=IGNORE)(prediction, target)
        assert found.mean_iou == pytest.approx(macro.item())
        accuracy = MulticlassAccuracy(classes, average="macro", ignore_index=IGNORE)(prediction, target)
        assert found.mean_accuracy == pytest.approx(accuracy.item())


def test_the_mean_over_images_is_another_number() -> None:
    """One image is all class 0 but for one pixel, which is missed. Its own mean IoU is about a half, the other's is 1;
    over the dataset class 1 loses one pixel of 100."""
    target, prediction = torch.zeros(2, 10, 10, dtype=torch.int64), torch.zeros(2, 10, 10, dtype=torch.int64)
    target[0, 0, 0] = 1
    target[1, :, :] = prediction[1, :, :] = 1
    metric = SegMetric(2, IGNORE)
    per_image = []
    for image in range(2):
        metric.update(prediction[image : image + 1], target[image : image + 1])
        per_image.append(scores(confusion_matrix(prediction[image], target[image], 2, IGNORE)).mean_iou)
    assert sum(per_image) / 2 == pytest.approx((0.99 / 2 + 1) / 2)
    assert metric.mean_iou() == pytest.approx((99 / 100 + 100 / 101) / 2)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("batch", [1, 2, 3, 7])
def test_the_sum_over_batches_is_the_whole(seed: int, batch: int) -> None:
    prediction, target = random_labels(seed, 6, shape=(7, 5, 8))
    metric = SegMetric(6, IGNORE)
    for part in zip(prediction.split(batch), target.split(batch), strict=True):
        metric.update(*part)
    whole = confusion_matrix(prediction, target, 6, IGNORE)
    assert torch.equal(metric.confusion, whole)
    assert metric.mean_iou() == scores(whole).mean_iou
    metric.reset()
    metric.update(prediction[:1], target[:1])
    assert torch.equal(metric.confusion, confusion_matrix(prediction[:1], target[:1], 6, IGNORE))


def test_one_matrix_per_image() -> None:
    prediction, target = random_labels(0, 6)
    target[2] = IGNORE
    images = confusion_matrices(prediction, target, 6, IGNORE)
    assert images.shape == (4, 6, 6)
    assert not images[2].any()
    for image, pair in zip(images, zip(prediction, target, strict=True), strict=True):
        assert torch.equal(image, confusion_matrix(*pair, 6, IGNORE))
    assert torch.equal(images.sum(0), confusion_matrix(prediction, target, 6, IGNORE))


@pytest.mark.parametrize(
    ("values", "mean"), [([0.25, 0.75], 0.5), ([0.25, math.nan], 0.25), ([math.nan], math.nan), ([], math.nan)]
)
def test_a_mean_leaves_out_what_is_not_defined(values: list[float], mean: float) -> None:
    assert mean_of_defined(values) == pytest.approx(mean, nan_ok=True)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_pixels_does_not_matter(seed: int) -> None:
    prediction, target = random_labels(seed, 6)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(target.numel()))
    shuffled = confusion_matrix(prediction.flatten()[order], target.flatten()[order], 6, IGNORE)
    assert torch.equal(shuffled, confusion_matrix(prediction, target, 6, IGNORE))


@pytest.mark.parametrize("seed", range(3))
def test_renaming_the_classes_permutes_the_ious_and_leaves_the_means(seed: int) -> None:
    prediction, target = random_labels(seed, 6)
    names = torch.from_numpy(np.random.default_rng(seed).permutation(6))
    renamed = torch.where(target == IGNORE, target, names[target.clamp(max=5)])
    before = scores(confusion_matrix(prediction, target, 6, IGNORE))
    after = scores(confusion_matrix(names[prediction], renamed, 6, IGNORE))
    assert [after.iou[name] for name in names] == pytest.approx(list(before.iou), nan_ok=True)
    assert after.mean_iou == pytest.approx(before.mean_iou)
    assert after.frequency_weighted_iou == pytest.approx(before.frequency_weighted_iou)
    assert after.mean_accuracy == pytest.approx(before.mean_accuracy)


def test_one_byte_labels_do_not_overflow() -> None:
    """12 * 13 + 12 is more than 127, and more than 255 with 17 classes."""
    labels = torch.full((2, 2), 16, dtype=torch.uint8)
    assert confusion_matrix(labels, labels, 17, IGNORE)[16, 16] == 4

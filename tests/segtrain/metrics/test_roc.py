"""ROC curves from histograms: by hand, against the exact area, and what has to hold whatever the logits."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_auroc

from segtrain.metrics.roc import RocCurves, RocMetric, log_odds

IGNORE = 255


def random_pixels(
    seed: int, classes: int, scale: float = 4.0, shape: tuple[int, ...] = (3, 20, 30)
) -> tuple[Tensor, Tensor]:
    """Logits (N, K, H, W), scaled, in which the truth (N, H, W) has an advantage; a tenth of the truth is ignored."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(classes, shape, generator=generator)
    logits = torch.randn(shape[0], classes, *shape[1:], generator=generator) * 0.7
    logits.scatter_add_(1, target[:, None], torch.ones_like(logits))
    target[torch.rand(shape, generator=generator) < 0.1] = IGNORE
    return logits * scale, target


def curves(logits: Tensor, target: Tensor, batch: int = 100) -> RocCurves:
    metric = RocMetric(logits.shape[1], IGNORE)
    for part in zip(logits.split(batch), target.split(batch), strict=True):
        metric.update(*part)
    return metric.curves()


def exact_log_odds(logits: Tensor) -> Tensor:
    """(K, P) float64, from the definition and without saturation."""
    rows = logits.double()
    others = [torch.cat([rows[:k], rows[k + 1 :]]).logsumexp(0) for k in range(len(rows))]
    return rows - torch.stack(others)


def test_log_odds_by_hand() -> None:
    """Probabilities (1/4, 3/4), and (1/4, 1/4, 1/2)."""
    third = math.log(3)
    assert log_odds(torch.tensor([[0.0], [third]])).flatten().tolist() == pytest.approx([-third, third])
    found = log_odds(torch.tensor([[7.0], [7.0], [7 + math.log(2)]]))
    assert found.flatten().tolist() == pytest.approx([-third, -third, 0.0], abs=1e-6)


def test_log_odds_of_tied_greatest_logits() -> None:
    assert log_odds(torch.tensor([[5.0], [5.0], [-90.0]])).flatten().tolist() == pytest.approx([0, 0, -95.693147])


@pytest.mark.parametrize("scale", [0.1, 1, 10, 100])
def test_log_odds_keep_their_digits_where_the_probability_is_rounded(scale: float) -> None:
    logits = torch.randn(5, 999, generator=torch.Generator().manual_seed(0)) * scale
    exact = exact_log_odds(logits)
    there = exact.abs() < 80  # beyond, exp underflows, and everything falls into the outermost bins anyway
    torch.testing.assert_close(log_odds(logits)[there].double(), exact[there], rtol=1e-5, atol=1e-5)
    assert scale < 10 or logits.softmax(0).max() == 1


def test_a_curve_by_hand() -> None:
    """Class 1 leads by 3 and -1 on its own pixels, by 1 and -2 on the others: 3 of 4 pairs are in order."""
    logits = torch.zeros(1, 2, 1, 5)
    logits[0, 1, 0] = torch.tensor([3.0, -1.0, 1.0, -2.0, 9.0])
    found = curves(logits, torch.tensor([[[1, 1, 0, 0, IGNORE]]]))
    assert found.auc() == [0.75, 0.75]
    assert (found.positives.tolist(), found.negatives.tolist()) == ([2, 2], [2, 2])
    at = [int(np.flatnonzero(found.thresholds > level)[-1]) for level in (3.1, 2, 0, -1.5, -2.5)]
    assert found.fpr[1, at].tolist() == [0, 0, 0.5, 0.5, 1]
    assert found.tpr[1, at].tolist() == [0, 0.5, 0.5, 1, 1]
    assert (found.thresholds[0], found.thresholds[-1]) == (math.inf, -math.inf)


def test_equal_scores_are_worth_a_half() -> None:
    logits = torch.zeros(1, 2, 2, 2)
    assert curves(logits, torch.tensor([[[0, 1], [1, 1]]])).auc() == [0.5, 0.5]


def test_a_class_without_positives_or_without_negatives_has_no_area() -> None:
    logits, target = random_pixels(0, 4)
    found = curves(logits[:, :3], target.where(target != 3, 0).where(target != 1, 0))
    assert [math.isnan(area) for area in found.auc()] == [False, True, False]
    assert np.isnan(found.tpr[1]).all()
    assert not np.isnan(found.fpr).any()
    alone = curves(logits, torch.full_like(target, 2))
    assert all(math.isnan(area) for area in alone.auc())
    assert np.isnan(alone.fpr[2]).all()


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("scale", [0.1, 1, 10, 40])
def test_the_area_is_the_exact_one_to_three_digits(scale: float, classes: int) -> None:
    """From a network that hardly prefers a class to one whose float32 probabilities are 0 and 1."""
    logits, target = random_pixels(1, classes, scale)
    valid = target != IGNORE
    scores, labels = exact_log_odds(logits.transpose(0, 1)[:, valid]), target[valid]
    exact = []
    for label in range(classes):
        ranks = scores[label].unique(return_inverse=True)[1]  # torchmetrics would round scores outside of [0, 1]
        share = ranks.double() / len(ranks)
        exact.append(binary_auroc(share, (labels == label).int(), thresholds=None).item())
    assert curves(logits, target).auc() == pytest.approx(exact, abs=1e-3)


def test_the_rates_are_those_at_the_thresholds() -> None:
    logits, target = random_pixels(2, 3)
    found, valid = curves(logits, target), target != IGNORE
    scores, labels = log_odds(logits.transpose(0, 1)[:, valid]).numpy(), target[valid].numpy()
    for point in range(0, len(found.thresholds), 97):
        taken = scores >= found.thresholds[point]
        for label in range(3):
            # A score on the edge of a bin may round to either side of it.
            assert found.tpr[label, point] == pytest.approx(taken[label][labels == label].mean(), abs=0.005)
            assert found.fpr[label, point] == pytest.approx(taken[label][labels != label].mean(), abs=0.005)


def test_the_curves_rise_from_corner_to_corner() -> None:
    found = curves(*random_pixels(3, 4))
    for rates in (found.fpr, found.tpr):
        assert (np.diff(rates) >= 0).all()
        assert (rates[:, 0] == 0).all()
        assert (rates[:, -1] == 1).all()


@pytest.mark.parametrize("garbage", [0.0, 1e30, math.nan, math.inf])
def test_ignored_pixels_do_not_matter(garbage: float) -> None:
    logits, target = random_pixels(4, 4)
    changed = torch.where((target == IGNORE)[:, None], garbage, logits)
    np.testing.assert_equal(vars(curves(changed, target)), vars(curves(logits, target)))
    target[1] = IGNORE
    without = curves(logits[[0, 2]], target[[0, 2]])
    np.testing.assert_equal(vars(curves(logits, target)), vars(without))
    assert without.positives.sum() == (target != IGNORE).sum()


@pytest.mark.parametrize("batch", [1, 2])
def test_the_sum_over_batches_is_the_whole(batch: int) -> None:
    logits, target = random_pixels(5, 4)
    np.testing.assert_equal(vars(curves(logits, target, batch)), vars(curves(logits, target)))


def test_renaming_the_classes_permutes_the_areas() -> None:
    logits, target = random_pixels(6, 4)
    names = torch.tensor([2, 0, 3, 1])
    renamed = torch.where(target == IGNORE, target, names[target.clamp(max=3)])
    after = curves(logits[:, names.argsort()], renamed).auc()
    assert [after[name] for name in names] == pytest.approx(curves(logits, target).auc(), abs=1e-4)


def test_a_score_that_is_no_number_ranks_lowest() -> None:
    logits = torch.zeros(1, 2, 1, 2)
    logits[..., 1] = math.nan
    assert curves(logits, torch.tensor([[[0, 1]]])).auc() == [1.0, 0.0]

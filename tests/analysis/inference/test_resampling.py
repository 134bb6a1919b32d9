import numpy as np
import pytest

from analysis.inference import resampling
from analysis.inference.resampling import FEWEST_GROUPS, unit_weights, units_of, variance_over


def test_without_groups_every_image_is_a_unit() -> None:
    units = units_of(None, 7)
    assert (units.df, units.words, units.limit) == (6, "7 test images", "")
    assert units.inflation == pytest.approx(7 / 6)


def test_of_enough_groups_whole_groups_are_drawn() -> None:
    groups = np.repeat([f"city {index}" for index in range(FEWEST_GROUPS)], 3)
    units = units_of(groups, 15)
    assert (units.df, units.words, units.limit) == (4, "5 groups of 15 test images", "")
    weights = unit_weights(units, 100, np.random.default_rng(0)).reshape(100, 5, 3)
    assert (weights == weights[..., :1]).all()
    assert (weights.sum((1, 2)) == 15).all()


def test_of_few_groups_blocks_of_neighbours_are_drawn_within_each_and_the_limit_is_said() -> None:
    groups = np.array(["a", "b"] * 32)  # 32 images each, in turns: 32^0.4 = 4 blocks of eight
    units = units_of(groups, 64)
    assert (units.df, units.words) == (6, "8 blocks of neighbours among 64 test images")
    assert units.limit == "the test images are of 2 groups, so what is said holds for them and not for others"
    weights = unit_weights(units, 200, np.random.default_rng(0))
    for name in "ab":
        of_group = weights[:, groups == name].reshape(200, 4, 8)
        assert (of_group == of_group[..., :1]).all()
        assert (of_group.sum((1, 2)) == 32).all()


def test_groups_of_one_image_leave_nothing_to_draw() -> None:
    units = units_of(np.array(["a", "b"]), 2)
    assert units.df == 0
    assert np.isnan(variance_over(np.zeros(10), units))
    assert units_of(np.array(["a", "a"]), 2).limit.startswith(
        "the test images are of one group, so what is said holds for it"
    )


def test_the_variance_is_that_of_a_mean_over_units() -> None:
    values = np.random.default_rng(0).normal(size=8)
    units = units_of(None, 8)
    draws = unit_weights(units, 40_000, np.random.default_rng(1)) @ values / 8
    assert variance_over(draws, units) == pytest.approx(values.var(ddof=1) / 8, rel=0.03)


def test_a_class_and_a_cell_worked_by_hand() -> None:
    counts = np.array([[[1, 1], [0, 2]], [[3, 1], [0, 0]]])
    weights = np.array([[1.0, 1.0], [0.0, 2.0]])
    assert resampling.resampled_class_iou(counts, weights, 1) == pytest.approx([2 / 4, 0])
    assert resampling.resampled_cell(counts, weights, 0, 1) == pytest.approx([2 / 6, 2 / 8])
    assert resampling.resampled_cell(counts, weights, 1, 0) == pytest.approx([0, np.nan], nan_ok=True)


def test_an_image_is_drawn_as_often_as_any_other() -> None:
    weights = resampling.unit_weights(units_of(None, 50), 4000, np.random.default_rng(0))
    assert weights.shape == (4000, 50)
    assert (weights.sum(1) == 50).all()
    assert weights.mean(0) == pytest.approx(np.ones(50), abs=0.08)
    assert weights.var() == pytest.approx(49 / 50, abs=0.02)  # binomial: 50 draws at 1 / 50


def test_resampled_mean_iou_worked_by_hand() -> None:
    # Class 2 is in neither image. Image 0: IoU 1/2, 2/3. Image 1 has class 0 only: 3/4 hit, and class 1 is predicted.
    first = [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    second = [[3, 1, 0], [0, 0, 0], [0, 0, 0]]
    counts = np.array([first, second])
    weights = np.array([[1, 1], [2, 0], [0, 2], [0, 0]], dtype=np.float64)
    both = (4 / 6 + 2 / 4) / 2  # hits 4 and 2 of unions 1 + 4 + 1 and 2 + 2: added up first, then divided
    expected = [both, (1 / 2 + 2 / 3) / 2, (3 / 4 + 0) / 2, np.nan]
    assert resampling.resampled_mean_iou(counts, weights) == pytest.approx(expected, nan_ok=True)


def test_resampling_pairs_models_image_by_image() -> None:
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 50, (30, 3, 3))
    weights = resampling.unit_weights(units_of(None, 30), 100, rng)
    assert (
        resampling.resampled_mean_iou(counts, weights) == resampling.resampled_mean_iou(counts.copy(), weights)
    ).all()
    order = rng.permutation(30)
    shuffled = resampling.resampled_mean_iou(counts[order], weights[:, order])
    assert shuffled == pytest.approx(resampling.resampled_mean_iou(counts, weights))


def test_image_intervals_cover_the_truth_nearly_as_often_as_they_say() -> None:
    """The population is 3,000 images of very different difficulty; a test set is 100 of them."""
    rng = np.random.default_rng(2)
    share = rng.beta(4, 2, (3000, 2))
    size = rng.integers(20, 200, (3000, 2))
    hits = (share * size).astype(np.int64)
    population = np.zeros((3000, 2, 2), dtype=np.int64)
    population[:, 0, 0], population[:, 0, 1] = hits[:, 0], size[:, 0] - hits[:, 0]
    population[:, 1, 1], population[:, 1, 0] = hits[:, 1], size[:, 1] - hits[:, 1]
    truth = resampling.resampled_mean_iou(population, np.ones((1, 3000)))[0]
    units = units_of(None, 100)
    covered = 0
    for _ in range(400):
        sample = population[rng.integers(3000, size=100)]
        weights = resampling.unit_weights(units, 300, rng)
        draws = resampling.resampled_mean_iou(sample, weights)
        low, high = np.quantile(draws, [0.025, 0.975])
        covered += low <= truth <= high
    assert covered / 400 == pytest.approx(0.95, abs=0.035)

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from analysis.statistics import estimates

SCORES = np.array([0.61, 0.64, 0.58, 0.66])
OTHERS = np.array([0.55, 0.61, 0.57, 0.60])


def test_an_estimate_worked_by_hand() -> None:
    # mean 0.6, sample standard deviation 0.1, t of 2 degrees of freedom 4.3027: 4.3027 * 0.1 / sqrt(3) = 0.24841
    found = estimates.estimate([0.5, 0.6, 0.7, float("nan")])
    assert found.n == 3
    assert found.mean == pytest.approx(0.6)
    assert (found.low, found.high) == pytest.approx((0.35159, 0.84841), abs=1e-5)
    assert found.margin == pytest.approx(0.24841, abs=1e-5)


def test_the_interval_is_scipys() -> None:
    interval = scipy.stats.ttest_1samp(SCORES, 0).confidence_interval(0.9)
    found = estimates.estimate(SCORES, 0.9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize(("values", "mean", "n"), [([], np.nan, 0), ([0.5], 0.5, 1), ([np.nan], np.nan, 0)])
def test_below_two_seeds_there_is_no_interval(values: list[float], mean: float, n: int) -> None:
    found = estimates.estimate(values)
    assert found.n == n
    assert [found.mean, found.low, found.high, found.margin] == pytest.approx([mean, *[np.nan] * 3], nan_ok=True)


def test_paired_p_values_are_those_of_scipy_and_statsmodels() -> None:
    differences = SCORES - OTHERS
    two_sided = 2 * min(estimates.p_greater(differences), estimates.p_greater(-differences))
    assert two_sided == pytest.approx(scipy.stats.ttest_rel(SCORES, OTHERS).pvalue)
    tost = max(estimates.p_greater(differences, -0.1), estimates.p_greater(-differences, -0.1))
    assert tost == pytest.approx(ttost_paired(SCORES, OTHERS, -0.1, 0.1)[0])


@pytest.mark.parametrize("values", [[0.1], [], [0.1, 0.1, 0.1], [0.3 - 0.2, 0.2 - 0.1, 0.1]])
def test_a_t_test_without_spread_has_no_p_value(values: list[float]) -> None:
    assert np.isnan(estimates.p_greater(np.array(values)))


def test_holm_is_that_of_statsmodels_and_leaves_out_what_was_not_tested() -> None:
    p_values = [0.04, 0.001, float("nan"), 0.03, 0.6, 0.03]
    tested = [p for p in p_values if not np.isnan(p)]
    expected = list(multipletests(tested, method="holm")[1])
    assert estimates.holm(p_values) == pytest.approx([*expected[:2], np.nan, *expected[2:]], nan_ok=True)
    assert estimates.holm([]) == []


def test_t_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    intervals = [estimates.estimate(rng.normal(0.5, 0.1, 3)) for _ in range(2000)]
    assert np.mean([i.low <= 0.5 <= i.high for i in intervals]) == pytest.approx(0.95, abs=0.015)


def test_an_image_is_drawn_as_often_as_any_other() -> None:
    weights = estimates.image_weights(50, 4000, np.random.default_rng(0))
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
    assert estimates.resampled_mean_iou(counts, weights) == pytest.approx(expected, nan_ok=True)


def test_resampling_pairs_models_image_by_image() -> None:
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 50, (30, 3, 3))
    weights = estimates.image_weights(30, 100, rng)
    assert (estimates.resampled_mean_iou(counts, weights) == estimates.resampled_mean_iou(counts.copy(), weights)).all()
    order = rng.permutation(30)
    shuffled = estimates.resampled_mean_iou(counts[order], weights[:, order])
    assert shuffled == pytest.approx(estimates.resampled_mean_iou(counts, weights))


def test_image_intervals_cover_the_truth_nearly_as_often_as_they_say() -> None:
    """The population is 3,000 images of very different difficulty; a test set is 100 of them."""
    rng = np.random.default_rng(2)
    share = rng.beta(4, 2, (3000, 2))
    size = rng.integers(20, 200, (3000, 2))
    hits = (share * size).astype(np.int64)
    population = np.zeros((3000, 2, 2), dtype=np.int64)
    population[:, 0, 0], population[:, 0, 1] = hits[:, 0], size[:, 0] - hits[:, 0]
    population[:, 1, 1], population[:, 1, 0] = hits[:, 1], size[:, 1] - hits[:, 1]
    truth = estimates.resampled_mean_iou(population, np.ones((1, 3000)))[0]
    covered = 0
    for _ in range(400):
        sample = population[rng.integers(3000, size=100)]
        draws = estimates.resampled_mean_iou(sample, estimates.image_weights(100, 300, rng))
        low, high = np.quantile(draws, [0.025, 0.975])
        covered += low <= truth <= high
    assert covered / 400 == pytest.approx(0.95, abs=0.035)


def test_a_bootstrap_p_value_is_never_0() -> None:
    draws = np.array([0.1, 0.2, 0.3, -0.1])
    assert estimates.share_at_most(draws, 0.0) == 2 / 5
    assert estimates.share_at_most(draws, -1.0) == 1 / 5

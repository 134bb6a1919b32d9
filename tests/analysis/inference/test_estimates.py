import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from analysis.inference import estimates

SCORES = np.array([0.61, 0.64, 0.58, 0.66])


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


def test_holm_is_that_of_statsmodels_and_counts_what_was_not_tested() -> None:
    p_values = [0.04, 0.001, float("nan"), 0.03, 0.6, 0.03]
    expected = multipletests([1.0 if np.isnan(p) else p for p in p_values], method="holm")[1]
    expected[2] = np.nan
    assert estimates.holm(p_values) == pytest.approx(expected, nan_ok=True)
    assert estimates.holm([p_values, p_values])[1] == pytest.approx(expected, nan_ok=True)
    assert estimates.holm([]).shape == (0,)


def test_t_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    intervals = [estimates.estimate(rng.normal(0.5, 0.1, 3)) for _ in range(2000)]
    assert np.mean([i.low <= 0.5 <= i.high for i in intervals]) == pytest.approx(0.95, abs=0.015)

import ast
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.weightstats import ttost_paired

from analysis.inference import decision
from analysis.inference.decision import Effects, estimate_effects, satterthwaite, weigh

PAIR = np.array([[1.0, -1.0]])
SCORES = np.array([[0.61, 0.64, 0.58, 0.66], [0.55, 0.61, 0.57, 0.60]])


def one_claim(
    mean: float, seed_variance: float, n: int, image_variance: float = 0.0, image_df: float = 10.0
) -> Effects:
    numbers = (mean, seed_variance, n - 1.0, image_variance, image_df, float(n))
    return Effects(*(np.array([number]) for number in numbers))


def test_of_two_settings_the_test_is_the_paired_t_test() -> None:
    found = estimate_effects(SCORES, PAIR)
    expected = scipy.stats.ttest_rel(*SCORES)
    assert weigh(found, np.nan).p_value[0] == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.9)
    ends = found.mean[0] - found.reach(0.9)[0], found.mean[0] + found.reach(0.9)[0]
    assert ends == pytest.approx((interval.low, interval.high))


def test_equivalence_is_two_one_sided_tests() -> None:
    found = weigh(estimate_effects(SCORES, PAIR), np.array([0.1]))
    assert found.p_for[0] == pytest.approx(ttost_paired(*SCORES, -0.1, 0.1)[0])


def test_an_effect_beyond_the_margin_speaks_against_equivalence() -> None:
    found = weigh(one_claim(0.3, 0.01, 4), np.array([0.1]))
    assert found.p_against[0] == pytest.approx(2 * scipy.stats.t.sf((0.3 - 0.1) / 0.05, 3))
    assert found.p_for[0] > 0.9


def test_seeds_and_images_add_up_worked_by_hand() -> None:
    # Seeds 0.04 / 4 = 0.01 with 3 degrees of freedom, images 0.02 with 10:
    # 0.03^2 / (0.01^2 / 3 + 0.02^2 / 10) = 0.0009 / (0.00003333 + 0.00004) = 12.27
    found = one_claim(0.5, 0.04, 4, 0.02)
    assert found.variance[0] == pytest.approx(0.03)
    assert found.df[0] == pytest.approx(12.2727, abs=1e-4)
    assert satterthwaite(np.array(1.0), np.array(3.0), np.array(0.0), np.array(np.inf)) == pytest.approx(3)


def test_equal_spreads_are_pooled_and_a_wider_claim_loses_the_pools_degrees_of_freedom() -> None:
    # Residuals of setting + seed are +-1/2, +-1 in every row of a table like this, so all spreads are alike.
    rng = np.random.default_rng(0)
    table = rng.normal(0, 1, (4000, 6, 5))
    contrasts = np.array([[1.0, -1, 0, 0, 0, 0], [0, 0, 0, 0, 1, -1]])
    alike = estimate_effects(table, contrasts)
    assert alike.seed_df.max() == 20  # (6 - 1) (5 - 1)
    assert alike.seed_df.min() >= 4  # those of the paired t alone
    table[:, :2] *= 6
    wide = estimate_effects(table, contrasts)
    assert np.median(wide.seed_df[:, 0]) < 12
    assert (wide.seed_df[:, 1] == 20).mean() > 0.99
    assert wide.seed_variance[:, 0].mean() == pytest.approx(2 * 36, rel=0.15)


def test_residuals_and_leverages_are_those_of_least_squares_where_seeds_are_missing() -> None:
    table = np.random.default_rng(1).normal(size=(4, 6))
    table[0, 4:] = table[2, 1] = np.nan
    present = ~np.isnan(table)
    design = np.array([[*(s == np.arange(4)), *(j == np.arange(6))] for s, j in np.argwhere(present)], dtype=float)
    hat = design @ np.linalg.pinv(design)
    residuals, free = decision._residuals(table[None], present)
    assert residuals[0][present] == pytest.approx(table[present] - hat @ table[present])
    assert free[present] == pytest.approx(1 - np.diag(hat))
    assert not free[~present].any()
    assert free.sum() == pytest.approx(21 - 9)


def test_a_claim_stands_on_the_seeds_that_all_its_settings_have() -> None:
    table = np.array([[1.0, 2.0, np.nan, 5.0], [0.5, 1.0, 9.0, 3.0], [0.0, 1.0, 1.0, 0.0]])
    found = estimate_effects(table, np.array([[1.0, -1, 0], [0, 1, -1]]))
    assert found.n.tolist() == [3, 4]
    assert found.mean.tolist() == pytest.approx([(0.5 + 1 + 2) / 3, (0.5 + 0 + 8 + 3) / 4])


@pytest.mark.parametrize("table", [[[0.1], [0.2]], [[0.1, 0.2, 0.3], [0.0, 0.1, 0.2]], [[np.nan, 0.1], [0.2, np.nan]]])
def test_without_spread_or_a_second_seed_there_is_no_p_value(table: list[list[float]]) -> None:
    found = weigh(estimate_effects(np.array(table), PAIR, 0.01), np.nan)
    assert np.isnan(found.p_value).all()


def test_leading_indices_are_independent_studies() -> None:
    studies = np.stack([SCORES, SCORES[::-1] * 2, SCORES + 0.1])
    together = estimate_effects(studies, PAIR, 0.001, 5)
    for study, index in zip(studies, range(3), strict=True):
        alone = estimate_effects(study, PAIR, 0.001, 5)
        assert together.mean[index] == pytest.approx(alone.mean)
        assert together.df[index] == pytest.approx(alone.df)


@pytest.mark.parametrize("name", ["decision", "estimates", "outlook", "spending", "resampling", "tuning"])
def test_what_the_queue_of_a_sweep_may_ask_needs_no_frames_and_no_files(name: str) -> None:
    tree = ast.parse((Path(__file__).parents[3] / f"analysis/inference/{name}.py").read_text())
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not [module for module in modules if module.startswith(("pandas", "pathlib", "analysis.read", "segtrain"))]

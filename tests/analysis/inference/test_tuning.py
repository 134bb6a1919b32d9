import numpy as np
import pytest

from analysis.inference import tuning


def test_a_setting_at_which_seeds_diverge_loses_against_one_at_which_none_does() -> None:
    assert tuning.choose([0.9, 0.6, 0.7], [1 / 3, 0, 0]) == 2
    assert tuning.choose([0.9, 0.6], [1 / 3, 2 / 3]) == 0


def test_complete_settings_come_first_and_the_earlier_one_wins_a_tie() -> None:
    assert tuning.choose([0.9, 0.6, 0.6], [0, 0, 0], [True, False, False]) == 1
    assert tuning.choose([0.5, 0.9], [0, 0], [True, True]) == 1


def test_what_has_no_score_is_not_chosen() -> None:
    assert tuning.choose([np.nan, 0.1], [0, 1]) == 1
    assert tuning.choose([np.nan], [0]) is None
    assert tuning.choose([], []) is None


def test_flattery_worked_by_hand() -> None:
    # Together the seeds choose setting 0, tested 0.9 and 0.7: 0.8. By seed 1 alone seed 0 would have had setting 1,
    # tested 0.5; by seed 0 alone seed 1 would have had setting 0, tested 0.7: 0.6.
    validation, test = np.array([[0.9, 0.5], [0.4, 0.6]]), np.array([[0.9, 0.7], [0.5, 0.6]])
    assert tuning.flattery(validation, test) == pytest.approx(0.2)


def test_choosing_among_equal_settings_on_noise_flatters_and_the_estimate_says_so() -> None:
    rng = np.random.default_rng(0)
    shown, said = [], []
    for _ in range(2000):
        scores = rng.normal(0, 1, (6, 5))
        shown.append(scores[scores.mean(1).argmax()].mean())
        said.append(tuning.flattery(scores, scores))
    assert np.mean(shown) == pytest.approx(0.567, abs=0.03)  # the largest of six means of five
    assert np.mean(said) == pytest.approx(np.mean(shown), abs=0.05)


@pytest.mark.parametrize("table", [[[0.1, 0.2]], [[0.1], [0.2]], [[0.1, np.nan], [0.2, 0.3]]])
def test_without_a_choice_or_a_second_seed_nothing_is_said(table: list[list[float]]) -> None:
    assert np.isnan(tuning.flattery(np.array(table), np.array(table)))


def test_a_side_with_more_tries_is_named() -> None:
    assert tuning.more_tries(3, 3) == ""
    assert tuning.more_tries(6, 3) == "the left side had more tries: it was chosen among 6 settings, the other among 3"
    assert tuning.more_tries(1, 3) == "the right side had more tries: it was chosen among 3 settings, the other among 1"

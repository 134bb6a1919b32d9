import numpy as np
import pytest

from analysis.inference import spending
from analysis.inference.spending import FIRST_SHARE, Look, next_share, over_looks, planned_seeds, read_looks


@pytest.mark.parametrize(
    ("most", "expected"), [(20, (3, 5, 8, 12, 20)), (10, (3, 5, 8, 10)), (3, (3,)), (30, (3, 5, 8, 12, 20, 30))]
)
def test_the_looks_end_at_the_most_seeds(most: int, expected: tuple[int, ...]) -> None:
    assert planned_seeds(most) == expected


@pytest.mark.parametrize("most", [None, 20])
def test_all_shares_together_are_never_more_than_the_error(most: int | None) -> None:
    taken: list[Look] = []
    for seeds in (*spending.PLANNED, 25, 40):
        taken.append(Look(seeds, next_share(taken, seeds, most)))
    assert sum(look.share for look in taken) <= 1 + 1e-12
    assert all(look.share >= 0 for look in taken)


def test_a_planned_look_takes_what_it_adds_and_one_by_hand_half_of_what_is_left() -> None:
    assert next_share([], 3, 20) == pytest.approx(0.15)
    assert next_share([Look(3, 0.15)], 5, 20) == pytest.approx(0.1)
    assert next_share([], 3) == FIRST_SHARE
    assert next_share([Look(3, 0.8)], 5) == pytest.approx(0.1)
    assert next_share([Look(3, 0.15), Look(5, 0.1)], 9) == pytest.approx(0.375)
    assert next_share([Look(20, 1.0)], 25, 30) == 0


def test_the_smallest_scaled_p_value_of_all_looks_counts() -> None:
    p_values = np.array([[0.01, 0.5, np.nan, np.nan], [0.04, 0.02, 0.01, np.nan]])
    found = over_looks(p_values, np.array([0.8, 0.1]))
    assert found == pytest.approx([0.0125, 0.2, 0.1, np.nan], nan_ok=True)


def test_a_share_of_nothing_decides_nothing() -> None:
    assert over_looks(np.array([[1e-9]]), np.array([0.0])).tolist() == [1.0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([3], "a look is 3; allowed: an object with seeds, above 0, and share, from 0 to 1"),
        (
            [{"seeds": 3, "share": 2}],
            r"a look is \{'seeds': 3, 'share': 2\}; allowed: an object with seeds, above 0, .*",
        ),
        ([{"seeds": 3, "share": 0.8}] * 2, "the shares of the looks add up to 1.6; allowed: at most 1"),
    ],
)
def test_looks_that_nobody_can_have_taken(values: list[object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        read_looks(values)

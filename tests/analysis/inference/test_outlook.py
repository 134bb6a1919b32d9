import pytest
from scipy.stats import norm, t

from analysis.inference.outlook import FARTHEST, Lack, Standing, chance, lack_text, lacks

LEVEL = 0.05


def claim(mean: float) -> Standing:
    return Standing(mean, 2.0, 8.0, 0.16, 232.0, n=3, images=233)


def test_a_chance_worked_by_hand() -> None:
    # Known spreads: with 8 seeds the standard error is 0.5, so 1.96 * 0.5 must be beaten by an effect of 2 that the
    # five further seeds move by sqrt(2 (1 / 3 - 1 / 8)) = 0.6455.
    found = chance(Standing(2.0, 2.0, 1e9, 0.0, 1.0, n=3), 8, LEVEL)
    assert found == pytest.approx(norm.cdf((2 - 1.959964 * 0.5) / 0.645497), abs=1e-4)


def test_what_decides_as_likely_as_not_is_the_first_number_of_seeds_at_which_the_effect_seen_would_do() -> None:
    standing = claim(1.6)
    lack = lacks(standing, lambda seeds: LEVEL, 20)
    assert lack.seeds is not None

    def would_do(total: int) -> bool:
        seeds = 2.0 / total
        df = (seeds + 0.16) ** 2 / (seeds**2 / (8 * (total - 1) / 2) + 0.16**2 / 232)
        return t.isf(LEVEL / 2, df) * (seeds + 0.16) ** 0.5 <= 1.6

    assert would_do(3 + lack.seeds)
    assert not would_do(2 + lack.seeds)
    assert not lack.hopeless
    assert lack_text(lack, 3, 20) == f"about {lack.seeds} more seeds"


def test_where_images_alone_vary_too_much_seeds_are_hopeless_and_images_are_counted() -> None:
    # 0.6 against 1.96 * 0.5 over images alone. With 21 seeds of variance 0.2 each, (0.6 / 1.96)^2 - 0.2 / 21 = 0.0842
    # is what the images may contribute.
    lack = lacks(Standing(0.6, 0.2, 1e6, 0.25, 1e6, n=20, images=100), lambda seeds: LEVEL, 20)
    assert lack.seeds is None
    assert lack.hopeless
    assert lack.images == pytest.approx(100 * (0.25 / ((0.6 / 1.959964) ** 2 - 0.2 / 21) - 1), abs=1)
    assert lack_text(lack, 20, 20) == f"more seeds cannot decide it; about {lack.images} more test images, at 20 seeds"


def test_an_effect_of_nothing_lacks_more_than_anybody_trains() -> None:
    lack = lacks(Standing(0.0, 2.0, 8.0, 0.0, 1.0, n=3), lambda seeds: LEVEL, 20)
    assert lack.seeds is None
    assert lack.images is None
    assert lack_text(lack, 3, 20).startswith(f"more than {FARTHEST} seeds: ")


def test_equivalence_lacks_seeds_by_its_distance_from_the_margin() -> None:
    inside = lacks(Standing(0.2, 2.0, 20.0, 0.0, 1.0, n=5, margin=2.0), lambda seeds: LEVEL, 20)
    edge = lacks(Standing(1.9, 2.0, 20.0, 0.0, 1.0, n=5, margin=2.0), lambda seeds: LEVEL, 20)
    beyond = lacks(Standing(3.8, 2.0, 20.0, 0.0, 1.0, n=5, margin=2.0), lambda seeds: LEVEL, 20)
    assert inside.seeds is not None
    assert beyond.seeds is not None
    assert edge.seeds is None or edge.seeds > 100
    assert beyond.seeds >= inside.seeds  # two sides to be tested beyond, one within


def test_no_error_left_is_no_chance() -> None:
    assert chance(claim(9.0), 20, 0.0) == 0
    assert lacks(claim(9.0), lambda seeds: 0.0, 20) == Lack(None, None, True)


def test_one_seed_is_one() -> None:
    assert lack_text(Lack(1, None, False), 3, 20) == "about 1 more seed"
    assert lack_text(Lack(40, 12, False), 3, 20).endswith(
        "than the 20 that a study trains, or about 12 more test images, at 20 seeds"
    )

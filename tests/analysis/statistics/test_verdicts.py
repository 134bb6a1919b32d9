"""A small benchmarks/verdicts.py with fixed draws: what its tables promise, within what so few studies can show."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from analysis.inference.spending import FIRST_SHARE

STUDIES = 1000
ERROR = 100 * (0.05 * 0.95 / STUDIES) ** 0.5  # of 5 %, in points


@pytest.fixture(scope="module")
def verdicts() -> ModuleType:
    path = Path(__file__).parents[3] / "benchmarks/verdicts.py"
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module  # its dataclasses look themselves up
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_nothing_true_is_seldom_decided_and_intervals_hold(verdicts: ModuleType, seeds: int) -> None:
    found = verdicts.fixed(verdicts.OURS[0], verdicts.NOTHING, seeds, STUDIES, np.random.default_rng(seeds))
    false, covered, worst = found.row()
    assert 0.5 < false < 100 * FIRST_SHARE * 0.05 + 2 * ERROR
    assert covered == pytest.approx(95, abs=2)
    assert worst > 92


@pytest.mark.parametrize("index", range(5))
def test_in_the_wild_three_seeds_decide_wrongly_in_7_percent_at_most(verdicts: ModuleType, index: int) -> None:
    world = verdicts.WILD[index]
    found = verdicts.fixed(world, verdicts.NOTHING, 3, STUDIES, np.random.default_rng(index))
    false, covered, worst = found.row()
    assert false < 7 + 2 * ERROR
    assert covered > 92 + ERROR
    assert worst > 92 - 2 * ERROR


def test_three_seeds_find_three_points_about_every_second_time(verdicts: ModuleType) -> None:
    found = verdicts.fixed(verdicts.OURS[0], 3 * verdicts.LADDER, 3, STUDIES, np.random.default_rng(0))
    assert found.found[:4].sum() / STUDIES / 4 > 0.45
    assert found.false / STUDIES < 0.05 + ERROR / 100


def test_looks_until_decided_keep_the_error_and_find_three_points_in_eight_seeds(verdicts: ModuleType) -> None:
    rng, world = np.random.default_rng(0), verdicts.OURS[0]
    assert verdicts.until_decided(world, verdicts.NOTHING, STUDIES, rng).row()[0] < 5 + 2 * ERROR
    found = verdicts.until_decided(world, 3 * verdicts.LADDER, STUDIES, rng)
    assert found.found[:4].sum() / STUDIES / 4 > 0.98
    assert found.trained[:4].sum() / STUDIES / 4 < 8
    assert verdicts.until_decided(world, verdicts.NOTHING, STUDIES, rng, (3, 5, 10)).row()[0] < 5 + 2 * ERROR


@pytest.mark.parametrize(("groups", "frames"), [(2, 100), (12, 20)])
def test_intervals_over_images_hold_where_neighbours_are_alike(verdicts: ModuleType, groups: int, frames: int) -> None:
    rng = np.random.default_rng(0)
    assert verdicts.clustered(groups, frames, "groups", 150, rng) > 88
    if groups == 12:
        assert verdicts.clustered(groups, frames, "images", 150, rng) < 85

from typing import Any

import pytest

from analysis.read.frames import load
from analysis.statistics import cells


def test_each_model_and_freeze_shows_its_best_seed(builder: Any) -> None:
    builder.trial([0.4], lr=0.1)
    builder.trial([0.5], lr=0.2, seed=0)
    best = builder.trial([0.7], lr=0.2, seed=1)
    frozen = builder.trial([0.3], freeze="encoder")
    found = cells.shown(load(builder.write()))
    assert found["name"].tolist() == ["fcn8s, unfreeze", "fcn8s, freeze"]
    assert found["trial_id"].tolist() == [best.name, frozen.name]


def test_class_differences_are_paired_by_seed_and_name_the_best(builder: Any) -> None:
    for seed, (left, right) in enumerate([(0.5, 0.6), (0.4, 0.6)]):
        builder.trial([0.9], iou=[left, None], seed=seed)
        builder.trial([0.1], iou=[right, 0.2], seed=seed, freeze="encoder")
    builder.trial([0.1], iou=[0.0, 0.2], seed=7, freeze="encoder")  # a seed that the other has not
    road, sky = cells.class_differences(load(builder.write())).to_dict("records")
    assert (road["best"], road["name"], road["class_name"]) == ("fcn8s, unfreeze", "fcn8s, freeze", "road")
    assert (road["mean"], road["n"]) == (pytest.approx(-0.15), 2)
    assert road["high"] == pytest.approx(-0.15 + 12.7062 * 0.05, abs=1e-4)
    assert sky["n"] == 0


def test_how_the_seeds_of_each_setting_ended_is_counted(builder: Any) -> None:
    builder.trial(seed=0)
    builder.trial(seed=1, state="diverged")
    builder.trial(seed=2, state="failed")
    builder.trial(seed=3, state="running")
    builder.trial(lr=0.1, state="diverged")
    first, second = cells.endings(load(builder.write())).to_dict("records")
    keys = ("finished", "diverged", "failed", "other", "planned")
    assert [first[key] for key in keys] == [1, 1, 1, 1, 4]
    assert [second[key] for key in keys] == [0, 1, 0, 0, 1]
    assert cells.ending_text(2, 1) == "2 diverged, 1 failed"
    assert cells.ending_text(0, 0) == ""

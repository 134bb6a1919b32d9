"""The best model is that of the best setting, not the luckiest seed."""

import shlex
from typing import Any

from analysis.read.frames import load
from analysis.statistics.ranking import best_lines, ranked_models


def test_the_mean_over_seeds_decides_and_the_best_seed_is_named(builder: Any) -> None:
    builder.trial([0.9], arch="fcn32s", seed=0)
    builder.trial([0.1], arch="fcn32s", seed=1)
    builder.trial([0.6], arch="fcn8s", seed=0)
    best = builder.trial([0.7], arch="fcn8s", seed=1)
    study = load(builder.write())
    assert best_lines([study]) == [
        f"best model on scenes by val/mean_iou: {best.name}, mean over 2 seeds 65.00 %",
        f"  in {best}",
        f"  python -m segtrain predict {best} IMAGES --out predictions",
    ]


def test_every_dataset_has_a_best_and_paths_are_quoted(builder: Any) -> None:
    builder.out = builder.out / "two words"
    first = builder.trial([0.9], arch="fcn32s", dataset="animals")
    second = builder.trial([0.1], arch="fcn8s")
    lines = best_lines([load(builder.write())])
    assert [shlex.split(line)[4] for line in lines[2::3]] == [str(first), str(second)]
    assert "mean over" not in "".join(lines)


def test_a_setting_at_which_a_seed_diverged_comes_last_over_studies_too(builder: Any) -> None:
    builder.trial([0.9], arch="fcn32s", seed=0)
    builder.trial([0.9], arch="fcn32s", seed=1, state="diverged")
    calm = builder.trial([0.2], arch="fcn8s", seed=0)
    study = load(builder.write())
    assert ranked_models([study])["model"].tolist() == ["fcn8s", "fcn32s"]
    assert best_lines([study])[1] == f"  in {calm}"


def test_nothing_finished_has_no_best(builder: Any) -> None:
    builder.enter(builder.config())
    assert best_lines([load(builder.write())]) == []

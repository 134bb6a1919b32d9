from typing import Any

import pandas as pd
import pytest

import analysis

CLAIM = {
    "text": "8s > 32s",
    "source": "a report",
    "left": {"arch": "fcn8s"},
    "right": {"arch": "fcn32s"},
    "published": {"left": 0.8, "right": 0.7},
}


def test_settings_and_judgements_are_frames_of_the_study(builder: Any) -> None:
    for seed, (eight, thirty_two) in enumerate([(0.60, 0.50), (0.62, 0.51), (0.61, 0.53)]):
        builder.trial(test=eight, arch="fcn8s", seed=seed)
        builder.trial(test=thirty_two, arch="fcn32s", seed=seed)
    study = analysis.load(builder.write(claims=[CLAIM, "in words only"]))
    assert study.settings["test/mean_iou"].tolist() == pytest.approx([0.61, 0.5133333])
    first, second = study.judgements.to_dict("records")
    assert (first["claim"], first["verdict"], first["metric"]) == ("8s > 32s", "holds", "test/mean_iou")
    assert first["effect"] == pytest.approx(0.29 / 3)
    assert first["low"] < first["effect"] < first["high"]
    assert (first["seeds"], first["published"]) == (3, pytest.approx(0.1))
    assert second["verdict"] == "undecided"
    assert pd.isna(second["effect"])
    assert max(map(len, [repr(study), *map(repr, study.judgements["claim"])])) < 120


def test_beside_the_trials_no_trial_is_lost_and_none_is_doubled(builder: Any) -> None:
    builder.trial([0.2, 0.4], arch="fcn8s")
    builder.enter(builder.config(arch="fcn16s"))  # not started: it has no epochs and no classes
    study = analysis.load(builder.write())
    joined = study.beside_trials(study.epochs)
    assert joined["arch"].tolist() == ["fcn8s", "fcn8s", "fcn16s"]
    assert joined["val/mean_iou"].tolist()[:2] == [0.2, 0.4]
    assert joined["val/mean_iou"].isna().tolist() == [False, False, True]
    with pytest.raises(ValueError, match="the study has no trials another; it has 2 others"):
        study.beside_trials(study.epochs.assign(trial_id="another"))


def test_a_judgement_is_shown_in_a_line(builder: Any) -> None:
    from analysis.statistics.claims import judge_all

    for seed in range(2):
        builder.trial(test=0.6 + seed / 100, arch="fcn8s", seed=seed)
        builder.trial(test=0.5, arch="fcn32s", seed=seed)
    (found,) = judge_all(analysis.load(builder.write(claims=[CLAIM])))
    assert repr(found).startswith("<8s > 32s: holds, +0.105 [+0.0")
    assert repr(found).endswith("] (n=2)>")

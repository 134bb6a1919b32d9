from dataclasses import replace
from typing import Any

import pytest

from analysis.draw.charts.forest_chart import forest, strength
from analysis.read.frames import load
from analysis.report import answers
from analysis.statistics import claims
from analysis.statistics.claims import Judgement

SIDES = {"left": {"freeze": "none"}, "right": {"freeze": "encoder"}}


@pytest.fixture
def judged(builder: Any) -> list[Judgement]:
    """Fine-tuned is 0.2 better, a little more or less by seed, and about as fast; the fourth claim names nothing."""
    for seed in range(4):
        builder.trial(test=0.5 + seed / 1000, seed=seed)
        builder.trial(test=0.3 - seed / 1000, seed=seed, freeze="encoder", runtime_s=60 + seed)
    stated = [
        {"text": "as fast", "metric": "runtime_s", **SIDES},
        {"text": "close", "kind": "equivalent", "margin": 0.1, **SIDES},
        {"text": "better", "published": {"left": 0.9, "right": 0.6}, **SIDES},
        {"text": "no such", "left": {"arch": "unet"}, "right": {"arch": "fcn8s"}},
    ]
    return claims.judge_all(load(builder.write(claims=stated)))


def test_claims_stand_strongest_first(judged: list[Judgement]) -> None:
    ordered = answers.strongest_first(judged)
    assert [judgement.text for judgement in ordered] == ["close", "better", "as fast", "no such"]
    assert [strength(judgement)[0] for judgement in ordered] == [0, 0, 1, 2]
    better = judged[2]
    wide = replace(better, effect=replace(better.effect, low=-0.1, high=0.5))
    assert answers.strongest_first([wide, better]) == [better, wide]


def test_a_forest_has_the_effect_its_interval_the_margin_and_what_was_published(judged: list[Judgement]) -> None:
    chart = forest(answers.strongest_first(judged))
    assert chart is not None
    points, seconds = chart.facets
    assert (points.y.categories, seconds.y.categories) == (["1", "2"], ["3"])
    assert (points.y.in_words, points.x.title) == (["1. close", "2. better"], "test mean IoU [points]")
    margin, close, better, published = points.series
    assert (margin.low, margin.high) == ([-10], [10])
    assert (close.y, close.x) == (["1"], pytest.approx([20.3]))
    assert (better.low or [0])[0] == pytest.approx(100 * judged[2].effect.low)
    assert (published.y, published.x) == (["2"], pytest.approx([30]))
    assert (better.group, seconds.series[0].group) == ("holds", "undecided")
    assert forest([judged[3]]) is None


def test_a_claim_within_a_margin_is_shown_with_its_own_interval(judged: list[Judgement]) -> None:
    close = replace(judged[1], within=(0.19, 0.21))
    assert "90 % interval [+19.00, +21.00], asked to lie within ±10" in answers.sentence(close)
    assert "95 % interval" in answers.sentence(judged[2])


def test_an_answer_is_a_sentence(judged: list[Judgement]) -> None:
    better = judged[2]
    low, high = 100 * better.effect.low, 100 * better.effect.high
    expected = f"+20.30 points, 95 % interval [+{low:.2f}, +{high:.2f}], 4 seeds; published +30.00"
    assert answers.sentence(better) == expected
    worse = replace(better, effect=replace(better.effect, mean=-0.2, low=float("nan"), high=float("nan"), n=1))
    assert answers.sentence(worse) == "−20.00 points, 1 seed; published +30.00"
    assert answers.sentence(judged[3]) == "the study has no trials to compare: a side selects none."
    assert answers.lack(better) == ""

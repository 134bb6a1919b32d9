"""Claims that compare two numbers of the same trials: the border is harder than the pet."""

from typing import Any

import pytest
import scipy.stats

from analysis.draw.metric_words import unit_of, words_of
from analysis.inference.spending import FIRST_SHARE
from analysis.read.frames import load
from analysis.statistics.claim_metrics import terms_of
from analysis.statistics.claims import judge_all
from analysis.statistics.declared import read_claim
from tests.analysis.conftest import counts

HARDER = {"text": "sky is harder than road", "left": {"arch": "fcn8s"}, "metric": "iou[road] - iou[sky]"}
ROAD, SKY = [0.60, 0.64, 0.62], [0.50, 0.52, 0.49]


def build(builder: Any, **fields: Any) -> None:
    for seed, (road, sky) in enumerate(zip(ROAD, SKY, strict=True)):
        builder.trial(arch="fcn8s", seed=seed, iou=(road, sky), **fields)
        builder.trial(arch="fcn16s", seed=seed, iou=(sky, road), **fields)


def judge(builder: Any, claim: Any) -> Any:
    (found,) = judge_all(load(builder.write(claims=[claim], axes={"arch": ["fcn8s", "fcn16s"]})))
    return found


def test_it_is_the_paired_t_test_over_the_seeds_of_one_setting(builder: Any) -> None:
    build(builder)
    found = judge(builder, HARDER)
    expected = scipy.stats.ttest_rel(ROAD, SKY)
    assert found.p_single == pytest.approx(expected.pvalue)
    assert found.p_value == pytest.approx(expected.pvalue / FIRST_SHARE)
    assert (found.effect.low, found.effect.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert found.verdict == "holds"
    assert judge(builder, HARDER | {"left": {"arch": "fcn16s"}}).verdict == "contradicted"


def test_a_study_of_one_setting_can_decide_it(builder: Any) -> None:
    for seed, (road, sky) in enumerate(zip(ROAD, SKY, strict=True)):
        builder.trial(arch="fcn8s", seed=seed, iou=(road, sky))
    found = judge(builder, HARDER)
    assert found.p_single == pytest.approx(scipy.stats.ttest_rel(ROAD, SKY).pvalue)


def test_what_a_seed_does_to_all_settings_is_in_its_variance(builder: Any) -> None:
    """Unlike in a comparison of settings, where it cancels."""
    for seed, shift in enumerate((-0.1, 0.0, 0.12)):
        for number, arch in enumerate(("fcn8s", "fcn16s", "fcn32s")):
            builder.trial(arch=arch, seed=seed, iou=(0.6 + shift + number / 100, 0.5))
    found = judge(builder, HARDER)
    assert found.p_single == pytest.approx(scipy.stats.ttest_1samp([0.0, 0.1, 0.22], 0).pvalue)


def test_both_numbers_are_of_the_same_test_images(builder: Any) -> None:
    build(builder, counts=counts([0.8, 0.9, 0.85, 0.9]))
    found = judge(builder, HARDER)
    assert found.images is not None
    # The matrices are symmetric, so the two classes' IoUs are equal in every draw.
    assert found.images == (0.0, 0.0)
    assert found.image_share == 0


def test_a_diverged_seed_is_on_both_sides_and_so_on_none(builder: Any) -> None:
    build(builder)
    builder.trial(arch="fcn8s", seed=3, state="diverged")
    found = judge(builder, HARDER)
    assert (found.left.diverged, found.right.diverged, found.verdict) == (1, 1, "holds")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metric": "iou[road]"}, "its right side names no trials"),
        ({"metric": "iou[road] - test/mean_iou"}, "allowed: one metric, or a difference of two of one kind"),
        ({"metric": "iou[a] - iou[b] - iou[c]"}, "allowed: one metric, or a difference of two of one kind"),
        ({"metric": "iou[road] - sky"}, "its metric is 'sky'"),
        ({"gain": {"field": "freeze", "from": "encoder", "to": "none"}}, "its right side names no trials"),
    ],
)
def test_a_claim_that_is_none_says_why(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_claim(HARDER | changes)


def test_a_minus_within_a_classs_name_is_none() -> None:
    assert terms_of("iou[road - wet] - iou[sky]") == ("iou[road - wet]", "iou[sky]")
    assert words_of("iou[pet] - iou[border]") == "IoU of pet minus IoU of border"
    assert unit_of("iou[pet] - iou[border]").name == "points"

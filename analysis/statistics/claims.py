"""What a study expects -> a verdict: holds, contradicted or undecided.

A claim says that a metric is greater on its left side than on its right, or, with a margin, that the two differ by
less than that. How it is decided:

1. Sides. A side names trials by fields of their config or by their variant. With a `gain` (a field, from, to) a side's
   score is what it gains when the field changes. The two sides are compared within each cell: each combination of
   the axes that the claim does not name. Learning rate, weight decay and batch size make no cells: each side takes
   the values that validate best for it, so that none is judged at a rate that suits the other.
2. Seeds. Trials are paired by seed, and the differences of one seed are averaged over the cells. Cells share their
   seeds, so they are no replicates of each other: n is the number of seeds that have every cell, and the test is
   Student's paired t over those. It sees the randomness of training, on this test set.
3. Images. For test/mean_iou, where every model kept its confusion matrix of each image, the same test images are drawn
   with replacement for both sides. This sees the chance of these test images, for these trained models.
4. Both must agree: a claim's p-value is the larger of the two (an intersection-union test: it needs no correction).
   One seed decides nothing, however many images there are: the difference may be that of two random starts.
5. Holm's adjustment over the study's claims that could be tested. Below 0.05 the claim holds or is contradicted, by
   its direction. A "greater" claim is tested on both sides; an "equivalent" one holds by two one-sided tests (TOST)
   within the margin, and is contradicted when the difference is tested to be beyond it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from analysis.read.frames import TRIAL_DTYPES, Study
from analysis.statistics import contrasts, estimates
from analysis.statistics.contrasts import Differences, TestImages
from analysis.statistics.estimates import ALPHA, Estimate, Floats
from segtrain.records import TEST_MEAN_IOU

Verdict = Literal["holds", "contradicted", "undecided"]
Kind = Literal["greater", "equivalent"]

METRICS = tuple(name for name, dtype in TRIAL_DTYPES.items() if dtype == "float64" and name != "lr")
"""What a claim may be about."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    text: str
    source: str = ""
    kind: Kind = "greater"
    left: Mapping[str, Any]
    right: Mapping[str, Any]
    gain: Mapping[str, Any] | None = None  # {"field": name, "from": value, "to": value}
    metric: str = TEST_MEAN_IOU
    margin: float | None = None
    published: Mapping[str, float] | None = None  # {"left": score, "right": score}


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A claim and what the trials say: `effect` is left minus right, a mean over seeds with its t interval; `images` is
    the 95 % interval over test images, None where there is none; `p_value` is Holm's. `reason` says in words why a
    claim is undecided, or what its test is short of."""

    text: str
    source: str
    claim: Claim | None
    verdict: Verdict
    effect: Estimate
    cells: Differences | None
    images: tuple[float, float] | None
    p_value: float
    test: str
    reason: str

    @property
    def metric(self) -> str:
        return self.claim.metric if self.claim else ""


@dataclass(frozen=True)
class Evidence:
    """One-sided p-values for what a claim says and against it; NaN where nothing could be tested."""

    p_for: float
    p_against: float

    @property
    def p_value(self) -> float:
        return min(self.p_for, self.p_against)


def judge_all(study: Study) -> list[Judgement]:
    """One judgement per claim of the study, in its order, Holm-adjusted over those that could be tested."""
    images = TestImages(study)
    found = [_judge(study, images, value) for value in study.claims]
    adjusted = estimates.holm([evidence.p_value for _, evidence in found])
    return [_decide(judgement, evidence, p) for (judgement, evidence), p in zip(found, adjusted, strict=True)]


def read_claim(value: Any) -> Claim:
    """An entry of study.json's `claims`. Raises ValueError saying what it lacks."""
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        raise ValueError("the study states it in words only, so there is nothing to test")
    claim = {name: value[name] for name in Claim.__dataclass_fields__ if value.get(name) is not None}
    for side in ("left", "right"):
        if not isinstance(claim.get(side), dict) or not claim[side]:
            raise ValueError(f"its {side} side names no trials")
    if claim.get("metric", TEST_MEAN_IOU) not in METRICS:
        raise ValueError(f"its metric is {claim['metric']!r}; allowed: {', '.join(METRICS)}")
    if claim.get("kind", "greater") not in ("greater", "equivalent"):
        raise ValueError(f"its kind is {claim['kind']!r}; allowed: greater, equivalent")
    if claim.get("kind") == "equivalent" and not _positive(claim.get("margin")):
        raise ValueError(f"its margin is {claim.get('margin')!r}; allowed: a number > 0")
    if "gain" in claim and not (isinstance(claim["gain"], dict) and {"field", "from", "to"} <= set(claim["gain"])):
        raise ValueError(f"its gain is {claim['gain']!r}; allowed: an object with field, from and to")
    if not _pair_of_numbers(claim.get("published", {"left": 0, "right": 0})):
        raise ValueError(f"its published numbers are {claim['published']!r}; allowed: an object with left and right")
    return Claim(**claim)


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and value > 0


def _pair_of_numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(side), int | float) for side in ("left", "right"))


def _judge(study: Study, images: TestImages, value: Any) -> tuple[Judgement, Evidence]:
    text = str(value["text"]) if isinstance(value, dict) and "text" in value else str(value)
    source = str(value.get("source") or "") if isinstance(value, dict) else ""
    nothing = Judgement(
        text=text, source=source, claim=None, verdict="undecided", effect=estimates.estimate([]), cells=None,
        images=None, p_value=float("nan"), test="none", reason="",
    )  # fmt: skip
    untested = Evidence(float("nan"), float("nan"))
    try:
        claim = read_claim(value)
    except ValueError as error:
        return replace(nothing, reason=str(error)), untested
    found = contrasts.differences(study, contrasts.terms(claim.left, claim.right, claim.gain), claim.metric)
    judgement = replace(nothing, claim=claim, cells=found, effect=estimates.estimate(found.by_seed))
    if not len(found.by_seed):
        return replace(judgement, reason=found.missing), untested
    draws, lack = images.draws(found) if claim.metric == TEST_MEAN_IOU else (None, "")
    if draws is not None:
        low, high = np.quantile(draws, [(1 - estimates.LEVEL) / 2, (1 + estimates.LEVEL) / 2])
        judgement = replace(judgement, images=(float(low), float(high)))
    n = len(found.by_seed)
    if n == 1:
        return replace(judgement, test="none", reason=_and("one seed decides nothing", found.missing)), untested
    if not estimates.has_spread(found.by_seed):
        reason = f"all {n} seeds gave the same difference, which leaves no spread to test it against"
        return replace(judgement, reason=_and(reason, found.missing)), untested
    evidence = weigh(claim.kind, found.by_seed, draws, claim.margin or 0.0)
    test = f"{'paired t' if claim.kind == 'greater' else 'TOST, paired t'} over {n} seeds"
    test += "" if draws is None else f" and bootstrap over {images.count} test images"
    return replace(judgement, test=test, reason=_and(lack, found.missing)), evidence


def weigh(kind: Kind, by_seed: Floats, draws: Floats | None, margin: float) -> Evidence:
    """The evidence of at least two seeds' differences and, unless None, of the bootstrap's draws."""
    tests: list[tuple[Floats, Callable[[Floats, float], float]]] = [(by_seed, estimates.p_greater)]
    if draws is not None:
        tests.append((draws, estimates.share_at_most))
    above = max(test(values, margin) for values, test in tests)
    below = max(test(-values, margin) for values, test in tests)
    if kind == "greater":
        return Evidence(min(1.0, 2 * above), min(1.0, 2 * below))
    inside = max(test(side * values, -margin) for values, test in tests for side in (1, -1))
    return Evidence(inside, min(1.0, 2 * above, 2 * below))


def _decide(judgement: Judgement, evidence: Evidence, adjusted: float) -> Judgement:
    if not adjusted < ALPHA:  # NaN, too
        return replace(judgement, p_value=adjusted)
    verdict: Verdict = "holds" if evidence.p_for < evidence.p_against else "contradicted"
    return replace(judgement, p_value=adjusted, verdict=verdict)


def _and(*reasons: str) -> str:
    return "; ".join(reason for reason in reasons if reason)


def count_verdicts(judgements: Iterable[Judgement]) -> dict[Verdict, int]:
    found: Sequence[Verdict] = [judgement.verdict for judgement in judgements]
    order: tuple[Verdict, ...] = ("holds", "contradicted", "undecided")
    return {verdict: found.count(verdict) for verdict in order}

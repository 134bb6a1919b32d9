"""What a study expects -> a verdict: holds, contradicted or undecided.

A claim says that a metric is greater on its left side than on its right, or, with a margin, that the two differ by
less than that. How it is decided:

1. Sides. A side names trials by fields of their config or by their variant. With a `gain` (a field, from, to) a side's
   score is what it gains when the field changes. The two sides are compared within each cell: each combination of
   the axes that the claim does not name. Learning rate, weight decay and batch size make no cells: each side takes
   the values that validate best for it, so that none is judged at a rate that suits the other.
2. One test. Trials are paired by seed, and the differences of one seed are averaged over the cells, which share their
   seeds and so are no replicates. The effect's variance adds what seeds and what test images contribute (`decision`,
   `resampling`); from it come one interval and one p-value. A "greater" claim is tested on both sides; an
   "equivalent" one holds by two one-sided tests (TOST) within the margin, which its 90 % interval shows, and is
   contradicted when the difference is tested to lie beyond it. One seed decides nothing.
3. Looks. What was looked at before has used up part of the error (`spending`).
4. Holm's adjustment over the claims that the study declares, tested or not. Below 0.05 the claim holds or is
   contradicted, by its direction; but nothing is decided in favour of a side of which more seeds diverged.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from analysis.inference import decision, estimates, tuning
from analysis.inference.decision import FEWEST_SEEDS, Effects
from analysis.inference.estimates import ALPHA, LEVEL, RESOLUTION, Estimate
from analysis.inference.outlook import Lack, Standing, lack_text, lacks
from analysis.inference.spending import FIRST_SHARE, Look, next_share, over_looks, read_looks
from analysis.read.frames import Study
from analysis.read.gathering.study_json import REMEDY
from analysis.statistics import claim_metrics, contrasts
from analysis.statistics.claim_metrics import METRICS, Metric
from analysis.statistics.contrasts import NO_TRIALS, Differences, Side
from analysis.statistics.counted import counted
from analysis.statistics.declared import Claim, read_claim
from analysis.statistics.image_chance import ImageChance, TestImages
from analysis.statistics.selection import compared, standings
from segtrain.records import STUDY_FILE, RecordError

Verdict = Literal["holds", "contradicted", "undecided"]

WITHIN_LEVEL = 0.9
"""Of the interval that lies within the margin where two one-sided tests at 0.05 say so."""
MOST_SEEDS = 20
"""What a claim lacks is said up to so many seeds."""

__all__ = ["METRICS", "Claim", "Judgement", "Verdict", "count_verdicts", "judge_all", "read_claim"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Judgement:
    """A claim and what the trials say.

    `effect`: left minus right, a mean over seeds with its 95 % interval, and `within`, the 90 % one that belongs to
    "less than m apart"; both add what seeds and images contribute, and both are of this claim alone. `images`: the 95 %
    interval over test images alone, None where there is none; `image_share` of the variance. `p_single` is this
    claim's p-value at the last look, `p_value` after looks and Holm. `left` and `right` say how many seeds of each side
    finished, diverged and failed, and among how many settings it was chosen. `reason` says in words why a claim is
    undecided, or what its test is short of; `lacks` what would decide an undecided one, and `outlook` that in numbers.
    `flattery`: by how much the choice of settings on the seeds that are compared moves the effect. `counted`: the
    classes that the mean IoUs of the sides count, where not all of them.
    """

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
    within: tuple[float, float] = (float("nan"), float("nan"))
    p_single: float = float("nan")
    standard_error: float = float("nan")
    df: float = float("nan")
    image_share: float = float("nan")
    left: Side = NO_TRIALS
    right: Side = NO_TRIALS
    lacks: str = ""
    outlook: Lack | None = None
    flattery: float = float("nan")
    counted: str = ""

    @property
    def metric(self) -> str:
        return self.claim.metric if self.claim else ""

    def __repr__(self) -> str:
        found = self.effect
        return f"<{self.text}: {self.verdict}, {found.mean:+.4g} [{found.low:+.4g}, {found.high:+.4g}] (n={found.n})>"


@dataclass(frozen=True)
class _Case:
    """A claim that can be read, on its way to a judgement."""

    judgement: Judgement
    claim: Claim
    metric: Metric
    found: Differences
    chance: ImageChance


def judge_all(study: Study) -> list[Judgement]:
    """One judgement per claim of the study, in its order. Raises RecordError on looks that nobody can have taken."""
    images = TestImages(study)
    opened = [_open(study, images, value) for value in study.claims]
    cases = {index: case for index, case in enumerate(opened) if isinstance(case, _Case)}
    judged = dict(zip(cases, _judge(study, images, list(cases.values())), strict=True))
    return [judged[index] if isinstance(case, _Case) else case for index, case in enumerate(opened)]


def _open(study: Study, images: TestImages, value: Any) -> Judgement | _Case:
    """The claim's differences and their images; a judgement where it cannot be read and so is none of the family."""
    text = str(value["text"]) if isinstance(value, dict) and "text" in value else str(value)
    source = str(value.get("source") or "") if isinstance(value, dict) else ""
    nothing = Judgement(
        text=text, source=source, claim=None, verdict="undecided", effect=estimates.estimate([]), cells=None,
        images=None, p_value=float("nan"), test="none", reason="",
    )  # fmt: skip
    try:
        claim = read_claim(value)
    except ValueError as error:
        return replace(nothing, reason=str(error))
    try:
        metric, lack = claim_metrics.find(study, claim.metric), ""
    except ValueError as error:
        metric, lack = Metric({}), str(error)
    contrast = contrasts.terms(claim.left, claim.right, claim.gain)
    found = contrasts.differences(study, contrast, metric.values, claim.metric)
    chance = ImageChance()
    if metric.resample and len(found.by_seed):
        chance = images.chance(found.models, claim.metric, metric.resample)
    judgement = replace(
        nothing, claim=claim, cells=found, images=chance.interval, left=found.left, right=found.right,
        effect=estimates.estimate(found.by_seed), reason=lack,
        flattery=contrasts.flattered(study, found, metric.values),
        counted=counted(study, [trial_id for _, trial_id in found.models], claim.metric),
    )  # fmt: skip
    return _Case(judgement, claim, metric, found, chance)


def _judge(study: Study, images: TestImages, cases: Sequence[_Case]) -> list[Judgement]:
    seeds = sorted({int(seed) for seed in compared(study)["seed"].dropna()})
    try:
        looks = read_looks(study.looks)
    except ValueError as error:
        raise RecordError(f"{study.folder / STUDY_FILE}: {error}; {REMEDY}") from None
    taken = _with_this_one(study, looks, len(seeds))
    weighed = [_weigh(study, case, cases, seeds, taken) for case in cases]
    adjusted = estimates.holm([min(evidence) for _, evidence in weighed])
    undecided = len(cases) - int((adjusted < ALPHA).sum())
    judgements = []
    for case, (found, evidence), p in zip(cases, weighed, adjusted, strict=True):
        judgement = _decide(replace(_measured(case, found, images), p_value=float(p)), evidence)
        if judgement.verdict == "undecided":
            level = partial(_level, taken=taken, undecided=undecided or 1)
            outlook = _outlook(case, found, images, level)
            judgement = replace(judgement, lacks=_lack_words(case, outlook, taken), outlook=outlook)
        judgements.append(judgement)
    return judgements


def _with_this_one(study: Study, looks: Sequence[Look], seeds: int) -> list[Look]:
    """The looks, and this one where it is the first, or where everything has ended and there are more seeds than were
    looked at: those of several commands, none of which asked for all."""
    ended = not standings(study)["unfinished"].any()
    if looks and not (ended and seeds > max(look.seeds for look in looks)):
        return list(looks)
    return [*looks, Look(seeds, next_share(looks, seeds))]


def _weigh(
    study: Study, case: _Case, cases: Sequence[_Case], seeds: Sequence[int], taken: Sequence[Look]
) -> tuple[Effects, tuple[float, float]]:
    """The claim's effect over all seeds, and the p-values for it and against it over the looks taken."""
    alike = {setting for other in cases if other.claim.metric == case.claim.metric for setting in other.found.weights}
    settings = sorted(alike | set(contrasts.winners(study)))
    table = contrasts.scores_of(study, settings, seeds, case.metric.values)
    contrast = np.array([[case.found.weights.get(setting, 0.0) for setting in settings]])
    effects = [
        decision.estimate_effects(table[:, :many], contrast, case.chance.variance, case.chance.df)
        for many in (*(look.seeds for look in taken), len(seeds))
    ]
    margin = np.nan if case.claim.margin is None else case.claim.margin
    evidence = [decision.weigh(effect, margin) for effect in effects[:-1]]
    shares = np.array([look.share for look in taken])
    p_for, p_against = (
        float(over_looks(np.array([side[0] for side in sides]), shares))
        for sides in ([one.p_for for one in evidence], [one.p_against for one in evidence])
    )
    return effects[-1], (p_for, p_against)


def _measured(case: _Case, found: Effects, images: TestImages) -> Judgement:
    """The judgement with its numbers and, where nothing could be tested, why."""
    mean, n = float(found.mean[0]), len(case.found.by_seed)
    judgement, missing = case.judgement, case.found.missing
    if not n:
        return replace(judgement, reason=judgement.reason or missing)
    if n < FEWEST_SEEDS:
        return replace(judgement, reason=_and("one seed decides nothing", missing))
    if np.isnan(found.seed_variance[0]):
        reason = f"all {n} seeds gave the same difference, which leaves no spread to test it against"
        return replace(judgement, reason=_and(reason, missing))
    reach, within = (float(found.reach(level)[0]) for level in (LEVEL, WITHIN_LEVEL))
    one = decision.weigh(found, np.nan if case.claim.margin is None else case.claim.margin)
    units = images.units if case.chance.interval else None
    test = f"{'t' if case.claim.kind == 'greater' else 'TOST, t'} over {n} seeds"
    return replace(
        judgement,
        effect=Estimate(mean, mean - reach, mean + reach, n),
        within=(mean - within, mean + within),
        p_single=float(one.p_value[0]),
        standard_error=float(np.sqrt(found.variance[0])),
        df=float(found.df[0]),
        image_share=float(found.image_variance[0] / found.variance[0]) if units else float("nan"),
        test=test + (f" and {units.words}" if units else ""),
        reason=_and(
            case.chance.lack,
            missing,
            units.limit if units else "",
            tuning.more_tries(case.found.left.tries, case.found.right.tries),
        ),
    )


def _decide(judgement: Judgement, evidence: tuple[float, float]) -> Judgement:
    if not judgement.p_value < ALPHA:  # NaN, too
        return judgement
    p_for, p_against = evidence
    left, right = judgement.left.diverged, judgement.right.diverged
    equal = judgement.claim is not None and judgement.claim.kind == "equivalent" and p_for < p_against
    better, worse = (left, right) if judgement.effect.mean > 0 else (right, left)
    if better > worse or (equal and left != right):
        said = (
            f"seeds diverged, {left} on the left and {right} on the right, which the scores of the others do not show"
        )
        return replace(judgement, reason=_and(said, judgement.reason))
    return replace(judgement, verdict="holds" if p_for < p_against else "contradicted")


def _level(seeds: int, taken: Sequence[Look], undecided: int) -> float:
    """The error that one of the undecided claims may still be decided with at `seeds` seeds."""
    planned = len(taken) > 1 or taken[0].share < FIRST_SHARE / 2
    return ALPHA / undecided * next_share(taken, seeds, MOST_SEEDS if planned else None)


def _outlook(case: _Case, found: Effects, images: TestImages, level: Callable[[int], float]) -> Lack | None:
    """None where there is no spread to reckon with."""
    n = len(case.found.by_seed)
    if n < FEWEST_SEEDS or np.isnan(found.seed_variance[0]):
        return None
    numbers = (found.mean, found.seed_variance, found.seed_df, found.image_variance, found.image_df)
    mean, *variances = (float(number[0]) for number in numbers)
    resampled = images.count if case.chance.interval else 0
    standing = Standing(mean, *variances, n=n, margin=case.claim.margin, images=resampled)
    return lacks(standing, level, MOST_SEEDS)


def _lack_words(case: _Case, outlook: Lack | None, taken: Sequence[Look]) -> str:
    n = len(case.found.by_seed)
    if n and sum(look.share for look in taken) > 1 - RESOLUTION:
        return "a study of its own: the looks taken have spent all of the error"
    return lack_text(outlook, n, MOST_SEEDS) if outlook else "further seeds" if n else ""


def _and(*reasons: str) -> str:
    return "; ".join(reason for reason in reasons if reason)


def count_verdicts(judgements: Iterable[Judgement]) -> dict[Verdict, int]:
    found: Sequence[Verdict] = [judgement.verdict for judgement in judgements]
    order: tuple[Verdict, ...] = ("holds", "contradicted", "undecided")
    return {verdict: found.count(verdict) for verdict in order}

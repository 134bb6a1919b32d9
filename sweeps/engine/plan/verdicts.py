"""What the trials of a study say to its claims so far, and which settings further seeds could say more about."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from analysis.inference.estimates import ALPHA
from analysis.inference.spending import Look
from analysis.read import frames
from analysis.read.gathering.study_json import COMPARED_STAGE
from analysis.statistics.claims import Judgement, judge_all
from segtrain import records
from sweeps.engine.ask.options import Options
from sweeps.engine.ask.study import Study, Trial
from sweeps.engine.plan.cost import duration


@dataclass(frozen=True)
class Verdicts:
    """A judgement of each claim, by the trials that were `found`."""

    found: frames.Study
    judgements: list[Judgement]

    def needed(self) -> frozenset[str]:
        """The ids of the trials whose settings an undecided claim needs further seeds of."""
        settings = {setting for judgement in self.judgements for setting in _needed(judgement)}
        trials = self.found.trials
        return frozenset(trials.loc[trials["setting"].isin(list(settings)), "trial_id"])

    def lines(self) -> list[str]:
        """A line for each claim: its verdict, and what an undecided one lacks."""
        lines = []
        for judgement in self.judgements:
            lack = judgement.lacks + (f", {time} of training" if (time := self._time(judgement)) else "")
            why = [lack and f"lacks: {lack}", judgement.reason] if judgement.verdict == "undecided" else []
            seeds = f"{judgement.effect.n} seed{'' if judgement.effect.n == 1 else 's'}"
            lines.append(f"  {judgement.verdict}: {judgement.text} ({'; '.join(filter(None, [seeds, *why]))})")
        return lines

    def _time(self, judgement: Judgement) -> str:
        """How long the seeds that a claim lacks would train, one trial after the other; blank where that is unknown."""
        if judgement.outlook is None or judgement.outlook.seeds is None or judgement.cells is None:
            return ""
        trials = self.found.trials
        ran = trials[(trials["stage"] == COMPARED_STAGE) & trials["setting"].isin(list(judgement.cells.weights))]
        each = ran.groupby("setting")["runtime_s"].mean().sum()
        return duration(float(each) * judgement.outlook.seeds)


def judge(study: Study, trials: Sequence[Trial], looks: Sequence[Look], options: Options) -> Verdicts:
    """By `trials` alone, whatever others study.json names."""
    described = {**study.describe(trials, options.command), "looks": [asdict(look) for look in looks]}
    found = frames.assemble(records.study_dir(options.out, study.name), described)
    return Verdicts(found, judge_all(found))


def _needed(judgement: Judgement) -> Iterable[int]:
    """The settings of a claim that further seeds may decide. Not where the sides' divergence keeps it undecided, nor
    where two seeds or more differ by nothing: there is no chance that others would average."""
    if judgement.verdict != "undecided" or judgement.cells is None or judgement.p_value < ALPHA:
        return ()
    constant = judgement.outlook is None and judgement.effect.n > 1
    hopeless = judgement.outlook is not None and judgement.outlook.hopeless
    return () if constant or hopeless else judgement.cells.weights

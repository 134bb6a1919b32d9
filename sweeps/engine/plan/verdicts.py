"""What the trials of a study say to its claims so far, and which settings further seeds could say more about."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from analysis.inference.estimates import ALPHA
from analysis.inference.spending import Look
from analysis.read import frames
from analysis.statistics.claims import Judgement, judge_all
from segtrain import records
from sweeps.engine.ask.options import Options
from sweeps.engine.ask.study import Study, Trial


def judge(
    study: Study, trials: Sequence[Trial], looks: Sequence[Look], options: Options
) -> tuple[list[Judgement], frozenset[str]]:
    """A judgement of each claim by `trials` alone; and the ids of those trials whose settings an undecided claim needs
    further seeds of."""
    described = {**study.describe(trials, options.command), "looks": [asdict(look) for look in looks]}
    found = frames.assemble(records.study_dir(options.out, study.name), described)
    judgements = judge_all(found)
    settings = {setting for judgement in judgements for setting in _needed(judgement)}
    wanted = found.trials["setting"].isin(list(settings))
    return judgements, frozenset(found.trials.loc[wanted, "trial_id"])


def _needed(judgement: Judgement) -> Iterable[int]:
    """The settings of a claim that further seeds may decide. Not where the sides' divergence keeps it undecided, nor
    where two seeds or more differ by nothing: there is no chance that others would average."""
    if judgement.verdict != "undecided" or judgement.cells is None or judgement.p_value < ALPHA:
        return ()
    constant = judgement.outlook is None and judgement.effect.n > 1
    hopeless = judgement.outlook is not None and judgement.outlook.hopeless
    return () if constant or hopeless else judgement.cells.weights


def verdict_lines(judgements: Sequence[Judgement]) -> list[str]:
    """A line for each claim: its verdict, and what an undecided one lacks."""
    lines = []
    for judgement in judgements:
        why = "; ".join(part for part in (judgement.lacks, judgement.reason) if part)
        seeds = f"{judgement.effect.n} seed{'' if judgement.effect.n == 1 else 's'}"
        said = f", lacks: {why}" if judgement.verdict == "undecided" and why else ""
        lines.append(f"  {judgement.verdict}: {judgement.text} ({seeds}{said})")
    return lines

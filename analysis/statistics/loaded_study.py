"""A study with what is worked out from its frames: what `analysis.load` gives."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import pandas as pd

from analysis.read.frames import Study
from analysis.statistics import claims, selection
from analysis.statistics.claims import Judgement

LABELS = (
    *("run", "stage", "state", "model", "variant", "arch", "freeze", "dataset"),
    *("setting", "setting_name", "lr", "seed"),
)
"""Columns of `trials` that say which trial a row is about."""


class LoadedStudy(Study):
    """A `Study`, whose frames hold what is on disk, and its settings and verdicts.

    `settings`: one row per setting of the compared trials, a mean over its seeds with its 95 % interval for each score;
    `selection.settings` documents the columns. `judgements`: one row per claim, as `judgement_frame`.
    """

    @classmethod
    def of(cls, study: Study) -> "LoadedStudy":
        return cls(**{name: getattr(study, name) for name in Study.__dataclass_fields__})

    @cached_property
    def settings(self) -> pd.DataFrame:
        return selection.settings(self).copy()

    @cached_property
    def judgements(self) -> pd.DataFrame:
        return judgement_frame(claims.judge_all(self))

    def beside_trials(self, frame: pd.DataFrame) -> pd.DataFrame:
        """`frame`, which is `epochs`, `classes` or part of one, behind the LABELS of every trial: a trial without rows
        there stays in, with its numbers missing. Raises ValueError on rows of trials that are not the study's."""
        strange = set(frame["trial_id"]) - set(self.trials["trial_id"])
        if strange:
            raise ValueError(f"the study has no trials {', '.join(sorted(strange))}; it has {len(self.trials)} others")
        labels = [name for name in LABELS if name not in frame]
        return self.trials[["trial_id", *labels]].merge(frame, on="trial_id", how="left", validate="one_to_many")


def judgement_frame(judgements: Sequence[Judgement]) -> pd.DataFrame:
    """One row per claim, in the study's order, effects as left minus right in the metric's own unit.

    claim, verdict, metric; effect with its 95 % interval, low and high, and its 90 % one, within_low and within_high;
    seeds, standard_error, df, image_share (of the variance); p (of this claim alone) and p_holm (what decides);
    published (the source's effect), counted (the classes in its mean IoUs, where not all), lacks, note, source.
    """
    return pd.DataFrame([_row(judgement) for judgement in judgements], columns=list(_COLUMNS)).astype(_COLUMNS)


_COLUMNS = {
    **dict.fromkeys(("claim", "verdict", "metric"), "str"),
    **dict.fromkeys(("effect", "low", "high", "within_low", "within_high"), "float64"),
    "seeds": "Int64",
    **dict.fromkeys(("standard_error", "df", "image_share", "p", "p_holm", "published"), "float64"),
    **dict.fromkeys(("counted", "lacks", "note", "source"), "str"),
}


def _row(judgement: Judgement) -> dict[str, Any]:
    effect, published = judgement.effect, judgement.claim.published if judgement.claim else None
    return {
        "claim": judgement.text,
        "verdict": judgement.verdict,
        "metric": judgement.metric,
        "effect": effect.mean,
        "low": effect.low,
        "high": effect.high,
        "within_low": judgement.within[0],
        "within_high": judgement.within[1],
        "seeds": effect.n,
        "standard_error": judgement.standard_error,
        "df": judgement.df,
        "image_share": judgement.image_share,
        "p": judgement.p_single,
        "p_holm": judgement.p_value,
        "published": published["left"] - published["right"] if published else None,
        "counted": judgement.counted,
        "lacks": judgement.lacks,
        "note": judgement.reason,
        "source": judgement.source,
    }

"""Judgements of claims, as words and as a table."""

from collections.abc import Sequence

import pandas as pd

from analysis.draw.metric_words import unit_of, words_of
from analysis.inference.estimates import ALPHA
from analysis.report.tables.table import Column, Table, numbers, words
from analysis.statistics.claims import Judgement
from analysis.statistics.contrasts import Side


def claims_table(judgements: Sequence[Judgement]) -> Table:
    if not judgements:
        return Table("claims", "Claims", "The study makes no claims.")
    effects = [judgement.effect for judgement in judgements]
    published = [judgement.claim.published if judgement.claim else None for judgement in judgements]
    beside = [p["left"] - p["right"] if p else float("nan") for p in published]
    images = [judgement.images or (float("nan"), float("nan")) for judgement in judgements]
    columns = [
        words("claim", "claim", [j.text for j in judgements]),
        words("verdict", "verdict", [j.verdict for j in judgements]),
        Column("metric", [metric_text(j.metric) for j in judgements], {"metric": [j.metric for j in judgements]}),
        Column(
            "effect [95 %]",
            [effect_text(j.metric, e.mean, e.low, e.high) for j, e in zip(judgements, effects, strict=True)],
            {"effect": [e.mean for e in effects], "low": [e.low for e in effects], "high": [e.high for e in effects]},
            numeric=True,
        ),
        numbers("seeds", "seeds", [e.n for e in effects], "d"),
        Column(
            "over images [95 %]",
            [range_text(j.metric, *ends) for j, ends in zip(judgements, images, strict=True)],
            {"images_low": [low for low, _ in images], "images_high": [high for _, high in images]},
            numeric=True,
        ),
        numbers("p (Holm)", "p_holm", [j.p_value for j in judgements], "#.2g"),
        Column("published", [published_text(j) for j in judgements], {"published_effect": beside}, numeric=True),
        words("source", "source", [j.source for j in judgements]),
        words("test", "test", [j.test for j in judgements]),
        Column(
            "[90 %]",
            [range_text(j.metric, *j.within) if _equivalent(j) else "" for j in judgements],
            {"within_low": [j.within[0] for j in judgements], "within_high": [j.within[1] for j in judgements]},
            numeric=True,
        ),
        words("left: seeds", "left", [side_text(j.left) for j in judgements]),
        words("right: seeds", "right", [side_text(j.right) for j in judgements]),
        numbers("p alone", "p", [j.p_single for j in judgements], "#.2g"),
        Column(
            "flattered by",
            [effect_text(j.metric, j.flattery, float("nan"), float("nan")) for j in judgements],
            {"flattery": [j.flattery for j in judgements]},
            numeric=True,
        ),
        *([words("classes counted", "counted", few)] if any(few := [j.counted for j in judgements]) else []),
        words("lacks", "lacks", [j.lacks for j in judgements]),
        words("note", "note", [j.reason for j in judgements]),
    ]
    note = (
        "Effects are left minus right, in the unit that stands beside the metric. The interval "
        "adds what further seeds and, where the models kept what it takes, other test images would change, and is of "
        "this claim alone; that of 90 % is what lies within a margin. p is after the looks taken and Holm's adjustment "
        f"over all claims of the study, and decides below {ALPHA}. One seed decides nothing. Flattered by: how far the "
        "effect is moved by choosing rates on the seeds that it is measured on; --replicates chooses on another."
    )
    return Table("claims", "Claims", note, columns)


def metric_text(metric: str) -> str:
    """`test mean IoU, points`"""
    return ", ".join(filter(None, (words_of(metric), unit_of(metric).name)))


def _equivalent(judgement: Judgement) -> bool:
    return judgement.claim is not None and judgement.claim.kind == "equivalent"


def side_text(side: Side) -> str:
    """`3`; `2, 1 diverged, 1 failed`."""
    lost = [f"{count} {word}" for count, word in ((side.diverged, "diverged"), (side.failed, "failed")) if count]
    return ", ".join([str(side.seeds), *lost])


def effect_text(metric: str, mean: float, low: float, high: float) -> str:
    """`+7.18 [+5.11, +9.25]`; blank when missing."""
    if pd.isna(mean):
        return ""
    return f"{_effect(metric, mean)} {range_text(metric, low, high)}".strip()


def range_text(metric: str, low: float, high: float) -> str:
    return "" if pd.isna(low) else f"[{_effect(metric, low)}, {_effect(metric, high)}]"


def _effect(metric: str, value: float) -> str:
    unit = unit_of(metric)
    return format(value * unit.scale, unit.form)


def published_text(judgement: Judgement) -> str:
    """`+1.39 (82.53 − 81.14)`; blank when the source gives no numbers."""
    if judgement.claim is None or judgement.claim.published is None:
        return ""
    left, right = (judgement.claim.published[side] for side in ("left", "right"))
    ends = [_effect(judgement.metric, value).lstrip("+") for value in (left, right)]
    return f"{_effect(judgement.metric, left - right)} ({ends[0]} − {ends[1]})"

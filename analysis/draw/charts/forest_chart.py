"""Judged claims -> a forest plot: each effect with its interval, and what was published beside it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from analysis.draw.chart import GREY, Axis, Chart, Facet, Series, Style
from analysis.draw.metric_words import Unit, unit_of, words_of
from analysis.statistics.claims import Judgement
from analysis.statistics.counted import in_brackets

VERDICTS = {
    "holds": Style("#0072B2", "solid", "circle"),
    "contradicted": Style("#D55E00", "solid", "square"),
    "undecided": Style(GREY, "solid", "triangle-up"),
}
PUBLISHED = Style("#CC79A7", "dot", "diamond-open")


def interval(judgement: Judgement) -> tuple[float, float, int]:
    """Low and high of the interval that belongs to the claim, and its level in percent: 90 % where it says that two
    sides lie less than a margin apart."""
    if judgement.claim and judgement.claim.kind == "equivalent":
        return *judgement.within, 90
    return judgement.effect.low, judgement.effect.high, 95


def strength(judgement: Judgement) -> tuple[int, float]:
    """What claims are ordered by: the decided ones first, and among them those whose effect is many half intervals
    away from nothing."""
    effect = judgement.effect
    away = abs(effect.mean) / effect.margin if effect.margin > 0 else 0.0
    rank = 2 if effect.n == 0 else 1 if judgement.verdict == "undecided" else 0
    return rank, -away


def forest(judgements: Sequence[Judgement]) -> Chart | None:
    """A row per claim in the order given, numbered from 1, and a facet per unit. None when no claim has an effect."""
    known = [(number, judgement) for number, judgement in enumerate(judgements, 1) if judgement.effect.n]
    units = list(dict.fromkeys(_scale(judgement) for _, judgement in known))
    facets = [_facet([pair for pair in known if _scale(pair[1]) == unit], unit) for unit in units]
    caption = (
        "Left minus right of each claim, with its 95 % interval; of a claim that two sides lie less than a margin "
        "apart, the margin is the grey bar. A diamond is the published difference."
    )
    few = [f"{number} ({judgement.counted} classes)" for number, judgement in known if judgement.counted]
    caption += f" Fewer classes than the data have are in the means of {', '.join(few)}." if few else ""
    return Chart(name="forest", title="Effects", caption=caption, facets=facets) if facets else None


def _scale(judgement: Judgement) -> Unit:
    """Effects of one unit share an axis; one without a name has its own."""
    unit = unit_of(judgement.metric)
    return unit if unit.name else replace(unit, name=judgement.metric)


def _facet(known: Sequence[tuple[int, Judgement]], unit: Unit) -> Facet:
    scale = unit.scale
    rows = [str(number) for number, _ in known]
    series: list[Series] = []
    ends = [0.0]
    for row, (_, judgement) in zip(rows, known, strict=True):
        claim, effect = judgement.claim, judgement.effect
        one: dict[str, Any] = {"y": [row], "joined": False, "across": True}
        if claim and claim.margin:
            reach = scale * claim.margin
            band = Style(GREY, "solid", "none")
            series.append(Series(**one, name="margin", group="margin", style=band, x=[0.0], low=[-reach], high=[reach]))
            ends += [-reach, reach]
        mean, low, high = (scale * value for value in (effect.mean, *interval(judgement)[:2]))
        text = f"{judgement.text}: {mean:+.3g} {unit.name}" + ("" if np.isnan(low) else f" [{low:+.3g}, {high:+.3g}]")
        text += in_brackets(judgement.counted)
        shared: dict[str, Any] = {"name": judgement.verdict, "group": judgement.verdict, "marked": True}
        ours = Series(
            **one, **shared, style=VERDICTS[judgement.verdict], x=[mean], low=[low], high=[high], hover=[text]
        )
        series.append(ours)
        ends += [mean, low, high]
        if claim and claim.published:
            beside = scale * (claim.published["left"] - claim.published["right"])
            told: dict[str, Any] = {"hover": [f"published: {beside:+.3g}"], "x": [beside], "marked": True}
            series.append(Series(name="published", group="published", style=PUBLISHED, **one, **told))
            ends.append(beside)
    low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
    room = 0.06 * (high - low) or 1.0
    metrics = list(dict.fromkeys(words_of(judgement.metric) for _, judgement in known))
    title = f"{metrics[0] if len(metrics) == 1 else 'left minus right'} [{unit.name}]"
    x = Axis(title=title, range=(low - room, high + room), zero=True)
    in_words = [f"{row}. {judgement.text}" for row, (_, judgement) in zip(rows, known, strict=True)]
    return Facet(title="", x=x, y=Axis(categories=rows, in_words=in_words), series=series)

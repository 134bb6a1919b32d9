"""The answers of a study, strongest first: a sentence for each claim."""

from collections.abc import Sequence

from analysis.draw.charts.forest_chart import interval, strength
from analysis.draw.metric_words import unit_of
from analysis.draw.ticks import minus
from analysis.report.tables import claims_table
from analysis.statistics.claims import Judgement

WORDS = {"holds": "✓ holds", "contradicted": "✗ contradicted", "undecided": "? undecided"}


def strongest_first(judgements: Sequence[Judgement]) -> list[Judgement]:
    return sorted(judgements, key=strength)


def sentence(judgement: Judgement) -> str:
    """`+7.68 points, 95 % interval [+7.25, +8.12], 4 seeds; published +1.39`"""
    effect = judgement.effect
    if not effect.n:
        return f"{judgement.reason}."
    low, high, level = interval(judgement)
    unit = unit_of(judgement.metric)
    parts = [
        f"{claims_table.effect_text(judgement.metric, effect.mean, float('nan'), float('nan'))} {unit.name}".rstrip()
    ]
    if ends := claims_table.range_text(judgement.metric, low, high):
        parts.append(f"{level} % interval {ends}")
    if judgement.claim and judgement.claim.margin:
        parts.append(f"asked to lie within ±{unit.scale * judgement.claim.margin:g}")
    parts.append(f"{effect.n} seed{'s' if effect.n > 1 else ''}")
    if judgement.counted:
        parts.append(f"means over {judgement.counted} classes")
    published = claims_table.published_text(judgement).partition(" (")[0]
    return minus(", ".join(parts) + (f"; published {published}" if published else ""))


def lack(judgement: Judgement) -> str:
    """What an undecided claim is short of, in a clause."""
    lacks = f"lacks: {judgement.lacks}" if judgement.lacks else ""
    parts = (lacks, judgement.reason) if judgement.verdict == "undecided" else ()
    return "; ".join(part for part in parts if part)

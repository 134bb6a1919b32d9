"""Two studies beside each other: each model and freeze that both have, at the setting that validates best in each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from analysis.read.frames import Study, load
from analysis.read.several_studies import combine
from analysis.statistics.claims import Judgement, judge_all
from analysis.statistics.counted import COUNTED, in_brackets
from analysis.statistics.selection import best_cells
from segtrain.fields import printable
from segtrain.records import FREEZE_LABELS, TEST_MEAN_IOU

POINTS = 100


@dataclass(frozen=True)
class Pair:
    """`name` in both studies: their mean test scores, the claim that the left one's is higher, and the classes that
    either's mean IoU counts, where not all ("12 of 13")."""

    name: str
    left: float
    right: float
    judgement: Judgement
    counted: tuple[str, str] = ("", "")


def compare(left: Path, right: Path) -> list[Pair]:
    """The claims are one family: Holm's adjustment is over all pairs. Raises RecordError."""
    studies = [load(left), load(right)]
    cells = [_cells(study) for study in studies]
    shared = [name for name in cells[0] if name in cells[1]]
    asked = [[_side(study, *name) for study in studies] for name in shared]
    judgements = judge_all(combine([left, right], asked, ""))
    pairs = []
    for name, judgement in zip(shared, judgements, strict=True):
        one, other = (float(found[name][TEST_MEAN_IOU]) for found in cells)
        few, others = (found[name][COUNTED[TEST_MEAN_IOU]] for found in cells)
        pairs.append(Pair(cells[0][name]["name"], one, other, judgement, (few, others)))
    return pairs


def _cells(study: Study) -> dict[tuple[str, str], dict[Any, Any]]:
    return {(row["model"], row["freeze"]): row for row in best_cells(study).to_dict("records")}


def _side(study: Study, model: str, freeze: str) -> str:
    """As `combine` takes it."""
    values = {label: value for value, label in FREEZE_LABELS.items()}
    named = model if study.variants else f"arch={model}"
    return f"{study.name}:{named},freeze={values.get(freeze, freeze)}"


def as_json(pairs: list[Pair]) -> list[dict[str, Any]]:
    return [
        {
            "name": pair.name,
            "left": pair.left,
            "right": pair.right,
            "left_counted": pair.counted[0],
            "right_counted": pair.counted[1],
            "difference": pair.judgement.effect.mean if pair.judgement.effect.n else None,
            "low": _known(pair.judgement.effect.low),
            "high": _known(pair.judgement.effect.high),
            "seeds": pair.judgement.effect.n,
            "p": _known(pair.judgement.p_value),
            "verdict": pair.judgement.verdict,
            "reason": pair.judgement.reason,
        }
        for pair in pairs
    ]


def _known(value: float) -> float | None:
    return None if value != value else value


def render(pairs: list[Pair], left: str, right: str) -> Table:
    table = Table(title=Text(printable(f"test mIoU %, {left} beside {right}")))
    for name in ("", left, right, "difference [95 %]", "seeds", "p (Holm)"):
        table.add_column(Text(printable(name)), justify="right" if name else "left", no_wrap=True)
    table.add_column("higher")
    for pair in pairs:
        effect, verdict = pair.judgement.effect, pair.judgement.verdict
        higher = {"holds": left, "contradicted": right}.get(verdict, f"undecided: {pair.judgement.reason}".rstrip(": "))
        means = zip((pair.left, pair.right), pair.counted, strict=True)
        scores = [f"{POINTS * score:.2f}{in_brackets(few)}" for score, few in means]
        difference = f"{POINTS * effect.mean:+.2f}" if effect.n else ""
        if _known(effect.low) is not None:
            difference += f" [{POINTS * effect.low:+.2f}, {POINTS * effect.high:+.2f}]"
        p = "" if _known(pair.judgement.p_value) is None else f"{pair.judgement.p_value:#.2g}"
        row = [pair.name, *scores, difference, str(effect.n), p, higher]
        table.add_row(*(Text(printable(text)) for text in row))
    return table

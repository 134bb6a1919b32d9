"""What a figure shows, computed once and drawn twice: by the two `backends`, for files and
for the page.

Colours and styles are chosen here, so a model looks the same in every figure of a study.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.read.frames import Study
from analysis.statistics import selection
from segtrain import records

# Okabe & Ito's palette, told apart by colour-blind readers; its yellow is left out, too pale for a line.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
INK = "#444444"
GREY = "#8a8a8a"
FREEZE_ORDER = ("unfreeze", "freeze", "score_only")

Dash = Literal["solid", "dash", "dot", "dashdot"]
Symbol = Literal["circle", "square", "triangle-up", "diamond", "diamond-open", "x", "none"]
LABELS = {
    records.TRAIN_LOSS: "training loss",
    records.VAL_LOSS: "validation loss",
    records.TEST_LOSS: "test loss",
    records.TRAIN_MEAN_IOU: "training mean IoU [%]",
    records.VAL_MEAN_IOU: "validation mean IoU [%]",
    records.TEST_MEAN_IOU: "test mean IoU [%]",
}
"""Metric -> the title of its axis."""

DASHES: tuple[Dash, ...] = ("solid", "dash", "dot", "dashdot")
SYMBOLS: tuple[Symbol, ...] = ("circle", "square", "triangle-up", "diamond")


@dataclass(frozen=True)
class Style:
    colour: str
    dash: Dash
    symbol: Symbol


def style(model: int, freeze: str) -> Style:
    """The colour of the model's number in its study; line and symbol by the freeze, and for a model beyond the palette
    by its turn through it."""
    rank = FREEZE_ORDER.index(freeze) if freeze in FREEZE_ORDER else len(FREEZE_ORDER)
    turn = (rank + model // len(COLOURS)) % len(DASHES)
    return Style(COLOURS[model % len(COLOURS)], DASHES[turn], SYMBOLS[turn])


def style_of(study: Study, model: str, freeze: str) -> Style:
    return style(selection.order(study, "model").index(model), freeze)


@dataclass(frozen=True, kw_only=True)
class Series:
    """`y` over `x`, joined by a line where `joined`; `low` and `high` are a band around a line and bars at points.
    Series of one `group` are hidden and shown together. `hover`: a text per point."""

    name: str
    group: str
    style: Style
    x: Sequence[float | str]
    y: Sequence[float | str]
    low: Sequence[float] | None = None  # of y, or of x where `across`
    high: Sequence[float] | None = None
    across: bool = False
    joined: bool = True
    marked: bool = False
    faint: bool = False
    hover: Sequence[str] | None = None


@dataclass(frozen=True)
class Heat:
    """`values[row][column]` in [0, 1], NaN where there is none; `sparse` ones are blank below 0.5 %."""

    rows: Sequence[str]
    columns: Sequence[str]
    values: Sequence[Sequence[float]]
    sparse: bool = False

    def text(self, value: float) -> str:
        return "" if math.isnan(value) or (self.sparse and value < 0.005) else f"{100 * value:.0f}"


@dataclass(frozen=True)
class Surface:
    """`values[row][column]` over the ascending `x` and `y`, NaN where nothing is known; darker is more."""

    x: Sequence[float]
    y: Sequence[float]
    values: Sequence[Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class Axis:
    title: str = ""
    log: bool = False
    categories: Sequence[str] | None = None
    in_words: Sequence[str] | None = None  # what a picture that stands alone writes for each of the categories
    zero: bool = False  # a line at 0, which parts one side from the other
    range: tuple[float, float] | None = None
    ticks: Sequence[float] | None = None  # where they are known better than by the range


@dataclass(frozen=True, kw_only=True)
class Facet:
    title: str
    x: Axis
    y: Axis
    series: Sequence[Series] = ()
    heat: Heat | None = None
    surface: Surface | None = None  # under the series


@dataclass(frozen=True, kw_only=True)
class Chart:
    """`name` is that of its files; `caption` says what is drawn and what it stands on."""

    name: str
    title: str
    caption: str
    facets: Sequence[Facet]
    square: bool = False

    def columns(self) -> int:
        """Of its facets, side by side: as many as fill the last row best."""
        count = len(self.facets)
        heat = self.facets[0].heat
        most = (3 if len(heat.rows) <= 14 else 2) if heat else 5 if self.square else 3
        if count <= most:
            return count
        return max(range(max(2, most - 1), most + 1), key=lambda columns: (-(-count % columns), columns))

    def legend(self) -> dict[str, Style]:
        """Group -> style, in the order of first appearance."""
        found: dict[str, Style] = {}
        for facet in self.facets:
            for series in facet.series:
                found.setdefault(series.group, series.style)
        return found

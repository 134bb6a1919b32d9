"""The numbers of `stats` -> figures. One colour per architecture, one line style and fill per freeze, in every figure.

A draw function returns None when the study has nothing to draw yet.
"""

import textwrap
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from analysis import stats
from analysis.load import Study
from segtrain import records

# Okabe & Ito's palette, told apart by colour-blind readers; its yellow is left out, too pale for a line.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
FREEZE_ORDER = ("unfreeze", "freeze", "score_only")
# One more than FREEZE_ORDER: the last is for a label that is not in it.
LINE_STYLES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
MARKERS = ("o", "s", "^", "D")  # of a line with a single point, which has no style to show
FILLS = ((1.0, ""), (0.45, "//"), (0.2, ".."), (0.1, "xx"))
"""(how much of the architecture's colour, hatch) of a bar."""
MAX_FACETS = 6
DPI = 130
_INK = "#444444"


def colours(study: Study) -> dict[str, str]:
    """The colour of each architecture, by the study's order."""
    return {arch: COLOURS[i % len(COLOURS)] for i, arch in enumerate(stats.order(study, "arch"))}


def freeze_rank(freeze: str) -> int:
    """Which line style and fill a freeze label has; the same in every study."""
    return FREEZE_ORDER.index(freeze) if freeze in FREEZE_ORDER else len(FREEZE_ORDER)


def facets(curves: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """(title, curves) of each axes: one per variant in study order, or a single one when there are too many."""
    variants = list(dict.fromkeys(curves["variant"]))
    if len(variants) > MAX_FACETS:
        return [(f"all {len(variants)} settings", curves)]
    return [(variant, curves[curves["variant"] == variant]) for variant in variants]


def draw_curves(study: Study, column: str, title: str) -> Figure | None:
    """`column` of epochs: a line per setting (the mean of its seeds, in the band of their range), an axes per variant.

    Losses are drawn on a log scale, mean IoUs in percent. The last point of a setting with a diverged seed is a cross.
    """
    curves = stats.curves(study, column)
    if curves.empty:
        return None
    parts = facets(curves)
    columns = 2 if len(parts) == 4 else min(len(parts), 3)
    rows = -(-len(parts) // columns)
    figure = Figure(figsize=(max(4.1 * columns, 6.5), 3.3 * rows + 1.1), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes, (name, part) in zip(grid.flat, parts, strict=False):
        _draw_lines(axes, part, colours(study))
        axes.set_title(name, fontsize=10)
    for axes in list(grid.flat)[len(parts) :]:
        axes.set_visible(False)
    for index, axes in enumerate(list(grid.flat)[: len(parts)]):
        _style(axes, percent=column.endswith("iou"))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
        # The axes below this one may be hidden, and shared labels with it.
        lowest = index + columns >= len(parts)
        axes.tick_params(labelbottom=lowest)
        axes.set_xlabel("epoch" if lowest else "")
        if index % columns == 0:
            axes.set_ylabel(f"{column} [%]" if column.endswith("iou") else column)
    seeds = int(curves["n"].max())
    _title(figure, study, title + (f" (mean and range of up to {seeds} seeds)" if seeds > 1 else ""))
    handles = _legend(study, curves)
    if curves["diverged"].any():
        handles.append(Line2D([], [], color=_INK, marker="x", linestyle="", label="diverged"))
    _legend_below(figure, handles)
    return figure


def _draw_lines(axes: Axes, curves: pd.DataFrame, colour: dict[str, str]) -> None:
    width = 1.6 if curves["setting"].nunique() <= 12 else 0.9
    for _, line in curves.groupby("setting", sort=False):
        arch, freeze = line["arch"].iloc[0], line["freeze"].iloc[0]
        style: dict[str, Any] = {"color": colour[arch], "linestyle": LINE_STYLES[freeze_rank(freeze)]}
        x, mean = line[records.EPOCH].to_numpy(dtype=float), line["mean"].to_numpy()
        axes.plot(
            x,
            mean,
            linewidth=width,
            marker=MARKERS[freeze_rank(freeze)] if len(line) == 1 else None,
            markersize=5,
            **style,
        )
        if (line["n"] > 1).any():
            axes.fill_between(x, line["low"], line["high"], color=colour[arch], alpha=0.15, linewidth=0)
        if line["diverged"].any():
            axes.plot(x[-1:], mean[-1:], marker="x", markersize=8, markeredgewidth=2, color=colour[arch])


def draw_test_bars(study: Study) -> Figure | None:
    """Test mean IoU of each architecture and freeze's best setting (by validation); error bars are the sample
    standard deviation over the seeds."""
    cells = stats.best_cells(study)
    if cells.empty:
        return None
    archs, freezes = stats.order(study, "arch"), stats.order(study, "freeze")
    figure = Figure(figsize=(max(6.5, 0.85 * len(archs) * len(freezes) + 1.5), 4.6), layout="constrained")
    axes = figure.subplots()
    width = 0.84 / len(freezes)
    for cell in cells.to_dict("records"):
        x = archs.index(cell["arch"]) + (freezes.index(cell["freeze"]) - (len(freezes) - 1) / 2) * width
        fill = _fill(cell["freeze"], colours(study)[cell["arch"]])
        height, std = cell[records.TEST_MEAN_IOU], cell[f"{records.TEST_MEAN_IOU}_std"]
        std = 0.0 if pd.isna(std) else std  # only the length of the error bar: no seeds, no bar
        axes.bar(x, height, 0.92 * width, **fill)
        if std > 0:
            axes.errorbar(x, height, std, color=_INK, capsize=4)
        seeds = f"\nn={cell['n']}" if cell["planned"] > 1 else ""
        label = f"{100 * height:.1f}\n{cell['variant'].replace(', ', chr(10))}{seeds}"
        axes.annotate(label, (x, height + std), (0, 3), textcoords="offset points", ha="center", fontsize=7.5)
    _style(axes, percent=True)
    axes.margins(y=0.2)
    axes.set_ylim(bottom=0)
    axes.set_xlim(-0.6, len(archs) - 0.4)
    axes.set_xticks(range(len(archs)), archs)
    axes.set_ylabel("test mean IoU [%]")
    _title(figure, study, "test mean IoU of the settings that validate best")
    _legend_below(figure, [Patch(label=freeze, **_fill(freeze, "#666666")) for freeze in freezes])
    return figure


def draw_class_iou(study: Study) -> Figure | None:
    """Test IoU per class of each architecture's best model, with the range over the seeds; n/a where a class does
    not occur."""
    scores = stats.class_scores(study)
    if scores.empty:
        return None
    classes = list(dict.fromkeys(scores["class_name"]))
    archs = [arch for arch in stats.order(study, "arch") if arch in set(scores["arch"])]
    figure = Figure(figsize=(max(7.0, 0.2 * len(classes) * (len(archs) + 1) + 1.5), 4.6), layout="constrained")
    axes = figure.subplots()
    width = 0.84 / len(archs)
    handles: list[Artist] = []
    for index, arch in enumerate(archs):
        part = scores[scores["arch"] == arch]
        x = np.array([classes.index(name) for name in part["class_name"]]) + (index - (len(archs) - 1) / 2) * width
        mean = part["mean"].to_numpy()
        axes.bar(x, mean, 0.92 * width, color=colours(study)[arch])
        if (part["n"] > 1).any():
            reach = np.stack([mean - part["low"].to_numpy(), part["high"].to_numpy() - mean])
            axes.errorbar(x, mean, reach, color=_INK, linestyle="", linewidth=1)
        for missing in x[np.isnan(mean)]:
            axes.text(missing, 0.01, "n/a", rotation=90, ha="center", va="bottom", fontsize=7, color=_INK)
        label = f"{arch} ({part['freeze'].iloc[0]}, {part['variant'].iloc[0]})"
        handles.append(Patch(color=colours(study)[arch], label=label))
    _style(axes, percent=True)
    axes.set_ylim(0, 1)
    axes.set_xlim(-0.6, len(classes) - 0.4)
    axes.set_xticks(range(len(classes)), classes, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_ylabel("test IoU [%]")
    _title(figure, study, "test IoU per class of each architecture's best model")
    _legend_below(figure, handles)
    return figure


def _title(figure: Figure, study: Study, what: str) -> None:
    """The study's title, in as many lines as it takes (about eleven letters go on an inch), and what is drawn."""
    letters = int(11 * figure.get_figwidth())
    figure.suptitle("\n".join(textwrap.wrap(study.title, letters) + textwrap.wrap(what, letters)), fontsize=11)


def _style(axes: Axes, *, percent: bool) -> None:
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    else:
        axes.set_yscale("log")
        axes.grid(axis="y", which="minor", color="#EEEEEE", linewidth=0.5)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _log_label(value, *axes.get_ylim())))
        axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: _log_label(value, *axes.get_ylim())))


def _log_label(value: float, low: float, high: float) -> str:
    """Plain numbers; over a wide range only those that begin with 1, 2, 3 or 5, which do not run into each other."""
    return f"{value:g}" if high / low < 5 or f"{value:e}"[0] in "1235" else ""


def _legend(study: Study, curves: pd.DataFrame) -> list[Artist]:
    archs, freezes = set(curves["arch"]), set(curves["freeze"])
    handles: list[Artist] = [Patch(color=c, label=arch) for arch, c in colours(study).items() if arch in archs]
    has_points = (curves["setting"].value_counts() == 1).any()
    for freeze in stats.order(study, "freeze"):
        if freeze in freezes:
            style, marker = LINE_STYLES[freeze_rank(freeze)], MARKERS[freeze_rank(freeze)] if has_points else None
            handles.append(Line2D([], [], color=_INK, linestyle=style, marker=marker, markersize=5, label=freeze))
    return handles


def _fill(freeze: str, colour: str) -> dict[str, Any]:
    """A tint and not transparency, since the grid would show through."""
    share, hatch = FILLS[freeze_rank(freeze)]
    tint = tuple(1 - share * (1 - value) for value in to_rgb(colour))
    return {"facecolor": tint, "edgecolor": colour, "hatch": hatch}


def _legend_below(figure: Figure, handles: Sequence[Artist]) -> None:
    inches = [0.7 + 0.07 * len(str(handle.get_label())) for handle in handles]
    width = figure.get_figwidth()
    columns = len(handles) if sum(inches) <= width else max(1, int(width / max(inches)))
    figure.legend(
        handles=list(handles), loc="outside lower center", ncols=columns, frameon=False, fontsize=9, handlelength=2.8
    )


FIGURES: dict[str, Callable[[Study], Figure | None]] = {
    "train_loss.png": lambda study: draw_curves(study, records.TRAIN_LOSS, "training loss"),
    "val_loss.png": lambda study: draw_curves(study, records.VAL_LOSS, "validation loss"),
    "val_mean_iou.png": lambda study: draw_curves(study, records.VAL_MEAN_IOU, "validation mean IoU"),
    "class_iou.png": draw_class_iou,
    "test_mean_iou.png": draw_test_bars,
    "test_mean_iou_curves.png": lambda study: draw_curves(
        study, records.TEST_MEAN_IOU, "test mean IoU, drawn only: nothing is chosen by it"
    ),
}
"""File name -> what draws it."""


def write_figure(figure: Figure, path: Path) -> None:
    """Writes a PNG; its folder must exist."""
    FigureCanvasAgg(figure)
    png = BytesIO()
    figure.savefig(png, format="png", dpi=DPI)
    records.write_atomic(path, png.getvalue())

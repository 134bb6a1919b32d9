"""Charts -> matplotlib figures -> PNG files, and PDF and SVG ones where they are asked for."""

import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from analysis.draw.chart import INK, Axis, Chart, Dash, Facet, Heat, Series, Symbol
from analysis.draw.ticks import log_ticks, tick_label
from segtrain import records

KINDS = ("png", "pdf", "svg")
DEFAULT_KINDS = ("png",)
MARKERS_PER_CURVE = 8
DPI = 130
LINES: dict[Dash, Any] = {"solid": "-", "dash": (0, (4, 1.5)), "dot": (0, (1, 1.2)), "dashdot": (0, (5, 1.5, 1, 1.5))}
MARKERS: dict[Symbol, str] = {
    "circle": "o",
    "square": "s",
    "triangle-up": "^",
    "diamond": "D",
    "diamond-open": "D",
    "x": "x",
    "none": "",
}
# Letters stay letters, so that a figure can be searched and edited, and a dollar sign in a name is one; no dates or
# random ids, so that a report of the same folders is the same to the byte.
_SETTINGS: dict[Any, Any] = {
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "analysis",
    "text.parse_math": False,
}
_EPOCH = datetime.fromtimestamp(0, UTC)
_METADATA: dict[str, dict[str, Any]] = {
    "png": {},
    "pdf": {"CreationDate": _EPOCH, "ModDate": _EPOCH},
    "svg": {"Date": None},
}


def settings() -> AbstractContextManager[None]:
    """Matplotlib's parameters while figures are drawn and written."""
    return mpl.rc_context(_SETTINGS)


def draw(chart: Chart) -> Figure:
    facets = chart.facets
    columns = chart.columns()
    rows = -(-len(facets) // columns)
    width, height = _cell_size(chart, columns)
    figure = Figure(figsize=(max(width * columns, 5.5), height * rows + 1.0), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, facet in zip(grid.flat, facets, strict=False):
        _draw_facet(axes, facet)
        if chart.square and facet.heat is None:
            axes.set_aspect("equal")
    for axes in list(grid.flat)[len(facets) :]:
        axes.set_visible(False)
    letters = int(12 * figure.get_figwidth())
    figure.suptitle("\n".join(textwrap.wrap(chart.title, letters)), fontsize=11)
    _legend_below(figure, chart)
    return figure


def _cell_size(chart: Chart, columns: int) -> tuple[float, float]:
    """Inches of one facet."""
    first = chart.facets[0]
    if first.heat is not None:
        size = len(first.heat.columns)
        return max(3.2, 0.42 * size + (1.4 if chart.square else 1.8)), max(2.4, 0.3 * len(first.heat.rows) + 1.0)
    if first.y.categories is not None:
        wide = 3.0 if first.y.in_words else 0.0
        return wide + (6.5 if columns == 1 else 4.4), 0.34 * len(first.y.categories) + 0.9
    return (2.6, 2.7) if chart.square else (6.5 if columns == 1 else 3.9, 3.2)


def _draw_facet(axes: Axes, facet: Facet) -> None:
    axes.set_title(facet.title, fontsize=10)
    if facet.heat is not None:
        _draw_heat(axes, facet.heat)
    else:
        _style(axes, facet)
    if facet.surface is not None:
        surface = facet.surface
        drawn = axes.contourf(surface.x, surface.y, np.asarray(surface.values, dtype=float), cmap="Blues")
        axes.figure.colorbar(drawn, ax=axes)
    for series in facet.series:
        _draw_series(axes, series, facet.y.categories, edge=None if facet.surface is None else "white")
    axes.set_xlabel(facet.x.title, fontsize=9)
    axes.set_ylabel(facet.y.title, fontsize=9)
    axes.tick_params(labelsize=8)


def _draw_series(axes: Axes, series: Series, categories: Sequence[str] | None, edge: str | None) -> None:
    """`edge`: the colour around its marks, where they lie on a surface that may have their own."""
    look = series.style
    x: Any = np.asarray(series.x, dtype=float)
    y: Any = [categories.index(str(name)) for name in series.y] if categories else np.asarray(series.y, dtype=float)
    line = LINES[look.dash] if series.joined else ""
    marker = MARKERS[look.symbol] if series.marked or series.joined else ""
    size = 4 if series.faint or not series.marked else 6
    alpha = (0.7 if series.joined else 0.35) if series.faint else 1.0
    axes.plot(
        x, y, color=look.colour, linestyle=line, marker=marker, markersize=size, alpha=alpha,
        fillstyle="none" if look.symbol == "diamond-open" else "full", linewidth=0.8 if series.faint else 1.6,
        markeredgecolor=edge or look.colour, markevery=1 if series.marked else max(1, len(x) // MARKERS_PER_CURVE),
    )  # fmt: skip
    if series.low is None or series.high is None:
        return
    low, high = np.asarray(series.low), np.asarray(series.high)
    if not series.across:
        axes.fill_between(x, low, high, color=look.colour, alpha=0.15, linewidth=0)
    elif not np.isnan(low).any():
        bar: dict[str, Any] = (
            {"linewidth": 7, "alpha": 0.4} if look.symbol == "none" else {"linewidth": 1.2, "capsize": 3}
        )
        axes.errorbar(x, y, xerr=[x - low, high - x], color=look.colour, linestyle="", **bar)


def _draw_heat(axes: Axes, heat: Heat) -> None:
    values = np.asarray(heat.values, dtype=float)
    axes.imshow(values, cmap=mpl.colormaps["Blues"], vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(heat.columns)), heat.columns, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(heat.rows)), heat.rows)
    for (row, column), value in np.ndenumerate(values):
        if text := heat.text(value):
            colour = "white" if value > 0.55 else "#1a1a1a"
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)


def _style(axes: Axes, facet: Facet) -> None:
    axes.grid(axis="x" if facet.y.categories else "y", color="#DDDDDD", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if facet.y.categories is not None:
        names = facet.y.in_words or facet.y.categories
        axes.set_yticks(range(len(names)), ["\n".join(textwrap.wrap(name, 60)) for name in names])
        axes.set_ylim(len(facet.y.categories) - 0.5, -0.5)
    if facet.x.zero:
        axes.axvline(0, color="#777777", linewidth=0.8)
    if facet.x.log:
        axes.set_xscale("log")
        _label_logs(axes.xaxis, facet.x)
    elif facet.x.ticks:
        axes.set_xticks(list(facet.x.ticks))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    if facet.y.log:
        axes.set_yscale("log")
        _label_logs(axes.yaxis, facet.y)
    if facet.x.range:
        axes.set_xlim(facet.x.range)
    if facet.y.range:
        axes.set_ylim(facet.y.range)


def _label_logs(axis: Any, spec: Axis) -> None:
    axis.set_major_locator(FixedLocator(list(spec.ticks or log_ticks(*(spec.range or axis.get_data_interval())))))
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick_label(value)))
    axis.set_minor_locator(NullLocator())


def _legend_below(figure: Figure, chart: Chart) -> None:
    first = chart.facets[0].y
    if first.categories is not None and not first.in_words:  # the rows carry the names
        return
    handles = []
    lines = {series.group: series for facet in chart.facets for series in reversed(facet.series)}
    for group, look in chart.legend().items():
        bar = look.symbol == "none" and not lines[group].joined
        handles.append(
            Line2D(
                [], [], color=look.colour, linestyle=LINES[look.dash] if lines[group].joined or bar else "",
                marker=MARKERS[look.symbol], markersize=5, label=group, linewidth=7 if bar else 1.6,
                alpha=0.4 if bar else 1, fillstyle="none" if look.symbol == "diamond-open" else "full",
            )
        )  # fmt: skip
    if not handles:
        return
    if any(series.style.symbol == "x" for facet in chart.facets for series in facet.series):
        handles.append(Line2D([], [], color=INK, marker="x", linestyle="", label="diverged"))
    inches = max(0.7 + 0.07 * len(str(handle.get_label())) for handle in handles)
    columns = max(1, min(len(handles), int(figure.get_figwidth() / inches)))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=8, handlelength=2.8
    )


def write(figure: Figure, name: str, folder: Path, kinds: Sequence[str] = DEFAULT_KINDS) -> list[Path]:
    """Writes `<name>.<kind>` for each of `kinds`, which are of KINDS, into `folder`, which must exist."""
    FigureCanvasAgg(figure)
    paths = []
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once, not for every format
    for kind in kinds:
        content = BytesIO()
        figure.savefig(content, format=kind, dpi=DPI, metadata=_METADATA[kind])
        paths.append(folder / f"{name}.{kind}")
        records.write_atomic(paths[-1], content.getvalue())
    return paths

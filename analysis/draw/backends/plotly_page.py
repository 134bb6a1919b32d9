"""Charts -> plotly figures as plain dicts, one for each facet, which the report's page lays out by its width.

Plotly reads some HTML in its texts, so every text that comes from a run is escaped here.
"""

import html
import math
from collections.abc import Sequence
from typing import Any

from analysis.draw.backends.matplotlib_files import log_label
from analysis.draw.chart import Axis, Chart, Facet, Heat, Series

FONT = {"family": "system-ui, sans-serif", "size": 12, "color": "#333333"}
CONFIG = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"]}


def figures(chart: Chart) -> list[dict[str, Any]]:
    """One plotly figure {"data", "layout", "config"} per facet; `meta` of a trace is its group in the legend."""
    return [_figure(chart, facet) for facet in chart.facets]


def _figure(chart: Chart, facet: Facet) -> dict[str, Any]:
    data = _heat(facet.heat) if facet.heat else [trace for series in facet.series for trace in _traces(series)]
    layout: dict[str, Any] = {
        "font": FONT,
        "showlegend": False,
        "margin": {"l": 56, "r": 12, "t": 10, "b": 46},
        "height": _height(chart, facet),
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hovermode": "closest",
        "xaxis": _axis(facet.x),
        "yaxis": _axis(facet.y),
    }
    if facet.heat:
        layout["xaxis"] |= {"showgrid": False, "tickangle": -40, "type": "category"}
        layout["yaxis"] |= {"showgrid": False, "autorange": "reversed", "type": "category"}
    return {"data": data, "layout": layout, "config": CONFIG}


def _height(chart: Chart, facet: Facet) -> int:
    if facet.heat:
        return 110 + (30 if chart.square else 26) * len(facet.heat.rows)
    return 80 + 34 * len(facet.y.categories) if facet.y.categories else 300


def _axis(axis: Axis) -> dict[str, Any]:
    spec: dict[str, Any] = {"title": {"text": html.escape(axis.title)}, "automargin": True, "gridcolor": "#e6e6e6"}
    spec |= {"zeroline": False, "linecolor": "#bbbbbb", "showline": axis.categories is None}
    if axis.log:
        spec |= {"type": "log"}
        if axis.range:
            spec |= _log_ticks(*axis.range)
    if axis.range:
        spec["range"] = [math.log10(value) for value in axis.range] if axis.log else list(axis.range)
    if axis.categories:
        names = [html.escape(name) for name in axis.categories]
        # A little room above and below; the first category on top.
        spec |= {"type": "category", "categoryarray": names, "range": [len(names) - 0.4, -0.6], "showgrid": False}
    return spec


def _log_ticks(low: float, high: float) -> dict[str, Any]:
    """Plain numbers: plotly would write a 5 within a decade for 0.5."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [digit * 10.0**decade for decade in decades for digit in range(1, 10)]
    shown = [tick for tick in ticks if low <= tick <= high and log_label(tick, low, high)]
    return {"tickmode": "array", "tickvals": shown, "ticktext": [f"{tick:g}" for tick in shown]}


def _traces(series: Series) -> list[dict[str, Any]]:
    look = series.style
    y = [html.escape(value) if isinstance(value, str) else value for value in series.y]
    shared: dict[str, Any] = {"meta": html.escape(series.group), "type": "scatter"}
    trace = shared | {
        "name": html.escape(series.name),
        "x": list(series.x),
        "y": _numbers(y),
        "mode": "+".join([*(["lines"] if series.joined else []), *(["markers"] if series.marked else [])]),
        "opacity": 0.35 if series.faint else 1,
        "line": {"color": look.colour, "dash": look.dash, "width": 2},
        "marker": {"color": look.colour, "symbol": look.symbol, "size": 6 if series.faint else 10},
        "hovertemplate": "%{text}<extra></extra>" if series.hover else None,
        "text": [html.escape(text) for text in series.hover] if series.hover else None,
        "hoverinfo": None if series.hover else "skip",
    }
    trace = {key: value for key, value in trace.items() if value is not None}
    if series.low is None or series.high is None:
        return [trace]
    if series.across:
        reach = [
            (high - float(x), float(x) - low) for x, low, high in zip(series.x, series.low, series.high, strict=True)
        ]
        if not any(math.isnan(up) for up, _ in reach):
            up, down = zip(*reach, strict=True)
            trace["error_x"] = {
                "type": "data",
                "array": list(up),
                "arrayminus": list(down),
                "thickness": 1.5,
                "width": 5,
            }
        return [trace]
    band = shared | {
        "x": [*series.x, *reversed(series.x)],
        "y": _numbers([*series.high, *reversed(series.low)]),
        "mode": "lines",
        "fill": "toself",
        "fillcolor": look.colour,
        "opacity": 0.15,
        "line": {"width": 0},
        "hoverinfo": "skip",
    }
    return [band, trace]


def _heat(heat: Heat) -> list[dict[str, Any]]:
    rows, columns = ([html.escape(name) for name in names] for names in (heat.rows, heat.columns))
    return [
        {
            "type": "heatmap",
            "x": columns,
            "y": rows,
            "z": [[None if math.isnan(value) else 100 * value for value in row] for row in heat.values],
            "zmin": 0,
            "zmax": 100,
            "text": [[heat.text(value) for value in row] for row in heat.values],
            "texttemplate": "%{text}",
            "hovertemplate": "%{y} / %{x}: %{z:.2f} %<extra></extra>",
            "hoverongaps": False,
            "colorscale": [[0, "#f7fbff"], [0.5, "#6baed6"], [1, "#08306b"]],
            "showscale": False,
            "xgap": 1,
            "ygap": 1,
        }
    ]


def _numbers(values: Sequence[Any]) -> list[Any]:
    """JSON has no NaN; plotly leaves a gap at null."""
    return [None if isinstance(value, float) and math.isnan(value) else value for value in values]

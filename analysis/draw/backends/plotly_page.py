"""Charts -> plotly figures as plain dicts, one for each facet, which the report's page lays out by its width.

Plotly reads some HTML in its texts, so every text that comes from a run is escaped here.
"""

import html
import math
from collections.abc import Sequence
from typing import Any

from analysis.draw.chart import Axis, Chart, Facet, Heat, Series, Surface
from analysis.draw.ticks import log_ticks, minus, tick_label

MARKERS_PER_CURVE = 8
FONT = {"family": "system-ui, sans-serif", "size": 12, "color": "#333333"}
BLUES = [[0, "#f7fbff"], [0.5, "#6baed6"], [1, "#08306b"]]  # those of the files
# Its bar would lie over the data; dragging zooms and a double click goes back without it.
CONFIG = {"displayModeBar": False, "responsive": True}


def figures(chart: Chart) -> list[dict[str, Any]]:
    """One plotly figure {"data", "layout", "config"} per facet; `meta` of a trace is its group in the legend."""
    return [_figure(chart, facet) for facet in chart.facets]


def _figure(chart: Chart, facet: Facet) -> dict[str, Any]:
    data = _heat(facet.heat) if facet.heat else [trace for series in facet.series for trace in _traces(series)]
    if facet.surface:
        for trace in data:
            trace["marker"]["line"] = {"color": "#ffffff", "width": 1.5}  # a dot may have the surface's own colour
        data = [_surface(facet.surface), *data]
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
        layout["xaxis"] |= {"showgrid": False, "type": "category"} | ({"tickangle": -40} if chart.square else {})
        layout["yaxis"] |= {"showgrid": False, "autorange": "reversed", "type": "category"}
    return {"data": data, "layout": layout, "config": CONFIG}


def _height(chart: Chart, facet: Facet) -> int:
    if facet.heat:
        return 110 + (30 if chart.square else 26) * len(facet.heat.rows)
    return 70 + 30 * len(facet.y.categories) if facet.y.categories else 300


def _axis(axis: Axis) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "title": {"text": html.escape(axis.title), "standoff": 8},
        "automargin": True,
        "gridcolor": "#e6e6e6",
    }
    spec |= {
        "zeroline": axis.zero,
        "zerolinecolor": "#777777",
        "linecolor": "#bbbbbb",
        "showline": axis.categories is None,
    }
    if axis.log:
        spec |= {"type": "log"}
        if axis.range:
            ticks = list(axis.ticks or log_ticks(*axis.range))
            # Plotly would write a 5 within a decade for 0.5.
            spec |= {"tickmode": "array", "tickvals": ticks, "ticktext": [tick_label(tick) for tick in ticks]}
    elif axis.ticks:
        spec |= {"tickmode": "array", "tickvals": list(axis.ticks)}
    if axis.range:
        spec["range"] = [math.log10(value) for value in axis.range] if axis.log else list(axis.range)
    if axis.categories:
        names = [html.escape(name) for name in axis.categories]
        # A little room above and below; the first category on top.
        spec |= {"type": "category", "categoryarray": names, "range": [len(names) - 0.4, -0.6], "showgrid": False}
    return spec


def _mode(series: Series) -> str:
    marked = series.style.symbol != "none" and (series.marked or series.joined)
    parts = [*(["lines"] if series.joined else []), *(["markers"] if marked else [])]
    return "+".join(parts) or "none"


def _marker(series: Series) -> dict[str, Any]:
    """Curves carry the markers of their legend too, a few of them."""
    marker: dict[str, Any] = {"color": series.style.colour, "size": 6 if series.faint or not series.marked else 10}
    if series.style.symbol != "none":
        marker["symbol"] = series.style.symbol
    return marker if series.marked else marker | {"maxdisplayed": MARKERS_PER_CURVE}


def _traces(series: Series) -> list[dict[str, Any]]:
    look = series.style
    y = [html.escape(value) if isinstance(value, str) else value for value in series.y]
    shared: dict[str, Any] = {"meta": html.escape(series.group), "type": "scatter"}
    trace = shared | {
        "name": html.escape(series.name),
        "x": list(series.x),
        "y": _numbers(y),
        "mode": _mode(series),
        "opacity": (0.7 if series.joined else 0.35) if series.faint else 1,
        "line": {"color": look.colour, "dash": look.dash, "width": 1 if series.faint else 2},
        "marker": _marker(series),
        "hovertemplate": "%{text}<extra></extra>" if series.hover else None,
        "text": [html.escape(minus(text)) for text in series.hover] if series.hover else None,
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
                "thickness": 9 if look.symbol == "none" else 1.5,
                "width": 0 if look.symbol == "none" else 5,
                "color": look.colour,
            }
            if look.symbol == "none":
                trace["opacity"] = 0.4  # what lies within the bar, in the same grey perhaps, is seen over it
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


def _surface(surface: Surface) -> dict[str, Any]:
    return {
        "type": "contour",
        "x": list(surface.x),
        "y": list(surface.y),
        "z": [_numbers(row) for row in surface.values],
        "colorscale": BLUES,
        "contours": {"coloring": "fill", "showlines": False},
        "colorbar": {"thickness": 10, "outlinewidth": 0},
        "hoverinfo": "skip",
    }


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
            "colorscale": BLUES,
            "showscale": False,
            "xgap": 1,
            "ygap": 1,
        }
    ]


def _numbers(values: Sequence[Any]) -> list[Any]:
    """JSON has no NaN; plotly leaves a gap at null."""
    return [None if isinstance(value, float) and math.isnan(value) else value for value in values]

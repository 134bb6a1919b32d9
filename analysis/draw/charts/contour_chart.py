"""Two searched fields at a time -> the score over both of them, as far as the trials reach."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from analysis.draw.chart import Chart, Facet, Series, Style, Surface
from analysis.draw.charts.search_axes import field_axis, fields_of, params_text
from analysis.inference.estimates import Floats
from analysis.read.search_history import Cell

FEWEST_TRIALS = 4
STEPS = 40  # of the grid, along each axis
MOST_FACETS = 12


def contour(cells: Sequence[Cell], looks: Sequence[Style]) -> Chart | None:
    """A facet for each search and pair of fields, of the trials that ran whole; None where there are too few."""
    facets = [
        facet
        for cell, look in zip(cells, looks, strict=True)
        for pair in combinations(fields_of(cells), 2)
        if (facet := _facet(cells, cell, look, *pair))
    ]
    caption = (
        "Validation mean IoU in percent of the trials that ran whole, between which it is interpolated linearly. "
        "Outside of them nothing is known, and nothing is drawn."
    )
    return (
        Chart(name="search_contour", title="Score over two fields", caption=caption, facets=facets[:MOST_FACETS])
        if facets
        else None
    )


def _facet(cells: Sequence[Cell], cell: Cell, look: Style, across: str, up: str) -> Facet | None:
    trials = [t for t in cell.trials if t["state"] == "complete" and {across, up} <= set(t["params"])]
    if len(trials) < FEWEST_TRIALS:
        return None
    x_axis, y_axis = field_axis(cells, across), field_axis(cells, up)
    x, y = ([float(trial["params"][field]) for trial in trials] for field in (across, up))
    scores = [100 * float(trial["value"]) for trial in trials]
    hover = [f"{params_text(trial)}: {score:.2f}" for trial, score in zip(trials, scores, strict=True)]
    dots = Series(name=cell.name, group=cell.name, style=look, x=x, y=y, joined=False, marked=True, hover=hover)
    surface = interpolated(np.array(x), np.array(y), np.array(scores), x_log=x_axis.log, y_log=y_axis.log)
    return Facet(title=cell.name, x=x_axis, y=y_axis, series=[dots], surface=surface)


def interpolated(x: Floats, y: Floats, scores: Floats, *, x_log: bool, y_log: bool) -> Surface | None:
    """Linearly between the points, on the axes as they are drawn; None where the points lie on one line."""
    from scipy.interpolate import griddata  # half a second, for searches alone
    from scipy.spatial import QhullError

    along = [np.log10(values) if log else values for values, log in ((x, x_log), (y, y_log))]
    spans = [np.ptp(values) or 1.0 for values in along]
    grids = [np.linspace(values.min(), values.max(), STEPS) for values in along]
    points = np.column_stack([values / span for values, span in zip(along, spans, strict=True)])
    places = np.meshgrid(grids[0] / spans[0], grids[1] / spans[1])
    try:
        found = griddata(points, scores, (places[0], places[1]), method="linear")
    except QhullError:
        return None
    ends = [10**grid if log else grid for grid, log in zip(grids, (x_log, y_log), strict=True)]
    return Surface(ends[0].tolist(), ends[1].tolist(), found.tolist())

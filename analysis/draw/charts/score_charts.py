"""The settings that validate best -> their test scores as dots with intervals. Scores are drawn in percent."""

from typing import Any

import numpy as np
import pandas as pd

from analysis.draw.chart import LABELS, Axis, Chart, Facet, Series, style_of
from analysis.draw.metric_words import counted_words
from analysis.inference.estimates import interval_text
from analysis.read.frames import Study
from analysis.read.trial_folder import SIZE_NUMBERS
from analysis.statistics import selection
from analysis.statistics.cells import ending_text, endings
from analysis.statistics.counted import COUNTED, in_brackets
from segtrain import records
from segtrain.records import TEST_MEAN_IOU


def scores(study: Study) -> Chart | None:
    cells = selection.best_cells(study)
    if cells.empty:
        return None
    facet = _dots(study, cells, TEST_MEAN_IOU, "", LABELS[TEST_MEAN_IOU])
    caption = (
        "Test mean IoU of the settings that validate best: the mean over seeds with its 95 % interval, and each seed "
        "as a pale dot. One seed has no interval."
    )
    caption += counted_words(zip(cells["name"], cells[COUNTED[TEST_MEAN_IOU]], strict=True))
    return Chart(name="test_scores", title="Test mean IoU", caption=caption, facets=[facet])


def edges_and_sizes(study: Study) -> Chart | None:
    cells = selection.best_cells(study)
    measures = {"mean_boundary_iou": "boundary IoU"}
    measures |= {name: f"{size} objects" for name, size in zip(SIZE_NUMBERS, records.OBJECT_SIZES, strict=True)}
    facets = [
        _dots(study, cells, name, title, "IoU [%]") for name, title in measures.items() if cells[name].notna().any()
    ]
    caption = (
        "Boundary IoU (within 2 % of the image diagonal of an edge) and IoU by object size (below 1/300 of the image, "
        "up to 3 % of it, above), means over classes, with 95 % intervals over seeds."
    )
    title = "Edges and small objects"
    return Chart(name="boundary_and_size", title=title, caption=caption, facets=facets) if facets else None


def _dots(study: Study, cells: pd.DataFrame, column: str, title: str, label: str) -> Facet:
    """A row per cell: the mean with its interval, and its seeds."""
    trials, ended = selection.usable(study), endings(study).set_index("setting")
    series = []
    for cell in cells[cells[column].notna()].to_dict("records"):
        look = style_of(study, cell["model"], cell["freeze"])
        shared: dict[str, Any] = {
            "name": cell["name"],
            "group": cell["name"],
            "style": look,
            "joined": False,
            "marked": True,
        }
        found = 100 * trials.loc[trials["setting"] == cell["setting"], column].dropna().to_numpy()
        if len(found) > 1:
            hover = [f"{cell['name']}: {score:.2f} (one seed)" for score in found]
            series.append(Series(**shared, x=list(found), y=[cell["name"]] * len(found), faint=True, hover=hover))
        mean, low, high = (100 * cell[f"{column}{part}"] for part in ("", "_low", "_high"))
        text = interval_text(mean, high - mean, cell[f"{column}_n"], scale=1)
        lost = ended.loc[cell["setting"]]
        gone = ending_text(lost["diverged"], lost["failed"])
        few = in_brackets(cell[COUNTED[column]]) if column in COUNTED else ""
        hover = [f"{cell['name']}, {cell['setting_name']}: {text}{few}" + (f", {gone}" if gone else "")]
        low, high = np.clip([low, high], 0, 100).tolist()  # no score lies beyond
        series.append(Series(**shared, x=[mean], y=[cell["name"]], low=[low], high=[high], across=True, hover=hover))
    ends = np.array([float(end) for one in series for end in (*one.x, *(one.low or ()), *(one.high or ()))])
    # At least a point of room: scores that agree to the last digit would be drawn at that digit.
    room = max(1.0, 0.05 * float(np.nanmax(ends) - np.nanmin(ends)))
    x_axis = Axis(title=label, range=(float(np.nanmin(ends)) - room, float(np.nanmax(ends)) + room))
    return Facet(title=title, x=x_axis, y=Axis(categories=list(cells["name"])), series=series)

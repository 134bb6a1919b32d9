"""The score over two searched fields."""

from typing import Any

import numpy as np
import pytest

from analysis.draw.backends import matplotlib_files, plotly_page
from analysis.draw.chart import style
from analysis.draw.charts.contour_chart import contour, interpolated
from analysis.read.search_history import Cell

LOOK = style(0, "unfreeze")


def search(*points: tuple[float, float, float], state: str = "complete") -> Cell:
    trials: list[dict[str, Any]] = [
        {"number": number, "trial_id": f"t{number}", "state": state, "value": value, "intermediate": [[1, value]],
         "epochs": 1, "params": {"lr": lr, "weight_decay": decay}}
        for number, (lr, decay, value) in enumerate(points)
    ]  # fmt: skip
    return Cell("fcn8s", 1, None, None, trials)


CORNERS = ((1e-4, 0.0, 0.1), (1e-2, 0.0, 0.3), (1e-4, 0.1, 0.5), (1e-2, 0.1, 0.7))


def test_between_the_trials_the_score_rises_evenly_on_the_axes_as_drawn() -> None:
    chart = contour([search(*CORNERS)], [LOOK])
    assert chart is not None
    (facet,) = chart.facets
    assert (facet.x.log, facet.y.log) == (True, False)
    assert facet.surface is not None
    values = np.array(facet.surface.values)
    assert facet.surface.x[0] == pytest.approx(1e-4)
    assert values[[0, 0, -1, -1], [0, -1, 0, -1]] == pytest.approx([10, 30, 50, 70])
    middle = interpolated(
        np.array([1e-4, 1e-2] * 2), np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), x_log=True, y_log=False
    )
    assert middle is not None
    at = int(np.argmin(np.abs(np.log10(middle.x) + 3)))
    assert middle.values[20][at] == pytest.approx(0.5, abs=0.02)  # 1e-3 lies halfway from 1e-4 to 1e-2
    assert (facet.series[0].hover or [""])[3] == "lr 0.01, weight_decay 0.1: 70.00"
    figure = plotly_page.figures(chart)[0]
    assert [trace["type"] for trace in figure["data"]] == ["contour", "scatter"]
    assert len(matplotlib_files.draw(chart).axes) == 2  # with its scale


def test_points_on_one_line_have_no_surface_and_few_or_stopped_ones_no_chart() -> None:
    line = search(*((10.0**-n, 0.1 * n, 0.1) for n in range(1, 6)))
    chart = contour([line], [LOOK])
    assert chart is not None
    assert chart.facets[0].surface is None
    assert contour([search(*CORNERS[:3])], [LOOK]) is None
    assert contour([search(*CORNERS, state="pruned")], [LOOK]) is None

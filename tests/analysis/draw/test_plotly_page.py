import json
from typing import Any

import plotly.graph_objects as go
import pytest

from analysis.draw import gallery
from analysis.draw.backends import plotly_page
from analysis.draw.chart import Axis
from analysis.read.frames import load
from tests.analysis.conftest import ENV, counts

NASTY = "<script>alert(1)</script> & co"


@pytest.fixture
def charts(builder: Any) -> Any:
    for seed in range(2):
        for lr in (0.1, 0.2):
            shared = {"lr": lr, "counts": counts([0.8, 0.9]), "env": ENV, "extra": {"images_per_s": 9.0}}
            builder.trial([0.2, 0.4], variant=NASTY, seed=seed, **shared)
    builder.trial([0.2, 0.4], variant="plain", freeze="encoder", state="diverged")
    return gallery.all_charts(load(builder.write(variants={NASTY: {}, "plain": {}})))[0]


def test_plotly_accepts_every_figure_and_json_holds_it(charts: Any) -> None:
    assert len(charts) == 11
    for chart in charts:
        found = plotly_page.figures(chart)
        assert len(found) == len(chart.facets)
        for figure in found:
            go.Figure(data=figure["data"], layout=figure["layout"])  # raises on a property that plotly lacks
            json.dumps(figure, allow_nan=False)


def test_no_text_is_taken_for_html(charts: Any) -> None:
    text = json.dumps([plotly_page.figures(chart) for chart in charts])
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in text


def test_a_band_and_its_line_hide_together(charts: Any) -> None:
    (curves,) = [chart for chart in charts if chart.name == "val_mean_iou"]
    band, line, *_ = plotly_page.figures(curves)[0]["data"]
    assert (band["fill"], line["mode"]) == ("toself", "lines+markers")
    assert band["meta"] == line["meta"]
    assert band["x"] == [1, 2, 2, 1]


def test_a_log_axis_has_its_ticks_spelled_out() -> None:
    spec = plotly_page._axis(Axis(log=True, range=(0.4, 6.0)))
    assert spec["ticktext"] == ["0.5", "1", "2", "5"]
    assert plotly_page._axis(Axis(log=True, range=(1e-4, 1e-2), ticks=[3e-4, 1e-3]))["ticktext"] == ["0.0003", "0.001"]


def test_no_bar_lies_over_the_data(charts: Any) -> None:
    assert all(figure["config"]["displayModeBar"] is False for c in charts for figure in plotly_page.figures(c))

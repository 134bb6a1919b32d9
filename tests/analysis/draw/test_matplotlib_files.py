from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from analysis.draw import gallery
from analysis.draw.backends import matplotlib_files
from analysis.draw.backends.matplotlib_files import KINDS
from analysis.draw.charts import learning_curves, score_charts
from analysis.read.frames import load
from tests.analysis.conftest import ENV, counts


@pytest.fixture
def everything(builder: Any) -> Any:
    for seed in range(2):
        for lr in (0.1, 0.2):
            shared = {"seed": seed, "lr": lr, "counts": counts([0.8, 0.9]), "env": ENV, "extra": {"images_per_s": 9.0}}
            builder.trial([0.2, 0.4], arch="fcn8s", **shared)
            builder.trial([0.1, 0.3], arch="fcn8s", freeze="encoder", **shared)
    return load(builder.write(title="word " * 40))


def test_every_figure_is_three_files_that_are_the_same_each_time(everything: Any, tmp_path: Path) -> None:
    charts, _ = gallery.all_charts(everything)
    assert len(charts) == 11
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        with matplotlib_files.settings():
            for chart in charts[:: 1 if folder.name == "a" else 4]:
                assert len(matplotlib_files.write(matplotlib_files.draw(chart), chart.name, folder, KINDS)) == 3
    assert len(list((tmp_path / "b").iterdir())) == 9
    for path in sorted((tmp_path / "a").iterdir()):
        content = path.read_bytes()
        again = tmp_path / "b" / path.name
        assert not again.exists() or content == again.read_bytes(), path.name
        if path.suffix == ".png":
            pixels = np.asarray(Image.open(path).convert("L"))
            assert min(pixels.shape) > 250
            assert pixels.min() < 100 < pixels.max()
        else:
            assert content.startswith({".pdf": b"%PDF", ".svg": b"<?xml"}[path.suffix])


def test_lines_bands_and_legend_are_those_of_the_chart(everything: Any) -> None:
    chart = learning_curves.curves(everything, "val/mean_iou", "A title " * 30)
    assert chart is not None
    figure: Any = matplotlib_files.draw(chart)
    assert len([axes for axes in figure.axes if axes.get_visible()]) == 2
    unfreeze, freeze = figure.axes[0].lines
    np.testing.assert_allclose(unfreeze.get_xydata(), [[1, 20], [2, 40]])
    assert (unfreeze.get_linestyle(), freeze.get_linestyle()) == ("-", "--")
    assert len(figure.axes[0].collections) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["fcn8s, unfreeze", "fcn8s, freeze"]
    canvas: Any = FigureCanvasAgg(figure)
    title = figure._suptitle.get_window_extent(canvas.get_renderer())
    assert title.x0 > 0
    assert title.x1 < figure.bbox.x1


def test_a_dollar_sign_in_a_name_is_one(builder: Any, tmp_path: Path) -> None:
    builder.trial(variant="<b>$\\frac{x}$</b>")
    chart = score_charts.scores(load(builder.write(variants={"<b>$\\frac{x}$</b>": {}})))
    assert chart is not None
    with matplotlib_files.settings():
        matplotlib_files.write(matplotlib_files.draw(chart), "a", tmp_path, ["svg"])
    assert "&lt;b&gt;$\\frac{x}$&lt;/b&gt;" in (tmp_path / "a.svg").read_text()

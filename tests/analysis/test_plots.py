from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from analysis import plots, stats
from analysis.load import load_study


def drawn(figure: Figure | None) -> Any:
    """Any, since matplotlib's types say less than is there (a bar is a Patch without a height)."""
    assert figure is not None
    return figure


def legend_labels(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_an_architecture_has_one_colour_whatever_has_results(builder: Any) -> None:
    axes = {"arch": ["fcn32s", "fcn16s", "fcn8s"]}
    builder.trial(arch="fcn8s")
    study = load_study(builder.write(axes=axes))
    assert plots.colours(study) == dict(zip(axes["arch"], plots.COLOURS[:3], strict=True))
    figure = drawn(plots.draw_test_bars(study))
    assert [to_hex(bar.get_facecolor()).upper() for bar in figure.axes[0].patches] == [plots.COLOURS[2]]


def test_there_is_an_axes_per_variant_until_there_are_too_many(builder: Any) -> None:
    for lr in (0.3, 0.1, 0.2):
        builder.trial(lr=lr)
    study = load_study(builder.write())
    parts = plots.facets(stats.curves(study, "val/loss"))
    assert [name for name, _ in parts] == ["lr 0.3", "lr 0.1", "lr 0.2"]
    assert [part["lr"].tolist() for _, part in parts] == [[0.3], [0.1], [0.2]]
    for lr in (0.4, 0.5, 0.6, 0.7):
        builder.trial(lr=lr)
    (name, part), *rest = plots.facets(stats.curves(load_study(builder.write()), "val/loss"))
    assert (name, len(part), rest) == ("all 7 settings", 7, [])


def test_curves_draw_the_mean_in_the_colour_of_the_architecture_and_the_style_of_the_freeze(builder: Any) -> None:
    for freeze in ("none", "encoder"):
        builder.trial([0.2, 0.4], freeze=freeze, seed=0)
        builder.trial([0.4, 0.8], freeze=freeze, seed=1)
    figure = drawn(plots.draw_curves(load_study(builder.write()), "val/mean_iou", "validation mean IoU"))
    unfreeze, freeze = figure.axes[0].lines
    np.testing.assert_allclose(unfreeze.get_xydata(), [[1, 0.3], [2, 0.6]])
    assert unfreeze.get_color() == freeze.get_color() == plots.COLOURS[0]
    assert (unfreeze.get_linestyle(), freeze.get_linestyle()) == ("-", "--")
    assert len(figure.axes[0].collections) == 2  # the bands
    assert legend_labels(figure) == ["fcn8s", "unfreeze", "freeze"]
    assert figure.get_suptitle() == "A small grid\nvalidation mean IoU (mean and range of up to 2 seeds)"


def test_a_diverged_setting_ends_in_a_cross(builder: Any) -> None:
    builder.trial([0.2, 0.4], state="diverged")
    figure = drawn(plots.draw_curves(load_study(builder.write()), "train/loss", "training loss"))
    _, cross = figure.axes[0].lines
    assert (cross.get_marker(), cross.get_xydata().tolist()) == ("x", [[2, 0.5]])
    assert legend_labels(figure)[-1] == "diverged"


def test_a_long_title_is_wrapped_to_the_figure(builder: Any) -> None:
    builder.trial()
    study = load_study(builder.write(title="word " * 40))
    for draw in (plots.draw_test_bars, plots.draw_class_iou, plots.FIGURES["val_loss.png"]):
        figure = drawn(draw(study))
        canvas: Any = FigureCanvasAgg(figure)
        title = figure._suptitle.get_window_extent(canvas.get_renderer())
        assert figure.get_suptitle().count("word") == 40
        assert title.x0 > 0
        assert title.x1 < figure.bbox.x1


def test_a_single_point_is_visible_and_tells_its_freeze(builder: Any) -> None:
    builder.trial([0.2])
    builder.trial([0.2], freeze="encoder")
    figure = drawn(plots.draw_curves(load_study(builder.write()), "val/mean_iou", "validation mean IoU"))
    assert [line.get_marker() for line in figure.axes[0].lines] == ["o", "s"]
    assert [handle.get_marker() for handle in figure.legends[0].legend_handles[1:]] == ["o", "s"]


def test_bars_are_the_cells_of_the_table(builder: Any) -> None:
    builder.trial([0.6], 0.9, lr=0.1)
    builder.trial([0.7], 0.5, lr=0.2, seed=0)
    builder.trial([0.7], 0.6, lr=0.2, seed=1)
    builder.trial([0.7], 0.4, lr=0.2, freeze="encoder")
    figure = drawn(plots.draw_test_bars(load_study(builder.write())))
    axes = figure.axes[0]
    bars = [patch for patch in axes.patches if patch.get_height()]
    assert [bar.get_height() for bar in bars] == pytest.approx([0.55, 0.4])
    assert bars[0].get_hatch() == ""
    assert bars[1].get_hatch() == "//"
    assert [text.get_text() for text in axes.texts] == ["55.0\nlr 0.2\nn=2", "40.0\nlr 0.2"]
    assert len(axes.containers) == 3  # two bars, and one error bar: a single seed has none


def test_a_class_without_a_score_has_no_bar_and_says_so(builder: Any) -> None:
    builder.trial(iou=[0.4, None])
    figure = drawn(plots.draw_class_iou(load_study(builder.write())))
    axes = figure.axes[0]
    assert np.array([bar.get_height() for bar in axes.patches]) == pytest.approx([0.4, np.nan], nan_ok=True)
    assert [text.get_text() for text in axes.texts] == ["n/a"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["road", "sky"]
    assert legend_labels(figure) == ["fcn8s (unfreeze, lr 0.001)"]


@pytest.mark.parametrize("name", plots.FIGURES)
def test_nothing_is_drawn_without_data(builder: Any, name: str) -> None:
    builder.enter(builder.config())
    assert plots.FIGURES[name](load_study(builder.write())) is None


def test_test_curves_are_drawn_when_they_were_recorded(builder: Any) -> None:
    builder.trial([0.2, 0.4], extra={"test/mean_iou": 0.3})
    figure = drawn(plots.FIGURES["test_mean_iou_curves.png"](load_study(builder.write())))
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), [0.3, 0.3])


@pytest.mark.parametrize(
    ("value", "low", "high", "label"),
    [(0.4, 0.3, 0.9, "0.4"), (0.4, 0.1, 0.9, ""), (0.5, 0.1, 0.9, "0.5"), (0.004, 0.003, 0.009, "0.004")],
)
def test_log_labels_are_plain_and_few(value: float, low: float, high: float, label: str) -> None:
    assert plots._log_label(value, low, high) == label


def test_a_written_figure_is_a_picture(builder: Any, tmp_path: Path) -> None:
    builder.trial([0.2, 0.4])
    figure = drawn(plots.draw_curves(load_study(builder.write()), "train/loss", "training loss"))
    plots.write_figure(figure, tmp_path / "a.png")
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("L"))
    assert pixels.shape[0] > 300
    assert pixels.shape[1] > 600
    assert pixels.min() < 100 < pixels.max()
    assert [path.name for path in tmp_path.glob("*.png")] == ["a.png"]

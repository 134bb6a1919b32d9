import itertools
from typing import Any

import numpy as np
from PIL import Image

from analysis.draw.panels import draw_panels, furthest, legend_entries, mark, read_panels
from analysis.read.frames import load
from segtrain.records import PANELS_DIR, panel_file

ROAD, SKY = [128, 64, 128], [70, 130, 180]
TRUTH = [[0, 0, 1], [0, 1, 255]]


def test_panels_are_those_of_each_architectures_best_model_in_study_order(builder: Any) -> None:
    builder.panel(builder.trial([0.4], 0.9, lr=0.1), 0, TRUTH, [[0, 0, 0], [0, 0, 0]])
    builder.panel(builder.trial([0.5], 0.1, lr=0.2), 0, TRUTH, [[1, 1, 1], [0, 0, 0]])
    builder.panel(builder.trial([0.9], arch="fcn32s", lr=0.1), 0, TRUTH, [[0, 0, 0], [1, 1, 1]])
    panels = read_panels(load(builder.write()))
    assert panels is not None
    assert panels.rows == [0]
    assert panels.titles == ["image", "truth", "fcn8s\nlr 0.2", "fcn32s\nlr 0.1"]
    assert panels.cells[0, "image"].tolist() == [[[90, 90, 90]] * 3] * 2
    assert panels.cells[0, "truth"].tolist() == [[ROAD, ROAD, SKY], [ROAD, SKY, [0, 0, 0]]]
    assert panels.cells[0, panels.titles[2]].tolist() == [[SKY] * 3, [ROAD] * 3]
    assert panels.cells[0, panels.titles[3]].tolist() == [[ROAD] * 3, [SKY] * 3]
    assert panels.problems == []
    road, sky = (tuple(value / 255 for value in colour) for colour in (ROAD, SKY))
    assert panels.legend == [("road", road), ("sky", sky), ("ignored", (0, 0, 0))]


def test_what_cannot_be_read_is_named_and_the_rest_is_shown(builder: Any) -> None:
    torn, whole = builder.trial([0.4]), builder.trial([0.3], arch="fcn16s")
    for index in (0, 1, 2):
        builder.panel(torn, index, TRUTH, TRUTH)
        builder.panel(whole, index, TRUTH, TRUTH)
    (torn / PANELS_DIR / panel_file(0, "prediction")).write_bytes(b"\x89PNG")
    (torn / PANELS_DIR / panel_file(1, "truth")).unlink()
    Image.new("RGB", (3, 2)).save(torn / PANELS_DIR / panel_file(2, "prediction"))
    panels = read_panels(load(builder.write()))
    assert panels is not None
    assert panels.rows == [0, 1, 2]
    assert set(panels.cells) == {(row, title) for row in (0, 1, 2) for title in ("image", "truth", "fcn16s\nlr 0.001")}
    assert len(panels.problems) == 3
    assert "00_prediction.png cannot be read" in panels.problems[0]
    assert "01_truth.png cannot be read" in panels.problems[1]
    assert "02_prediction.png is of mode 'RGB'; expected a palette picture" in panels.problems[2]
    drawn = draw_panels(panels)
    missing = [axes for axes in drawn.axes if any(text.get_text() == "missing" for text in axes.texts)]
    assert len(missing) == 3


def test_a_prediction_of_another_image_is_not_put_beside_this_one(builder: Any) -> None:
    builder.panel(builder.trial([0.4]), 0, TRUTH, TRUTH)
    builder.panel(builder.trial([0.3], arch="fcn16s"), 0, [[1, 1, 1], [1, 1, 1]], TRUTH)
    panels = read_panels(load(builder.write()))
    assert panels is not None
    assert (0, "fcn16s\nlr 0.001") not in panels.cells
    assert panels.problems[0].endswith("00_truth.png is not the truth that other models have")


def test_there_are_no_panels_before_there_is_a_model(builder: Any) -> None:
    builder.panel(builder.trial(stage="pretrain"), 0, TRUTH, TRUTH)
    builder.panel(builder.trial(state="running", lr=0.1), 0, TRUTH, TRUTH)
    builder.trial(lr=0.2)  # finished, and without panels
    assert read_panels(load(builder.write())) is None


def test_the_figure_has_a_row_per_image_and_titles_on_top(builder: Any) -> None:
    folder = builder.trial()
    for index in range(10):
        builder.panel(folder, index, TRUTH, TRUTH)
    panels = read_panels(load(builder.write()))
    assert panels is not None
    assert panels.rows == list(range(8))
    figure = draw_panels(panels)
    assert len(figure.axes) == 8 * 3
    assert [axes.get_title() for axes in figure.axes[:4]] == [*panels.titles, ""]
    np.testing.assert_array_equal(figure.axes[2].images[0].get_array(), panels.cells[0, panels.titles[2]])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["road", "sky", "ignored"]


def test_a_class_beyond_the_palette_has_no_legend_entry() -> None:
    assert legend_entries({0: "road", 1: "sky"}, [255, 0, 51]) == [("road", (1.0, 0.0, 0.2))]


def test_wrong_pixels_have_their_colour_on_the_faded_rest_and_ignored_ones_count_nowhere() -> None:
    picture = np.full((2, 3, 3), 100, dtype=np.uint8)
    prediction = np.array([[0, 1, 1], [1, 1, 0]], dtype=np.uint8)
    marked, wrong = mark(picture, prediction, np.array(TRUTH, dtype=np.uint8), (255, 0, 255))
    assert wrong == 2 / 5
    coloured = (marked == (255, 0, 255)).all(2)
    assert coloured.tolist() == [[False, True, False], [True, False, False]]
    assert (marked[~coloured] == round(100 + 0.7 * 155)).all()
    assert np.isnan(mark(picture, prediction, np.full((2, 3), 255, dtype=np.uint8), (0, 0, 0))[1])


def test_wrong_pixels_take_the_colour_that_no_class_has() -> None:
    candidates = ((0, 0, 0), (255, 0, 0), (255, 0, 255))
    assert furthest(candidates, [(10, 0, 0), (250, 10, 240)]) == (255, 0, 0)
    assert furthest(candidates, []) == (0, 0, 0)


def test_frozen_and_fine_tuned_stand_side_by_side(builder: Any) -> None:
    for freeze in ("none", "encoder"):
        builder.panel(builder.trial([0.4], freeze=freeze), 0, TRUTH, TRUTH)
    panels = read_panels(load(builder.write()))
    assert panels is not None
    assert panels.titles[2:] == ["fcn8s, unfreeze\nlr 0.001", "fcn8s, freeze\nlr 0.001"]


def test_the_marked_figure_has_the_marked_predictions(builder: Any) -> None:
    builder.panel(builder.trial(), 0, TRUTH, [[1, 0, 1], [0, 1, 0]])
    panels = read_panels(load(builder.write()))
    assert panels is not None
    title = panels.titles[2]
    assert panels.wrong == {(0, title): 1 / 5}
    figure = draw_panels(panels, marked=True)
    np.testing.assert_array_equal(figure.axes[2].images[0].get_array(), panels.marked[0, title])
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), panels.cells[0, "truth"])
    assert figure.legends[0].get_texts()[-1].get_text() == "wrong"


def test_a_prediction_of_another_size_is_left_out(builder: Any) -> None:
    folder = builder.trial()
    builder.panel(folder, 0, TRUTH, [[0, 0]])
    assert read_panels(load(builder.write())) is None


def test_the_title_of_a_long_setting_stays_above_its_picture(builder: Any) -> None:
    for arch in ("fcn8s", "fcn16s", "fcn32s"):
        for loss in ("cross_entropy", "cross_entropy+dice"):
            optimizer, schedule = ("sgd", "cosine") if loss == "cross_entropy" else ("adamw", "exponential")
            fields = {"arch": arch, "loss": loss, "optimizer": optimizer, "schedule": schedule}
            builder.panel(builder.trial([0.4], **fields), 0, TRUTH, TRUTH)
    panels = read_panels(load(builder.write()))
    assert panels is not None
    assert max(map(len, panels.titles[-1].splitlines())) > 50
    figure = draw_panels(panels)
    figure.draw_without_rendering()
    boxes = [axes.title.get_window_extent() for axes in figure.axes]
    assert all(left.x1 <= right.x0 for left, right in itertools.pairwise(boxes))

from typing import Any

import numpy as np
import pytest

from analysis.draw import gallery
from analysis.draw.chart import COLOURS, Chart, style
from analysis.draw.charts import (
    class_charts,
    class_difference_chart,
    cost_chart,
    learning_curves,
    rate_chart,
    score_charts,
)
from analysis.read.frames import load
from segtrain import records
from tests.analysis.conftest import ENV, counts

SOLID = counts([0.8, 0.9])


def drawn(chart: Chart | None) -> Chart:
    assert chart is not None
    return chart


def test_a_model_has_one_style_in_every_figure_whatever_has_results(builder: Any) -> None:
    for seed in range(2):
        for lr in (0.1, 0.2):
            extra = {"images_per_s": 9.0}
            builder.trial([0.2, 0.4], arch="fcn8s", lr=lr, seed=seed, counts=SOLID, env=ENV, extra=extra)
    found, problems = gallery.all_charts(load(builder.write(axes={"arch": ["fcn32s", "fcn16s", "fcn8s"]})))
    assert problems == []
    names = "test_scores val_mean_iou train_loss val_loss class_iou confusion roc precision_recall boundary_and_size"
    assert [chart.name for chart in found] == [*names.split(), "learning_rate", "cost"]
    for chart in found:
        for group, look in chart.legend().items():
            assert group == "Pareto front" or look.colour == COLOURS[2], chart.name


def test_styles_tell_more_models_apart_than_there_are_colours() -> None:
    styles = {style(model, freeze) for model in range(14) for freeze in ("unfreeze", "freeze")}
    pairs = {(look.colour, look.dash) for look in styles}
    assert len({(style(m, "unfreeze").colour, style(m, "unfreeze").dash) for m in range(14)}) == 14
    assert len(pairs) == 21


def test_scores_are_those_of_the_settings_that_validate_best_with_interval_and_seeds(builder: Any) -> None:
    builder.trial([0.6], 0.9, lr=0.1)
    builder.trial([0.7], 0.5, lr=0.2, seed=0)
    builder.trial([0.7], 0.6, lr=0.2, seed=1)
    builder.trial([0.7], 0.4, lr=0.2, freeze="encoder")
    (facet,) = drawn(score_charts.scores(load(builder.write()))).facets
    assert facet.y.categories == ["fcn8s, unfreeze", "fcn8s, freeze"]
    seeds, mean, single = facet.series
    assert (list(seeds.x), seeds.faint) == (pytest.approx([50, 60]), True)
    assert mean.x == pytest.approx([55])
    # 55 ± 12.7062 * 5, but no score lies below 0 or above 100.
    assert (mean.low, mean.high) == ([0], [100])
    assert single.x == pytest.approx([40])
    assert np.isnan((single.low or [0])[0])
    assert (single.hover or [""])[0] == "fcn8s, freeze, lr 0.2: 40.00 (n=1)"


def test_equal_seeds_are_not_drawn_at_their_last_digit(builder: Any) -> None:
    for seed in range(3):
        builder.trial(test=0.1, seed=seed)
    (facet,) = drawn(score_charts.scores(load(builder.write()))).facets
    assert facet.x.range == pytest.approx((9, 11))


def test_curves_are_the_mean_in_the_band_of_the_seeds(builder: Any) -> None:
    for freeze in ("none", "encoder"):
        builder.trial([0.2, 0.4], freeze=freeze, seed=0)
        builder.trial([0.4, 0.8], freeze=freeze, seed=1)
    chart = drawn(learning_curves.curves(load(builder.write()), "val/mean_iou", "validation mean IoU"))
    unfreeze, freeze = chart.facets[0].series
    assert (list(unfreeze.x), list(unfreeze.y)) == ([1, 2], pytest.approx([30, 60]))
    assert (unfreeze.low, unfreeze.high) == (pytest.approx([20, 40]), pytest.approx([40, 80]))
    assert unfreeze.style.colour == freeze.style.colour == COLOURS[0]
    assert (unfreeze.style.dash, freeze.style.dash) == ("solid", "dash")
    assert chart.caption == "The mean of up to 2 seeds, in the band of their range."


def test_there_is_a_facet_per_setting_until_there_are_too_many(builder: Any) -> None:
    for lr in (0.3, 0.1, 0.2):
        builder.trial(lr=lr)
    chart = drawn(learning_curves.curves(load(builder.write()), "val/loss", ""))
    assert [facet.title for facet in chart.facets] == ["lr 0.3", "lr 0.1", "lr 0.2"]
    assert len({facet.y.range for facet in chart.facets}) == 1
    for lr in (0.4, 0.5, 0.6, 0.7):
        builder.trial(lr=lr)
    (facet,) = drawn(learning_curves.curves(load(builder.write()), "val/loss", "")).facets
    assert (facet.title, len(facet.series)) == ("", 7)


def test_models_are_in_one_facet_when_each_has_one_rate(builder: Any) -> None:
    builder.trial(variant="half rate", lr=0.1)
    builder.trial(variant="full rate", lr=0.2)
    chart = drawn(
        learning_curves.curves(load(builder.write(variants={"full rate": {}, "half rate": {}})), "val/loss", "")
    )
    (facet,) = chart.facets
    assert (facet.title, [series.name for series in facet.series]) == ("", ["full rate", "half rate"])
    assert list(chart.legend()) == ["full rate", "half rate"]


def test_a_diverged_setting_ends_in_a_cross_and_a_single_point_is_marked(builder: Any) -> None:
    builder.trial([0.2, 0.4], state="diverged")
    builder.trial([0.2], lr=0.1)
    first, second = drawn(learning_curves.curves(load(builder.write()), "train/loss", "")).facets
    line, cross = first.series
    assert (cross.style.symbol, cross.x, cross.y, cross.joined) == ("x", [2], [0.5], False)
    assert (line.marked, second.series[0].marked) == (False, True)


def test_a_mean_ends_where_the_first_of_its_runs_did_and_the_others_go_on_alone(builder: Any) -> None:
    builder.trial([0.2, 0.4, 0.6], seed=0)
    builder.trial([0.4, 0.8], seed=1, state="diverged")
    chart = drawn(learning_curves.curves(load(builder.write()), "val/mean_iou", ""))
    mean, alone, cross = chart.facets[0].series
    assert (list(mean.x), list(mean.y)) == ([1, 2], pytest.approx([30, 60]))
    assert (list(alone.x), list(alone.y), alone.faint, alone.style.symbol) == ([2, 3], [40, 60], True, "none")
    assert (list(cross.x), list(cross.y)) == ([2], [80])
    assert "1 diverged: where the first run of a setting ends, its mean ends" in chart.caption


def test_a_mean_stands_where_all_seeds_have_a_value(builder: Any) -> None:
    """Somebody may have cut lines out of a file."""
    builder.trial([0.2, 0.4, 0.6], seed=0)
    lines = builder.trial([0.4, 0.8, 1.0], seed=1) / records.METRICS_FILE
    lines.write_text("".join(lines.read_text().splitlines(keepends=True)[1:]))
    chart = drawn(learning_curves.curves(load(builder.write()), "val/mean_iou", ""))
    mean = chart.facets[0].series[0]
    assert (list(mean.x), list(mean.y)) == ([2, 3], pytest.approx([60, 80]))


def test_training_and_test_curves_are_drawn_where_they_were_recorded(builder: Any) -> None:
    builder.trial([0.2], extra={"train/mean_iou": 0.3, "test/loss": 0.7})
    names = {chart.name: chart for chart in gallery.all_charts(load(builder.write()))[0]}
    assert list(names["train_mean_iou"].facets[0].series[0].y) == [30]
    assert names["train_mean_iou"].facets[0].y.title == "training mean IoU [%]"
    assert list(names["test_loss"].facets[0].series[0].y) == [0.7]
    assert "test_mean_iou" not in names


def test_losses_are_on_a_log_scale_unless_one_is_0(builder: Any) -> None:
    builder.trial([0.2])
    assert drawn(learning_curves.curves(load(builder.write()), "train/loss", "")).facets[0].y.log
    builder.trial([0.2], lr=0.1, extra={"train/loss": 0.0})
    assert not drawn(learning_curves.curves(load(builder.write()), "train/loss", "")).facets[0].y.log


def test_confusion_is_normalised_by_row_and_a_class_without_truth_is_blank(builder: Any) -> None:
    folder = builder.trial(counts=SOLID)
    np.save(folder / records.CONFUSION_FILE, np.array([[3, 1], [0, 0]]))
    problems: list[str] = []
    (facet,) = drawn(class_charts.confusion(load(builder.write()), problems)).facets
    assert facet.heat is not None
    np.testing.assert_array_equal(facet.heat.values, [[0.75, 0.25], [np.nan, np.nan]])
    assert (facet.heat.rows, problems) == (["road", "sky"], [])


def test_roc_has_a_facet_per_class_and_the_area_on_hover(builder: Any) -> None:
    builder.trial(counts=SOLID)
    builder.trial(arch="fcn16s", counts=SOLID)
    chart = drawn(class_charts.roc(load(builder.write()), []))
    assert [(facet.title, [series.name for series in facet.series]) for facet in chart.facets] == [
        ("road", ["fcn8s", "fcn16s"]),
        ("sky", ["fcn8s", "fcn16s"]),
    ]
    assert (chart.facets[1].series[0].hover or [""])[0] == "fcn8s: AUC 0.7000"


def test_precision_over_recall_worked_by_hand(builder: Any) -> None:
    # 4 pixels of the class and 8 others; thresholds that find 0, 2 and 4 with 0, 0 and 4 false alarms.
    fpr, tpr = np.array([0.0, 0.0, 0.5]), np.array([0.0, 0.5, 1.0])
    recall, precision = class_charts.precision_over_recall(fpr, tpr, 4, 8)
    assert (recall.tolist(), precision.tolist()) == ([0.5, 1], [1, 0.5])
    assert class_charts.average_precision(recall, precision) == 0.75
    folder = builder.trial(counts=SOLID)
    study = load(builder.write())
    assert drawn(class_charts.precision_recall(study)).facets[0].title == "road"
    np.savez_compressed(folder / records.ROC_FILE, fpr=[fpr] * 2, tpr=[tpr] * 2)  # as older trials have it
    assert class_charts.precision_recall(study) is None


def test_thinning_keeps_the_ends_and_the_shape() -> None:
    x = np.concatenate([np.zeros(500), np.linspace(0, 1, 501)])
    y = np.concatenate([np.linspace(0, 1, 500), np.ones(501)])
    few_x, few_y = class_charts.thin(x, y)
    assert len(few_x) <= 120
    assert (few_x[0], few_y[0], few_x[-1], few_y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(few_y, few_x) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", [records.CONFUSION_FILE, records.ROC_FILE])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04torn", None])
def test_what_cannot_be_read_is_named_and_the_rest_is_drawn(builder: Any, name: str, content: bytes | None) -> None:
    folder = builder.trial(counts=SOLID)
    builder.trial(arch="fcn16s", counts=SOLID)
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    found, problems = gallery.all_charts(load(builder.write()))
    assert {"confusion", "roc"} <= {chart.name for chart in found}
    assert len(problems) == 1
    assert problems[0].startswith(f"{folder / name} cannot be read (")


def test_an_array_of_another_shape_is_named(builder: Any) -> None:
    folder = builder.trial(counts=SOLID)
    np.save(folder / records.CONFUSION_FILE, np.zeros((3, 3)))
    problems: list[str] = []
    assert class_charts.confusion(load(builder.write()), problems) is None
    path = folder / records.CONFUSION_FILE
    assert problems == [f"{path} has the shape (3, 3), which fits no 2 classes; its figure is left out"]


def test_rates_are_drawn_when_there_are_two_of_a_model(builder: Any) -> None:
    builder.trial([0.5], 0.4, lr=0.1)
    assert rate_chart.learning_rates(load(builder.write())) is None
    builder.trial([0.7], 0.6, lr=0.01)
    chart = drawn(rate_chart.learning_rates(load(builder.write())))
    (line,) = chart.facets[1].series
    assert (list(line.x), list(line.y)) == ([0.01, 0.1], pytest.approx([60, 40]))
    assert chart.facets[0].x.log


def test_the_pareto_front_worked_by_hand() -> None:
    costs, scores = [3, 1, 2, 2, 4, 1], [0.5, 0.2, 0.4, 0.3, 0.5, 0.1]
    assert cost_chart.pareto(costs, scores) == [1, 2, 0]
    assert cost_chart.pareto([], []) == []


def test_a_small_difference_of_costs_looks_small_and_equal_costs_are_told(builder: Any) -> None:
    for arch, runtime_s, parameters in (("fcn8s", 1000, 1000), ("fcn16s", 1100, 1001)):
        builder.trial(runtime_s=runtime_s, arch=arch, env=ENV | {"parameters": 10**6 * parameters})
    chart = drawn(cost_chart.cost(load(builder.write())))
    (facet,) = chart.facets
    assert facet.x.range == pytest.approx((0, 1.08 * 1100 / 60))
    assert "not drawn: forward pass (0.005 10⁹ multiply-adds), size (1e+03 10⁶ parameters)." in chart.caption


def test_cost_is_less_the_better_on_every_axis(builder: Any) -> None:
    builder.trial(test=0.5, env=ENV, extra={"images_per_s": 4.0}, runtime_s=7200)
    chart = drawn(cost_chart.cost(load(builder.write())))
    points = {facet.title: facet.series[1].x for facet in chart.facets}
    assert points == {
        "training time": [120],
        "time per training image": [250],
        "forward pass": [0.005],
        "size": [0.001],
    }


def test_nothing_is_drawn_without_data(builder: Any) -> None:
    builder.enter(builder.config())
    assert gallery.all_charts(load(builder.write())) == ([], [])


def test_gains_and_losses_by_class_are_paired_over_seeds(builder: Any) -> None:
    for seed in range(2):
        builder.trial([0.9], iou=[0.5 + seed / 50, 0.9], seed=seed)
        builder.trial([0.1], iou=[0.6, 0.2 + seed / 50], seed=seed, freeze="encoder")
    (facet,) = drawn(class_difference_chart.class_differences(load(builder.write()))).facets
    assert (facet.title, facet.y.categories) == ("fcn8s, unfreeze less fcn8s, freeze", ["road", "sky"])
    road, sky = facet.series
    assert (road.x, sky.x) == (pytest.approx([-9]), pytest.approx([69]))
    assert (sky.low or [0])[0] == pytest.approx(69 - 12.7062, abs=1e-3)


def test_pretraining_has_curves_of_its_own(builder: Any) -> None:
    builder.trial([0.1, 0.3], stage="pretrain", dataset="scenes_source")
    builder.trial([0.5, 0.6])
    chart = drawn(learning_curves.pretraining(load(builder.write())))
    assert [facet.y.title for facet in chart.facets] == ["validation mean IoU [%]", "training loss", "validation loss"]
    assert [list(facet.series[0].y) for facet in chart.facets[:2]] == [pytest.approx([10, 30]), [1, 0.5]]
    assert list(chart.facets[0].x.ticks or ()) == [0, 1, 2]


def test_areas_are_those_of_the_curves(builder: Any) -> None:
    builder.trial(counts=SOLID)
    study = load(builder.write())
    (by_class,) = class_charts.areas(study).values()
    curves = drawn(class_charts.precision_recall(study)).facets
    assert [auc for auc, _ in by_class.values()] == [0.9, 0.7]
    told = [(facet.series[0].hover or [""])[0] for facet in curves]
    assert told == [f"fcn8s: average precision {area:.4f}" for _, area in by_class.values()]

"""A mean IoU over fewer classes than the data have is marked wherever it stands."""

from typing import Any

import pandas as pd
import pytest

from analysis.draw.gallery import all_charts
from analysis.read.frames import Study, load
from analysis.report import answers, overview
from analysis.report.best_models import best_over
from analysis.report.tables import result_tables
from analysis.report.tables.claims_table import claims_table
from analysis.report.tables.settings_table import settings_table
from analysis.report.tables.trials_table import trials_table
from analysis.statistics.claims import judge_all
from analysis.statistics.ranking import best_lines
from segtrain import records
from tests.analysis.conftest import scores

CLAIM = {"text": "8s better", "left": {"arch": "fcn8s"}, "right": {"arch": "fcn16s"}}


@pytest.fixture
def study(builder: Any) -> Study:
    """fcn8s counts one of two classes in validation and test, fcn16s both; two seeds each, at two rates."""
    for arch, counted, iou in (("fcn8s", 1, [0.6, None]), ("fcn16s", 2, [0.6, 0.5])):
        for seed in (0, 1):
            for lr in (0.1, 0.2):
                extra = {records.VAL_IOU: iou}
                folder = builder.trial([0.6 + lr + seed / 50], arch=arch, seed=seed, lr=lr, extra=extra)
                found = scores(mean_iou=0.6 + seed / 50, iou=iou, counted_classes=counted)
                records.write_test_scores(folder, found)
    axes = {"arch": ["fcn8s", "fcn16s"], "lr": [0.1, 0.2], "seed": [0, 1]}
    return load(builder.write(axes=axes, claims=[CLAIM]))


def test_tables_say_it_beside_the_number_and_in_a_column(study: Study) -> None:
    tables = {table.name: table for table in (*result_tables.all_tables(study), settings_table(study))}
    tables["best"] = best_over([study])
    for name in ("settings", "best_models", "four_metrics", "best"):
        table = tables[name]
        marks = [row for row in table.rows() if any("1 of 2 classes" in text for text in row)]
        assert marks == [row for row in table.rows() if "fcn8s" in " ".join(row[:3])], name
        assert "test/mean_iou_counted" in table.csv().splitlines()[0], name
        assert "1 of 2 classes" in table.latex(), name
    grid = tables["architecture_by_freeze"].rows()
    assert [" of 2 classes" in " ".join(row) for row in grid] == [True, False]
    assert tables["results"].rows()[0][3].endswith(" (1 of 2)")
    assert tables["results"].rows()[-1][3] == "62.00"


def test_answers_say_which_classes_their_means_count(study: Study) -> None:
    [judgement] = judge_all(study)
    assert judgement.counted == "1 to 2 of 2"
    assert "means over 1 to 2 of 2 classes" in answers.sentence(judgement)
    assert "1 to 2 of 2" in claims_table([judgement]).csv()


def test_captions_and_points_say_it(study: Study) -> None:
    charts = {chart.name: chart for chart in all_charts(study)[0]}
    for name in ("test_scores", "learning_rate"):
        assert "Over fewer classes than the others, and so not quite comparable: fcn8s" in charts[name].caption, name
    hovers = [text for one in charts["test_scores"].facets[0].series for text in one.hover or ()]
    assert sum(text.endswith("(1 of 2 classes)") for text in hovers) == 1
    assert charts["val_mean_iou"].caption.endswith("The means of the epochs count 1 to 2 of 2 classes.")


def test_the_head_and_the_last_lines_say_it(study: Study) -> None:
    [beside] = [beside for what, _, beside in overview.tiles(study, []) if what == "best on validation"]
    assert beside.endswith("n = 2, 1 of 2 classes")
    assert best_lines([study])[0].endswith("81.00 % (1 of 2 classes)")


def test_a_trial_whose_epochs_count_differently_says_which_is_the_best_over_the_same_classes(builder: Any) -> None:
    folder = builder.trial([0.60, 0.47], extra={records.VAL_IOU: [0.6, None]})
    records.append_metrics(folder, {"epoch": 2, records.VAL_MEAN_IOU: 0.35, records.VAL_IOU: [0.7, 0.0]})
    study = load(builder.write())
    assert study.trials["comparable_best_epoch"].tolist() == [2]
    assert study.epochs["val_counted_classes"].tolist() == [1, 2]
    [note] = (column.texts for column in trials_table(study).columns if column.title == "note")
    assert note == ["its epochs count different classes, and over those that all count epoch 2 is the best"]


def test_a_list_of_no_classes_marks_nothing(builder: Any) -> None:
    builder.trial([0.5], state="running", extra={records.VAL_IOU: []})
    study = load(builder.write())
    assert study.trials["class_count"].isna().all()
    assert study.epochs["val_counted_classes"].isna().all()
    assert all_charts(study)[0]


def test_what_was_not_recorded_is_missing_and_marks_nothing(builder: Any) -> None:
    builder.trial()
    study = load(builder.write())
    assert pd.isna(study.trials["val_counted_classes"].iloc[0])
    assert study.trials["class_count"].tolist() == [2]
    assert "classes" not in " ".join(result_tables.best_models(study).rows()[0])

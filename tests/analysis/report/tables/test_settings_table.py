"""Task by task: what one network says of several questions about each pixel, beside networks of one."""

from dataclasses import asdict
from pathlib import Path

import pytest

from analysis.draw.panels import read_panels
from analysis.read.frames import Study, load
from analysis.report.tables.settings_table import task_names, task_table
from analysis.statistics import cells, claim_metrics
from segtrain import records
from tests.analysis.conftest import StudyBuilder, scores

KINDS = ["sky", "ground", "upright"]


def write_geometric(folder: Path, accuracy: float) -> None:
    """Writes what a trial says of the geometric task."""
    place = records.task_dir(folder, "geometric")
    place.mkdir(parents=True)
    of_three = {"classes": KINDS, "iou": [0.1, 0.2, None], "auc": [None] * 3, "boundary_iou": [None] * 3}
    of_three["size_iou"] = {size: [None] * 3 for size in records.OBJECT_SIZES}
    records.write_test_scores(place, scores(pixel_accuracy=accuracy, **of_three))


@pytest.fixture
def study(builder: StudyBuilder) -> Study:
    """Two seeds of both tasks, one of the geometric alone, one of data whose task has no name."""
    for seed, accuracy in enumerate((0.8, 0.9)):
        folder = builder.trial(test=0.4, env={"task": "semantic"}, dataset="outdoors", seed=seed, variant="both")
        write_geometric(folder, accuracy)
        builder.panel(folder, 0, [[0, 1]], [[0, 0]])
        builder.panel(records.task_dir(folder, "geometric"), 0, [[2, 2]], [[2, 0]])
    alone = builder.trial(
        test=0.6, env={"task": "geometric"}, dataset="outdoors_geometric", iou=[0.1, 0.2], variant="alone"
    )
    builder.panel(alone, 0, [[2, 2]], [[0, 0]])
    return load(builder.write(variants={"both": {}, "alone": {"dataset": "outdoors_geometric"}}))


def test_each_task_has_columns_whether_it_is_the_first_or_not(study: Study) -> None:
    found = study.trials.set_index("run")["test/geometric/pixel_accuracy"].tolist()
    assert found == [0.8, 0.9, 0.9]
    assert study.trials["test/semantic/mean_iou"].tolist()[:2] == [0.4, 0.4]
    assert study.trials["test/semantic/mean_iou"].isna().tolist() == [False, False, True]


def test_the_table_has_a_row_per_task_and_model(study: Study) -> None:
    assert sorted(task_names(study)) == ["geometric", "semantic"]
    table = task_table(study)
    assert table is not None
    columns = {column.title: column for column in table.columns}
    rows = list(zip(columns["task"].texts, columns["model"].texts, strict=True))
    assert sorted(rows) == [("geometric", "alone"), ("geometric", "both"), ("semantic", "both")]
    accuracies = columns["pixel acc. %"].values["pixel_accuracy"]
    assert accuracies[rows.index(("geometric", "both"))] == pytest.approx(0.85)
    ious = columns["mean IoU %"].texts
    assert ious[rows.index(("geometric", "both"))].endswith("(n=2, 2 of 3 classes)")
    assert ious[rows.index(("semantic", "both"))].endswith("(n=2)")


def test_data_with_one_task_have_no_such_table(builder: StudyBuilder) -> None:
    builder.trial()
    assert task_table(load(builder.write())) is None


def test_a_claim_may_be_about_a_task(study: Study) -> None:
    found = claim_metrics.find(study, "test/geometric/pixel_accuracy")
    assert sorted(found.values.values()) == [0.8, 0.9, 0.9]
    assert claim_metrics.find(study, "test/depth/mean_iou").values == {}
    with pytest.raises(ValueError, match=r"^its metric is 'test/geometric/size'; allowed: .+test/TASK/SCORE"):
        claim_metrics.find(study, "test/geometric/size")


def test_pictures_of_a_task_are_of_all_models_that_know_it(study: Study) -> None:
    first = read_panels(study)
    assert first is not None
    assert (len(first.titles), first.problems) == (3, [])
    further = read_panels(study, "geometric")
    assert further is not None
    assert (len(further.titles), further.problems) == (4, [])
    assert sorted(further.wrong.values()) == [0.5, 1.0]


def test_a_torn_file_of_a_task_makes_its_trial_unreadable(builder: StudyBuilder) -> None:
    folder = builder.trial(env={"task": "semantic"})
    write_geometric(folder, 0.5)
    path = records.task_dir(folder, "geometric") / records.TEST_FILE
    records.write_json(path, asdict(records.read_test_scores(path.parent)) | {"iou": [1]})
    study = load(builder.write())
    assert study.trials["state"].tolist() == ["unreadable"]
    assert str(path) in study.problems[0]


def test_classes_are_compared_among_models_of_the_same_task(study: Study) -> None:
    found = cells.of_first_task(study, cells.shown(study))
    assert found["name"].tolist() == ["both"]
    assert set(cells.class_scores(study)["name"]) == {"both"}

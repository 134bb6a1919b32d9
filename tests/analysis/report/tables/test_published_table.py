from typing import Any

from analysis.read.frames import load
from analysis.report.tables.published_table import published_table

PUBLISHED = {
    "source": "A report",
    "columns": ["arch", "freeze", "test/mean_iou", "test/loss", "runtime_s"],
    "rows": [["fcn8s", "none", 0.8, 0.1, 90], ["fcn8s", "encoder", 0.7, None, None], ["fcn16s", "none", 0.6, 0.3, 30]],
    "note": "Of other data.",
}


def test_a_row_stands_beside_the_setting_that_validates_best_among_those_it_names(builder: Any) -> None:
    for seed in range(2):
        builder.trial([0.5], 0.5 + seed / 10, seed=seed, lr=0.1)
        builder.trial([0.1], 0.9, seed=seed, lr=0.2)
    builder.trial([0.4], 0.4, freeze="encoder")
    table = published_table(load(builder.write(published=PUBLISHED)))
    assert table is not None
    texts = [column.texts for column in table.columns]
    assert [column.title for column in table.columns] == [
        "setting", "test mean IoU %: ours", "published", "test loss: ours", "published", "time of a trial: ours",
        "published",
    ]  # fmt: skip
    assert texts[0] == ["fcn8s, unfreeze", "fcn8s, freeze", "fcn16s, unfreeze"]
    assert texts[1] == ["55.00 ± 63.53 (n=2)", "40.00 (n=1)", ""]
    assert texts[2] == ["80.00", "70.00", "60.00"]
    assert texts[4] == ["0.1", "", "0.3"]
    assert (texts[5], texts[6]) == (["1m 00s", "1m 00s", ""], ["1m 30s", "", "30s"])
    assert table.note.endswith("Published: A report. Of other data.")


def test_a_study_without_published_numbers_has_no_such_table(builder: Any) -> None:
    builder.trial()
    assert published_table(load(builder.write())) is None


def test_a_row_may_name_a_variant(builder: Any) -> None:
    builder.trial(test=0.5, variant="32s")
    builder.trial(test=0.6, variant="16s", arch="fcn16s")
    published = {"source": "A paper", "columns": ["variant", "test/mean_iou"], "rows": [["16s", 0.65]], "note": ""}
    study = load(builder.write(published=published, variants={"32s": {}, "16s": {"arch": "fcn16s"}}))
    table = published_table(study)
    assert table is not None
    assert table.rows() == [("16s", "60.00 (n=1)", "65.00")]


def test_a_source_without_numbers_is_said(builder: Any) -> None:
    builder.trial()
    published = {"source": "A report", "columns": [], "rows": [], "note": "It has plots and no numbers."}
    table = published_table(load(builder.write(published=published)))
    assert table is not None
    assert (len(table), table.note) == (0, "Nothing to set beside ours: A report. It has plots and no numbers.")

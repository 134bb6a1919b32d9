from pathlib import Path
from typing import Any

import pytest

from analysis.report.best_models import best_over, load_all
from segtrain import records
from segtrain.records import RecordError


def test_all_studies_of_a_folder_are_read_and_a_torn_one_is_named(builder: Any) -> None:
    builder.trial([0.5], 0.9)
    first = builder.write()
    builder.entries.clear()
    builder.trial([0.6], 0.7, arch="fcn16s")
    builder.trial([0.9], 0.9, arch="fcn32s", dataset="animals", lr=0.1)
    second = records.study_dir(builder.out, "a_second")
    second.mkdir()
    records.write_json(
        second / records.STUDY_FILE, records.read_json(first / records.STUDY_FILE) | {"name": "a_second"}
    )
    builder.write()
    torn = records.study_dir(builder.out, "torn")
    torn.mkdir()
    (torn / records.STUDY_FILE).write_text("{")
    studies, problems = load_all(builder.out)
    assert [study.name for study in studies] == ["a_second", "grid"]
    assert len(problems) == 1
    assert problems[0].startswith(f"{torn / records.STUDY_FILE} is not valid JSON")
    table = best_over(studies)
    assert [(row[0], row[1], row[2], row[5], row[7]) for row in table.rows()] == [
        ("animals", "1", "fcn32s", "90.00 (n=1)", "grid"),
        ("scenes", "1", "fcn16s", "60.00 (n=1)", "grid"),
        ("scenes", "2", "fcn8s", "50.00 (n=1)", "a_second"),
    ]


def test_a_folder_without_studies_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError) as caught:
        load_all(tmp_path)
    assert str(caught.value) == (
        f"the output folder is '{tmp_path}', which has no studies/<name>/study.json; give the --out of a sweep"
    )


def test_studies_without_results_say_so(builder: Any) -> None:
    builder.enter(builder.config())
    builder.write()
    studies, _ = load_all(builder.out)
    assert best_over(studies).note == "No trial of any study has finished with scores."

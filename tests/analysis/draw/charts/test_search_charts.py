"""What a search found: tables and charts of a search.json written by hand."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from analysis.draw.chart import style_of
from analysis.draw.charts.search_charts import SEARCH_CHARTS, search_charts
from analysis.read.frames import load
from analysis.read.search_history import Cell, read_search
from analysis.report.overview import unfinished
from analysis.report.page import write_report
from analysis.report.tables.search_tables import search_tables
from segtrain import records


def trial(number: int, lr: float, values: list[float], state: str = "complete") -> dict[str, Any]:
    return {
        "number": number,
        "trial_id": f"t{number}",
        "state": state,
        "params": {"lr": lr},
        "value": max(values) if state == "complete" else values[-1] if values else None,
        "intermediate": [[epoch, value] for epoch, value in enumerate(values, start=1)],
        "epochs": len(values),
    }


TRIALS = [
    trial(0, 1e-3, [0.1, 0.2, 0.300]),
    trial(1, 1e-5, [0.05], "pruned"),
    trial(2, 2e-3, [0.1, 0.2, 0.305]),
    trial(3, 5e-3, [0.1, 0.2, 0.296]),
    trial(4, 5e-4, [0.1, 0.2, 0.250]),
    trial(5, 2e-4, [0.1, 0.2, 0.299]),  # near the best in score, but a worse one lies between
    trial(6, 9e-2, [], "fail"),
]
BEST = {"params": {"lr": 2e-3}, records.VAL_MEAN_IOU: 0.305}
CELL = Cell("fcn8s-unfreeze", 3, BEST, None, TRIALS)
EMPTY = Cell("fcn32s-unfreeze", 3, None, None, [])


def shown(cells: list[Cell]) -> dict[str, list[str]]:
    return {column.title: column.texts for column in search_tables(cells, {})[0].columns}


def test_the_neighbourhood_is_what_lies_around_the_best_without_a_gap() -> None:
    assert CELL.neighbourhood() == [1e-3, 2e-3, 5e-3]
    assert EMPTY.neighbourhood() == []


def test_the_summary_counts_trials_and_epochs() -> None:
    assert shown([CELL, EMPTY]) == {
        "search": ["fcn8s-unfreeze", "fcn32s-unfreeze"],
        "best lr": ["0.002", ""],
        "val mIoU %": ["30.50", ""],
        "rates within 1 point": ["0.001 to 0.005 (3)", ""],
        "complete": ["5", "0"],
        "pruned": ["1", "0"],
        "fail": ["1", "0"],
        "epochs": ["16", "0"],
        "of": ["21", "0"],
        "saved %": ["24", ""],
    }
    assert len(search_tables([CELL], {})) == 1
    assert search_tables([], {}) == []


def test_importance_is_shown_where_more_than_one_field_was_searched() -> None:
    cell = Cell("a", 3, BEST, {"lr": 0.75, "batch_size": 0.25}, TRIALS)
    table = search_tables([cell, EMPTY], {})[1]
    assert table.rows() == [("a", "75", "25"), ("fcn32s-unfreeze", "", "")]


def test_stopped_trials_are_told_apart_and_trials_without_a_score_are_not_drawn(builder: Any) -> None:
    builder.trial()
    study = load(builder.write())
    rates, history, courses = search_charts([CELL, EMPTY], study)
    whole, stopped, *_ = rates.facets[0].series
    assert (list(whole.x), list(whole.y)) == ([1e-3, 2e-3, 5e-3, 5e-4, 2e-4], pytest.approx([30, 30.5, 29.6, 25, 29.9]))
    assert (stopped.group, list(stopped.x), stopped.faint) == ("fcn8s-unfreeze, stopped early", [1e-5], True)
    line = history.facets[0].series[0]
    assert (list(line.x), list(line.y)) == ([1, 3, 4, 5, 6], pytest.approx([30, 30.5, 30.5, 30.5, 30.5]))
    assert [len(facet.series) for facet in courses.facets] == [6, 0]
    assert search_charts([EMPTY], study) == []


def test_a_search_has_the_colours_of_the_other_figures(builder: Any) -> None:
    folder = builder.trial(arch="fcn16s", freeze="encoder")
    study = load(builder.write(axes={"arch": ["fcn32s", "fcn16s"]}))
    cell = Cell("fcn16s-freeze", 3, BEST, None, [{**TRIALS[0], "trial_id": folder.name}])
    assert search_charts([cell], study)[0].facets[0].series[0].style == style_of(study, "fcn16s", "freeze")


def test_several_fields_have_slices_parallel_coordinates_and_importance(builder: Any) -> None:
    sizes = [4, 8, 16]
    values = [([0.1], 1e-4), ([0.3], 1e-3), ([0.2], 1e-2)]
    trials = [trial(n, lr, scores) for n, (scores, lr) in enumerate(values)]
    trials = [{**t, "params": {**t["params"], "batch_size": size}} for t, size in zip(trials, sizes, strict=True)]
    cell = Cell("a", 1, None, {"lr": 0.75, "batch_size": 0.25}, trials)
    found = {chart.name: chart for chart in search_charts([cell], load(builder.write()))}
    assert list(found) == [name for name in SEARCH_CHARTS if name != "search_contour"]  # of three trials
    assert [facet.x.title for facet in found["search_slices"].facets] == ["learning rate", "batch size"]
    assert [facet.x.log for facet in found["search_slices"].facets] == [True, False]
    lines = found["search_parallel"].facets[0].series
    assert [list(line.x) for line in lines] == [pytest.approx(x) for x in ([0, 0, 0], [0.5, 1 / 3, 1], [1, 1, 0.5])]
    assert [line.faint for line in lines] == [True, False, False]
    assert list(found["search_importance"].facets[0].series[0].x) == [75, 25]


def test_the_report_of_a_search_has_a_section_of_it(builder: Any) -> None:
    builder.trial([0.1, 0.2, 0.3], lr=1e-3)
    builder.trial([0.1], lr=1e-5, state="pruned", reason="stopped by the search")
    folder = builder.write(title="A search")
    cell = {"name": "a", "epochs": 3, "best": BEST, "importance": None, "trials": TRIALS}
    (folder / records.SEARCH_FILE).write_text(json.dumps({"cells": [cell]}))
    written = write_report(load(folder))
    assert {path.name for path in written.paths} >= {"search.csv", "search_slices.png", "search_courses.png"}
    page = (folder / records.REPORT_DIR / "index.html").read_text()
    assert '<a href="#search">Search</a>' in page
    assert unfinished(load(folder)) == [], "being stopped is no mishap"


def test_a_study_without_a_search_has_none_and_a_torn_file_is_named(tmp_path: Path) -> None:
    study: Any = SimpleNamespace(folder=tmp_path)
    assert read_search(study) == ([], [])
    path = tmp_path / records.SEARCH_FILE
    fields = {"name": "a", "arch": "a", "epochs": 3, "best": BEST, "importance": None, "trials": TRIALS}
    path.write_text(json.dumps({"cells": [fields]}))
    assert read_search(study) == ([Cell("a", 3, BEST, None, TRIALS)], [])
    path.write_text(json.dumps({"cells": [{"name": "a"}]}))
    cells, (problem,) = read_search(study)
    assert cells == []
    allowed = "epochs is None; allowed: an integer >= 0"
    assert problem == f"{path}, cell 1: {allowed}; run the sweep's command again to rewrite it"

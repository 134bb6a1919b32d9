"""What the source of a study reports, cell by cell, beside what was found here."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.draw.metric_words import POINTS, unit_of, words_of
from analysis.inference.estimates import estimate
from analysis.read.frames import Study
from analysis.read.trial_folder import freeze_label
from analysis.report.tables.result_tables import INTERVAL
from analysis.report.tables.table import Column, Table, part, part_text, with_counted, words
from analysis.report.tables.trials_table import duration
from analysis.statistics import cells, selection
from analysis.statistics.counted import counted_among
from segtrain import records
from segtrain.records import TEST_MEAN_IOU

TITLE = "Published beside ours"


def published_table(study: Study) -> Table | None:
    """A row per published row, its sentence alone where the source has no numbers; None where the study names none."""
    if study.published is None:
        return None
    if not study.published["rows"]:
        lacks = f"Nothing to set beside ours: {study.published['source']}. {study.published['note']}".strip()
        return Table("published", TITLE, lacks)
    columns: Sequence[str] = study.published["columns"]
    rows = [row for row in study.published["rows"] if len(row) == len(columns)]
    measures = [name for name in columns if _is_measure(study, name)]
    places = {name: columns.index(name) for name in columns}
    wanted = [{name: row[places[name]] for name in columns if name not in measures} for row in rows]
    ours = [_trials_of(study, where) for where in wanted]
    shown = [words("setting", "setting", [_setting_text(study, where) for where in wanted])]
    for name in measures:
        theirs = [row[places[name]] for row in rows]
        shown += _pair(name, ours, theirs, [counted_among(trials, name) for trials in ours])
    note = f"Ours is the setting that validates best; {INTERVAL}. Published: {study.published['source']}."
    return Table("published", TITLE, f"{note} {study.published['note']}".strip(), shown)


def _is_measure(study: Study, name: str) -> bool:
    return records.named_task(name) is not None or (name in study.trials and name not in _fields(study))


def _fields(study: Study) -> set[str]:
    return {"variant", *(name for config in study.configs.values() for name in config)}


def _trials_of(study: Study, where: Mapping[str, Any]) -> pd.DataFrame:
    """The usable trials of the cell that the fields of a row name; none where no cell has these values."""
    usable = pd.DataFrame(selection.usable(study))
    variants = dict(zip(usable["trial_id"], usable["variant"], strict=True))
    for cell in cells.shown(study).to_dict("records"):
        config = {**study.configs.get(cell["trial_id"], {}), "variant": variants[cell["trial_id"]]}
        if all(config.get(name) == value for name, value in where.items()):
            return pd.DataFrame(usable[usable["setting"] == cell["setting"]])
    return usable.head(0)


def _setting_text(study: Study, where: Mapping[str, Any]) -> str:
    """`fcn8s, freeze`"""
    return ", ".join(freeze_label(str(value)) if name == "freeze" else str(value) for name, value in where.items())


def _pair(name: str, ours: Sequence[pd.DataFrame], theirs: Sequence[Any], counts: Sequence[str]) -> list[Column]:
    """Our mean over seeds, and the published number."""
    # A task that no trial was tested on has no column yet.
    scores = [trials[name] if name in trials else trials.head(0)[TEST_MEAN_IOU] for trials in ours]
    estimates = [estimate(found.to_numpy(dtype="float64")) for found in scores]
    percent = unit_of(name) == POINTS
    scale, form, unit = (100, ".2f", " %") if percent else (1, ".4g", "")
    title = f"{words_of(name)}{unit}"
    if name == "runtime_s":
        texts = [duration(e.mean) for e in estimates]
        beside = ["" if value is None else duration(value) for value in theirs]
        parts = None
    else:
        parts = [part(e.mean, e.low, e.high, e.n, form=form, scale=scale) for e in estimates]
        parts = [with_counted(p, few) for p, few in zip(parts, counts, strict=True)]
        texts = [part_text(p) for p in parts]
        beside = ["" if value is None else format(value * scale, form) for value in theirs]
    ends = {"": [e.mean for e in estimates], "_low": [e.low for e in estimates], "_high": [e.high for e in estimates]}
    values = {f"{name}{end}": numbers for end, numbers in ends.items()} | {f"{name}_n": [e.n for e in estimates]}
    return [
        Column(f"{title}: ours", texts, values, numeric=True, parts=parts),
        Column("published", beside, {f"published {name}": list(theirs)}, numeric=True),
    ]

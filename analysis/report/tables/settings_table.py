"""Every setting that was tried, whatever became of its seeds; and what was chosen, task by task."""

from dataclasses import replace
from typing import Any

import pandas as pd

from analysis.inference.estimates import estimate
from analysis.read.counted_classes import counted_text
from analysis.read.frames import Study
from analysis.read.trial_folder import TASK_COUNTS
from analysis.report.tables.result_tables import INTERVAL
from analysis.report.tables.table import Column, Table, numbers, part_text, spread, with_counted, words
from analysis.statistics import cells, selection
from segtrain import records
from segtrain.records import TEST_MEAN_IOU, VAL_MEAN_IOU

TASK_SCORES = {
    "pixel_accuracy": "pixel acc. %",
    "mean_accuracy": "mean acc. %",
    "mean_iou": "mean IoU %",
    "frequency_weighted_iou": "f.w. IoU %",
}


def settings_table(study: Study) -> Table:
    """A row per architecture, freeze and setting: its scores, and how its seeds ended."""
    ended = cells.endings(study)
    title = "Settings"
    if ended.empty:
        return Table("settings", title, "No setting is known yet: no trial has a readable config.")
    scores = selection.settings(study).drop(
        columns=[*selection.CELL, "setting_name", "planned", "lr", "diverged", "failed", "unfinished"]
    )
    rows = ended.merge(scores, on="setting", how="left", validate="one_to_one")
    of_seeds = [f"{name}_n" for name in (VAL_MEAN_IOU, TEST_MEAN_IOU)]
    rows[of_seeds] = rows[of_seeds].fillna(0)
    rows = rows.astype(dict.fromkeys(of_seeds, "int64"))
    chosen = set(selection.best_cells(study)["setting"])
    seeds = zip(rows["finished"], rows["planned"], strict=True)
    columns = [
        words("model", "model", rows["model"]),
        words("freeze", "freeze", rows["freeze"]),
        words("setting", "setting", rows["setting_name"]),
        words("chosen", "chosen", ["✓" if setting in chosen else None for setting in rows["setting"]]),
        spread("val mIoU %", rows, VAL_MEAN_IOU, ".2f", 100),
        spread("test mIoU %", rows, TEST_MEAN_IOU, ".2f", 100),
        Column(
            "seeds finished",
            [f"{done} of {planned}" for done, planned in seeds],
            {"finished": list(rows["finished"]), "planned": list(rows["planned"])},
            numeric=True,
        ),
        *(numbers(state, state, rows[state], "d") for state in ("diverged", "failed", "other")),
    ]
    note = (
        f"{INTERVAL}. Chosen is what validates best for its model and freeze; the means are of the seeds that "
        "finished, and those that diverged or failed are counted beside them. Other: running, stopped, skipped or not "
        "started."
    )
    return Table("settings", title, note[0].upper() + note[1:], columns)


def task_names(study: Study) -> list[str]:
    """Of the tasks that some trial was tested on, where the data name them."""
    named = (records.named_task(str(name)) for name in study.trials)
    return list(dict.fromkeys(found[0] for found in named if found is not None))


def task_table(study: Study) -> Table | None:
    """A row per task and model that was tested on it; None where no task has a name."""
    usable, rows = selection.usable(study), list[dict[str, Any]]()
    for task in task_names(study):
        for cell in cells.shown(study).to_dict("records"):
            trials = usable[usable["setting"] == cell["setting"]]
            if trials[records.of_task(TEST_MEAN_IOU, task)].notna().any():
                texts = {"task": task, "model": cell["name"], "setting": cell["setting_name"]}
                rows.append(texts | _task_scores(trials, task))
    if not rows:
        return None
    frame = pd.DataFrame(rows)
    columns = [words(name, name, frame[name]) for name in ("task", "model", "setting")]
    columns += [_score_column(frame, name, title) for name, title in TASK_SCORES.items()]
    note = (
        "Test scores of each task, of the weights that validated best on the first one of their data. Each has a "
        f"confusion matrix of its own, over its own classes; {INTERVAL}."
    )
    return Table("tasks", "Task by task", note, columns)


def _score_column(frame: pd.DataFrame, name: str, title: str) -> Column:
    """A mean IoU over fewer classes than the task has says so."""
    column = spread(title, frame, name, ".2f", 100)
    if name != "mean_iou" or column.parts is None:
        return column
    parts = [with_counted(found, few) for found, few in zip(column.parts, frame["counted"], strict=True)]
    values = {**column.values, "mean_iou_counted": list(frame["counted"])}
    return replace(column, texts=[part_text(found) for found in parts], values=values, parts=parts)


def _task_scores(trials: pd.DataFrame, task: str) -> dict[str, Any]:
    counts, classes = (trials[records.of_task(f"test/{name}", task)].dropna() for name in TASK_COUNTS)
    found: dict[str, Any] = {"counted": counted_text(map(int, counts), int(classes.max()))}
    for name in TASK_SCORES:
        e = estimate(trials[records.of_task(f"test/{name}", task)].to_numpy(dtype="float64"))
        found |= {name: e.mean, f"{name}_low": e.low, f"{name}_high": e.high, f"{name}_n": e.n}
    return found

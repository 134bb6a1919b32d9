"""All trials of a study, whatever became of them."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.draw.metric_words import words_of
from analysis.read.frames import Study
from analysis.read.trial_folder import NOT_STARTED
from analysis.report.tables.table import Column, Table, numbers, words
from analysis.statistics.counted import counted_by_each
from segtrain import records
from segtrain.records import TEST_LOSS, TEST_MEAN_IOU, TRAIN_LOSS, VAL_LOSS, VAL_MEAN_IOU


def trials_table(study: Study) -> Table:
    """One row per trial, in the order of study.json."""
    trials = study.trials
    columns = [
        words("run", "run", trials["run"]),
        words("stage", "stage", trials["stage"]),
        words("state", "state", trials["state"]),
        *(
            numbers(title, name, trials[name], ".2f", 100, counted_by_each(trials, name))
            for title, name in (("test mIoU %", TEST_MEAN_IOU), ("val mIoU %", VAL_MEAN_IOU))
        ),
        *(numbers(words_of(name), name, trials[name], ".4g") for name in (TEST_LOSS, VAL_LOSS, TRAIN_LOSS)),
        numbers("best epoch", "best_epoch", trials["best_epoch"], "d"),
        Column("runtime", [duration(s) for s in trials["runtime_s"]], {"runtime_s": list(trials["runtime_s"])}, True),
        Column(
            "note",
            [_note(row) for row in trials.to_dict("records")],
            {name: list(trials[name]) for name in ("reason", "epoch", "epochs", "step", "trial_id")},
        ),
    ]
    note = (
        f"{count_states(study)}. Train and val values are those of the best epoch, the one that validated best: its "
        "weights were tested, once. A mean IoU that counts fewer classes than the data have says how many."
    )
    return Table("results", "All trials", note, columns)


def count_states(study: Study) -> str:
    """`19 trials: 18 finished, 1 diverged`"""
    counts = study.trials["state"].value_counts()
    states = [state for state in (*records.STATES, NOT_STARTED) if state in counts]
    states += [state for state in counts.index if state not in states]
    total = len(study.trials)
    listed = ", ".join(f"{counts[state]} {state}" for state in states)
    return f"{total} trial{'' if total == 1 else 's'}: {listed}" if total else "0 trials"


def nothing_yet(study: Study) -> str:
    return f"Nothing to compare yet: no trial has finished with scores ({count_states(study)})."


def duration(seconds: float) -> str:
    """`45s`, `20m 58s`, `1h 02m 03s`; blank when missing."""
    if pd.isna(seconds):
        return ""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minute:02d}m {second:02d}s"
    return f"{minute}m {second:02d}s" if minute else f"{second}s"


def _note(row: Mapping[Any, Any]) -> str:
    """Where a trial that is not finished stands, and why."""
    place = {
        "running": lambda: f"{row['epoch']} of {row['epochs']} epochs",
        "failed": lambda: f"after {row['epoch']} of {row['epochs']} epochs",
        "diverged": lambda: f"epoch {row['epoch'] + 1}" + ("" if pd.isna(row["step"]) else f", step {row['step']}"),
    }
    parts = [place[row["state"]]()] if row["state"] in place else []
    best = row["comparable_best_epoch"]
    if row["state"] == "finished" and not pd.isna(best) and best != row["best_epoch"]:
        parts.append(f"its epochs count different classes, and over those that all count epoch {best} is the best")
    if not pd.isna(row["reason"]):
        reason = " ".join(row["reason"].split())
        parts.append(reason if len(reason) <= 160 else reason[:159] + "…")
    return ": ".join(parts)

"""Where the trials of a study stand just now, read off their folders, also while they run. Without pandas."""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from analysis.read.counted_classes import counted_of
from analysis.read.gathering.study_json import Row
from segtrain import records
from segtrain.records import RecordError

ORDER = ("running", "interrupted", "failed", "unreadable", "stopped", "diverged", "waiting", "skipped", "pruned")
"""Of what is looked at first. What has finished or is archived comes last."""
OPEN = ("running", "interrupted", "waiting")
"""States of trials that are going to be trained, or are."""


@dataclass(frozen=True, kw_only=True)
class TrialState:
    """`state` is of records.STATES, or `waiting` (it has not begun), `interrupted` (half done, and nobody trains it),
    `unreadable` or `archived`. `reason` says why. Of a running or interrupted trial: `val_mean_iou` is the best so far,
    `val_counted` the classes in it where not all ("12 of 13"), `epoch_s` the median seconds of an epoch, `age_s` the
    seconds since its last sign of life."""

    trial_id: str
    run: str
    stage: str
    state: str
    epoch: int = 0
    epochs: int = 0
    reason: str | None = None
    host: str | None = None
    val_mean_iou: float | None = None
    val_counted: str = ""
    epoch_s: float | None = None
    age_s: float | None = None


def read_states(out: Path, description: Row) -> list[TrialState]:
    """Of every trial of the study, in ORDER."""
    found = [read_state(out, entry) for entry in description["trials"]]
    rank = {state: number for number, state in enumerate(ORDER)}
    return sorted(found, key=lambda trial: rank.get(trial.state, len(ORDER)))


def read_state(out: Path, entry: Row) -> TrialState:
    folder = records.trial_dir(out, entry["trial_id"])
    names: dict[str, Any] = {key: entry[key] for key in ("trial_id", "run", "stage")}
    config = entry.get("config")
    planned = config.get("epochs") if isinstance(config, dict) else None
    epochs = planned if type(planned) is int else 0
    if records.is_archived(folder):
        return TrialState(**names, state="archived", epochs=epochs)
    try:
        status = records.read_status(folder)
        if status is None:
            return TrialState(**names, state="waiting", epochs=epochs)
        numbers: dict[str, Any] = {"epoch": status.epoch, "epochs": status.epochs, "reason": status.reason}
        if status.state != "running":
            return TrialState(**names, state=status.state, **numbers)
        state = "running" if is_locked(folder) else "interrupted"
        return TrialState(**names, state=state, **numbers, **_progress(folder))
    except (RecordError, OSError) as error:
        return TrialState(**names, state="unreadable", epochs=epochs, reason=str(error))


def is_locked(folder: Path) -> bool:
    """Whether a living process trains the trial. Where that cannot be found out, its status is believed."""
    path = folder / records.LOCK_FILE
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0, thread_local=False, fallback_to_soft=False):
            return False
    except Timeout:
        return True
    except OSError:  # of another user, or on a file system without locks
        return True


def _progress(folder: Path) -> dict[str, Any]:
    lines = records.read_metrics(folder)
    validated = [line for line in lines if line.get(records.VAL_MEAN_IOU) is not None]
    best = max(validated, key=lambda line: float(line[records.VAL_MEAN_IOU]), default={})
    seconds = [value for line in lines if (value := line.get(records.EPOCH_S)) is not None]
    try:
        host = records.read_json(folder / records.ENV_FILE).get("host")
    except FileNotFoundError:
        host = None
    return {
        "val_mean_iou": best.get(records.VAL_MEAN_IOU),
        "val_counted": counted_of(best.get(records.VAL_IOU)),
        "epoch_s": statistics.median(seconds) if seconds else None,
        "host": str(host) if host else None,
        "age_s": max(0.0, time.time() - (folder / records.STATUS_FILE).stat().st_mtime),
    }


def eta_s(states: list[TrialState]) -> float | None:
    """Seconds until all is trained, at the median epoch of those that run and as many at once as there are now; None
    while nothing runs or has trained an epoch. Costlier trials that wait make it longer: it is a rough figure."""
    running = [trial for trial in states if trial.state == "running"]
    seconds = [trial.epoch_s for trial in running if trial.epoch_s is not None]
    if not seconds:
        return None
    left = sum(max(0, trial.epochs - trial.epoch) for trial in states if trial.state in OPEN)
    return left * statistics.median(seconds) / len(running)

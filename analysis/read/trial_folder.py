"""One trial's folder -> rows of the frames in `frames`. Whatever is torn is said in the row, never raised."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from analysis.read import dynamics
from analysis.read.counted_classes import comparable_best, count_classes
from analysis.read.gathering.study_json import Row
from segtrain import records
from segtrain.fields import COUNT, FLAG, NAME, NUMBER, OBJECT, PLAIN, TEXT, or_none
from segtrain.records import RecordError

VAL_COUNTED = "val_counted_classes"
NOT_STARTED = "not started"
UNREADABLE = "unreadable"

EPOCH_NUMBERS = (
    records.TRAIN_LOSS,
    records.TRAIN_MEAN_IOU,
    records.VAL_LOSS,
    records.VAL_MEAN_IOU,
    records.TEST_LOSS,
    records.TEST_MEAN_IOU,
    records.LR,
    records.EPOCH_S,
    records.IMAGES_PER_S,
    records.PEAK_MEMORY_BYTES,
)
TEST_NUMBERS = ("pixel_accuracy", "mean_accuracy", "frequency_weighted_iou", "mean_auc", "mean_boundary_iou")
TASK_NUMBERS = ("loss", "mean_iou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou")
"""Of each task that has a name: the column `test/<task>/pixel_accuracy` and so on."""
TASK_COUNTS = ("counted_classes", "class_count")
"""Beside them: how many classes the mean IoU of the task counts, and of how many."""
SIZE_NUMBERS = tuple(f"iou_{size}" for size in records.OBJECT_SIZES)
CLASS_NUMBERS = ("iou", "auc", "boundary_iou", *SIZE_NUMBERS)
COST_NUMBERS = ("parameters", "trained_parameters", "multiply_adds")
ENV_TEXTS = ("host", "device_name", "precision", "data_fingerprint", "git_commit", "python")

CONFIG_KINDS = {"arch": TEXT, "dataset": TEXT, "freeze": TEXT, "lr": NUMBER, "seed": COUNT, "parent": or_none(NAME)}
ENV_KINDS = {
    **dict.fromkeys(ENV_TEXTS, or_none(TEXT)),
    **dict.fromkeys((*COST_NUMBERS, "threads"), or_none(COUNT)),
    "git_dirty": or_none(FLAG),
    "packages": or_none(OBJECT),
    records.TASK_KEY: or_none(NAME),
}


@dataclass
class Trial:
    """What a trial left on disk: its row of `trials`, its rows of `epochs` and `classes`, its config and env.json ({}
    when absent or torn), and a sentence for each file that could not be read."""

    row: Row
    config: Row
    env: Row = field(default_factory=dict)
    epochs: list[Row] = field(default_factory=list)
    classes: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_trial(out: Path, entry: Row) -> Trial:
    """`entry` is the trial's entry in study.json."""
    folder = records.trial_dir(out, entry["trial_id"])
    keys = ("trial_id", "run", "stage", "parent", "variant")
    trial = Trial({key: entry.get(key) for key in keys}, {})
    trial.row["folder"] = folder.relative_to(out).as_posix()
    trial.row["asked_by"] = ", ".join(str(number + 1) for number in entry.get("commands") or [0])
    try:
        require_inside(folder, out)
        stored = _read_config(folder)
        if stored:
            _check_config(folder / records.CONFIG_FILE, stored)
        entered = entry.get("config") or {}
        if entered:
            _check_config(Path(records.STUDY_FILE), entered)
        # A folder may be older than a field of the recipe; study.json has it, at the value that it stands for.
        config = {**entered, **stored}
        if config:
            trial.config = config
            trial.row |= {key: trial.config[key] for key in ("arch", "dataset", "lr", "seed")}
            trial.row["freeze"] = freeze_label(trial.config["freeze"])
        status = records.read_status(folder)
        if status is None:
            trial.row["state"] = NOT_STARTED
            return trial
        if not stored and status.state != "skipped":
            raise RecordError(f"{folder} is {status.state} but has no {records.CONFIG_FILE}; delete it to start over")
        outcome, epochs, classes = _read_outcome(folder, status)
        ids = {"trial_id": entry["trial_id"]}
        trial.row |= outcome
        trial.epochs, trial.classes = [ids | line for line in epochs], [ids | line for line in classes]
    except (RecordError, OSError) as error:
        trial.row |= {"state": UNREADABLE, "reason": str(error)}
        trial.problems.append(f"{entry['run']}: {error}")
    _add_env(trial, folder)
    return trial


def require_inside(folder: Path, out: Path) -> None:
    """Raises RecordError when the folder of a trial, or a file in it, is a link that leads out of `out`: the run may
    be another's, and what it points to is none of its files."""
    entries = [folder]
    places = [folder, folder / records.TASKS_DIR, *folder.glob(f"{records.TASKS_DIR}/*")]
    places += [place / kind for place in places for kind in (records.PANELS_DIR, records.EXAMPLES_DIR)]
    for listed in places:
        if listed.is_dir():
            entries += [Path(entry.path) for entry in os.scandir(listed) if entry.is_symlink()]
    for path in entries:
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(out)):
            raise RecordError(f"{path} is a link that leads out of {out}; copy what it points to in its place")


def freeze_label(freeze: str) -> str:
    """How the reports call a config's `freeze`; a value that is not known here is its own label."""
    return records.FREEZE_LABELS.get(freeze, freeze)


def _read_config(folder: Path) -> Row:
    """{} when absent: a trial that has not started or was skipped may have none."""
    path = folder / records.CONFIG_FILE
    if not path.exists():
        return {}
    return records.read_json(path)


def _check_config(path: Path, config: Any) -> None:
    if not isinstance(config, dict):
        raise RecordError(f"{path} holds no config of the trial; run the sweep's command again to rewrite it")
    # Configs are compared and counted by their values, which are all plain.
    records.check(path, config, dict.fromkeys(config, PLAIN) | CONFIG_KINDS)


def _add_env(trial: Trial, folder: Path) -> None:
    """Where a trial ran is no part of its scores, so a torn env.json leaves the trial in and is named."""
    path = folder / records.ENV_FILE
    if not path.exists():
        return
    try:
        env = records.read_json(path)
        records.check(path, env, ENV_KINDS, remedy="what the trial ran on is left out")
    except (RecordError, OSError) as error:
        trial.problems.append(f"{trial.row['run']}: {error}")
        return
    trial.env = env
    if (task := env.get(records.TASK_KEY)) and records.TEST_MEAN_IOU in trial.row:
        own = {records.TEST_LOSS: "loss", records.TEST_MEAN_IOU: "mean_iou", "test_counted_classes": "counted_classes"}
        first = {own.get(name, name): value for name, value in trial.row.items()}
        trial.row |= _of_task(task, first)
    trial.row |= {name: env.get(name) for name in (*ENV_TEXTS, *COST_NUMBERS, "threads", "git_dirty")}


def _read_outcome(folder: Path, status: records.Status) -> tuple[Row, list[Row], list[Row]]:
    """What status.json, metrics.jsonl and test.json say: columns of `trials`, rows of `epochs`, rows of `classes`."""
    keys = ("state", "epoch", "epochs", "runtime_s", "reason", "step", "attempts")
    row: Row = {key: vars(status).get(key) for key in keys}
    epochs = _read_epochs(folder)
    row |= dynamics.describe(list(epochs.values()), status.epochs, finished=status.state == "finished") | _cost(epochs)
    classes: list[Row] = []
    if (folder / records.TEST_FILE).exists():
        scores = records.read_test_scores(folder)
        row |= {records.TEST_LOSS: scores.loss, records.TEST_MEAN_IOU: scores.mean_iou, "best_epoch": scores.epoch}
        row |= {"test_counted_classes": scores.counted_classes, "class_count": len(scores.classes)}
        row |= {name: vars(scores)[name] for name in TEST_NUMBERS}
        classes = _list_classes(scores)
        row |= {f"iou_{size}": scores.mean_size_iou[size] for size in records.OBJECT_SIZES}
        for place in sorted(folder.glob(f"{records.TASKS_DIR}/*/{records.TEST_FILE}")):
            of_task = records.read_test_scores(place.parent)
            row |= _of_task(place.parent.name, vars(of_task) | {"class_count": len(of_task.classes)})
    elif status.state == "finished":
        raise RecordError(f"{folder} is finished but has no {records.TEST_FILE}; delete the folder to start over")
    else:
        validated = [epoch for epoch in epochs.values() if epoch[records.VAL_MEAN_IOU] is not None]
        best = max(validated, key=lambda epoch: float(epoch[records.VAL_MEAN_IOU]), default={})
        row["best_epoch"] = best.get(records.EPOCH)
    kept = epochs.get(row["best_epoch"], {})
    if status.state == "finished" and not kept:
        raise RecordError(
            f"{folder / records.METRICS_FILE} has no line of epoch {row['best_epoch']}, whose weights were kept; "
            "delete its folder to start over"
        )
    ious = {epoch: line[records.VAL_IOU] for epoch, line in epochs.items() if line[records.VAL_IOU]}
    row["comparable_best_epoch"] = comparable_best(ious)
    row.setdefault("class_count", len(next(iter(ious.values()))) if ious else None)
    columns = (records.TRAIN_LOSS, records.VAL_LOSS, records.VAL_MEAN_IOU, VAL_COUNTED)
    return row | {column: kept.get(column) for column in columns}, list(epochs.values()), classes


def _cost(epochs: Mapping[int, Row]) -> Row:
    """The median speed, since the first epoch warms up, and the highest memory."""
    speeds = [line[records.IMAGES_PER_S] for line in epochs.values() if line[records.IMAGES_PER_S] is not None]
    memory = [
        line[records.PEAK_MEMORY_BYTES] for line in epochs.values() if line[records.PEAK_MEMORY_BYTES] is not None
    ]
    return {
        records.IMAGES_PER_S: median(speeds) if speeds else None,
        records.PEAK_MEMORY_BYTES: max(memory, default=None),
    }


def _of_task(task: str, scores: Mapping[str, Any]) -> Row:
    return {records.of_task(f"test/{name}", task): scores[name] for name in (*TASK_NUMBERS, *TASK_COUNTS)}


def _list_classes(scores: records.TestScores) -> list[Row]:
    """One row per class."""
    columns = {"iou": scores.iou, "auc": scores.auc, "boundary_iou": scores.boundary_iou}
    columns |= {f"iou_{size}": scores.size_iou[size] for size in records.OBJECT_SIZES}
    return [
        {"class_index": index, "class_name": name, **{column: values[index] for column, values in columns.items()}}
        for index, name in enumerate(scores.classes)
    ]


def _read_epochs(folder: Path) -> dict[int, Row]:
    """Epoch -> its numbers, in order. The last line of an epoch counts: it was trained again."""
    lines = {line[records.EPOCH]: line for line in records.read_metrics(folder)}
    keys = (records.EPOCH, *EPOCH_NUMBERS, records.VAL_IOU)
    return {epoch: {key: lines[epoch].get(key) for key in keys} | _counted(lines[epoch]) for epoch in sorted(lines)}


def _counted(line: Row) -> Row:
    iou = line.get(records.VAL_IOU)
    return {VAL_COUNTED: count_classes(iou) if iou else None}

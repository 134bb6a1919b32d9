"""One trial's folder -> rows of the frames in `load`. Whatever is torn is said in the row, never raised."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from segtrain import records
from segtrain.records import RecordError

NOT_STARTED = "not started"
UNREADABLE = "unreadable"

EPOCH_NUMBERS = (
    records.TRAIN_LOSS,
    records.VAL_LOSS,
    records.VAL_MEAN_IOU,
    records.TEST_LOSS,
    records.TEST_MEAN_IOU,
    records.LR,
    records.EPOCH_S,
    records.IMAGES_PER_S,
    records.PEAK_MEMORY_BYTES,
)
_TEST_NUMBERS = ("pixel_accuracy", "mean_accuracy", "frequency_weighted_iou")

Row = dict[str, Any]


def read_trial(out: Path, entry: Row, axes: Iterable[str]) -> tuple[Row, Row, list[Row], list[Row]]:
    """The trial's row of `trials`, its config ({} when absent or torn), its rows of `epochs` and of `classes`.

    `entry` is the trial's entry in study.json, `axes` the study's axes with more than one value.
    """
    folder = records.trial_dir(out, entry["trial_id"])
    row: Row = {key: entry.get(key) for key in ("trial_id", "run", "stage", "parent")}
    row["folder"] = folder.relative_to(out).as_posix()
    config: Row = entry.get("config") or {}
    try:
        stored = _read_config(folder)
        config = stored or config
        if config:
            row |= {key: config[key] for key in ("arch", "dataset", "lr", "seed")}
            row |= {"freeze": freeze_label(config["freeze"]), "variant": _variant(config, axes)}
        status = records.read_status(folder)
        if status is None:
            return row | {"state": NOT_STARTED}, config, [], []
        if not stored and status.state != "skipped":
            raise RecordError(f"{folder} is {status.state} but has no {records.CONFIG_FILE}; delete it to start over")
        outcome, epochs, classes = _read_outcome(folder, status)
    except (RecordError, OSError) as error:
        return row | {"state": UNREADABLE, "reason": str(error)}, config, [], []
    ids = {"trial_id": entry["trial_id"]}
    return row | outcome, config, [ids | epoch for epoch in epochs], [ids | item for item in classes]


def freeze_label(freeze: str) -> str:
    """How the reports call a config's `freeze`; a value that is not known here is its own label."""
    return records.FREEZE_LABELS.get(freeze, freeze)


def _read_config(folder: Path) -> Row:
    """{} when absent: a trial that has not started or was skipped may have none."""
    path = folder / records.CONFIG_FILE
    if not path.exists():
        return {}
    config = records.read_json(path)
    kinds: dict[str, Any] = {"arch": str, "dataset": str, "freeze": str, "lr": (int, float), "seed": int}
    wrong = [key for key, kind in kinds.items() if not isinstance(config.get(key), kind)]
    if wrong:
        raise RecordError(f"{path} has no usable {', '.join(wrong)}; delete its folder to start over")
    return config


def _variant(config: Mapping[str, Any], axes: Iterable[str]) -> str:
    further = [axis for axis in axes if axis not in ("arch", "freeze", "lr", "seed")]
    values = {name: config.get(name) for name in ("lr", *further)}
    return ", ".join(f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items())


def _read_outcome(folder: Path, status: records.Status) -> tuple[Row, list[Row], list[Row]]:
    """What status.json, metrics.jsonl and test.json say: columns of `trials`, rows of `epochs`, rows of `classes`."""
    row: Row = {key: getattr(status, key) for key in ("state", "epoch", "epochs", "runtime_s", "reason", "step")}
    _check_numbers(folder / records.STATUS_FILE, row, ("epoch", "epochs", "runtime_s", "step"))
    epochs = _read_epochs(folder)
    classes: list[Row] = []
    if (folder / records.TEST_FILE).exists():
        scores = records.read_test_scores(folder)
        _check_test_scores(folder / records.TEST_FILE, scores)
        row |= {records.TEST_LOSS: scores.loss, records.TEST_MEAN_IOU: scores.mean_iou}
        row |= {name: getattr(scores, name) for name in _TEST_NUMBERS} | {"best_epoch": scores.epoch}
        pairs = zip(scores.classes, scores.iou, strict=True)
        classes = [{"class_index": i, "class_name": name, "iou": iou} for i, (name, iou) in enumerate(pairs)]
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
    columns = (records.TRAIN_LOSS, records.VAL_LOSS, records.VAL_MEAN_IOU)
    return row | {column: kept.get(column) for column in columns}, list(epochs.values()), classes


def _check_test_scores(path: Path, scores: records.TestScores) -> None:
    lists = isinstance(scores.iou, list) and isinstance(scores.classes, list) and len(scores.iou) == len(scores.classes)
    if not lists or not all(isinstance(name, str) for name in scores.classes):
        raise RecordError(f"{path} does not hold one IoU per class; delete its folder to start over")
    _check_numbers(path, vars(scores), ("epoch", "loss", "mean_iou", *_TEST_NUMBERS))
    _check_numbers(path, dict(zip(scores.classes, scores.iou, strict=True)), scores.classes)


def _check_numbers(path: Path, values: Mapping[str, Any], names: Iterable[str]) -> None:
    for name in names:
        if not isinstance(values[name], int | float | None):
            raise RecordError(f"{path}: {name} is {values[name]!r}, not a number; delete its folder to start over")


def _read_epochs(folder: Path) -> dict[int, Row]:
    """Epoch -> its numbers, in order. The last line of an epoch counts: it was trained again."""
    path = folder / records.METRICS_FILE
    epochs: dict[int, Row] = {}
    for number, line in enumerate(records.read_metrics(folder), start=1):
        if not all(isinstance(line.get(key), int | float | None) for key in EPOCH_NUMBERS):
            raise RecordError(f"{path}, line {number} holds what is no number; delete its folder to start over")
        epochs[line[records.EPOCH]] = {key: line.get(key) for key in (records.EPOCH, *EPOCH_NUMBERS)}
    return dict(sorted(epochs.items()))

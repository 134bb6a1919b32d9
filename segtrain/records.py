"""The names and the formats of everything that a trial or a study leaves on disk. Standard library only.

    <out>/trials/<trial_id>/   config.json env.json status.json metrics.jsonl last.pt best.safetensors
                               test.json confusion.npy confusion.csv confusion_normalised.csv
                               image_confusion.npz roc.npz panels/*.png
    <out>/studies/<name>/      study.json report/

Writers and readers share this module, so a name on disk is spelled once. Metrics are fractions in
[0, 1]; an undefined one (a class that does not occur) is null, never 0.
"""

import json
import math
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar, get_args

from segtrain.errors import UserError

TRIALS_DIR = "trials"
STUDIES_DIR = "studies"

CONFIG_FILE = "config.json"
ENV_FILE = "env.json"
STATUS_FILE = "status.json"
METRICS_FILE = "metrics.jsonl"
LAST_FILE = "last.pt"
BEST_FILE = "best.safetensors"
TEST_FILE = "test.json"
CONFUSION_FILE = "confusion.npy"  # (K, K) int64 pixels of the test split, rows are truth
CONFUSION_TABLE_FILE = "confusion.csv"  # the same under the names of the classes
NORMALISED_TABLE_FILE = "confusion_normalised.csv"  # each row over its sum; cells of a class without truth are empty
IMAGE_CONFUSION_FILE = "image_confusion.npz"  # "confusion": (N, K, K) int64, one matrix per test image in split order
ROC_FILE = "roc.npz"  # the fields of segtrain.metrics.roc.RocCurves
CODE_DIR = "code"  # of a model of the user's own: its source, or its configuration
CODE_KEY = "code"  # in env.json: {"sha256", "files", "earlier"}
ERROR_FILE = "error.txt"  # the traceback of the last failure
LOCK_FILE = ".lock"
TEMPORARY_SUFFIX = ".tmp"
OBJECT_SIZES = ("small", "medium", "large")
PANELS_DIR = "panels"
PANEL_COUNT = 8
PANEL_KINDS = ("image", "truth", "prediction")
"""Each panel is three PNGs of one size, named by `panel_file`; truth and prediction carry the dataset's palette."""

STUDY_FILE = "study.json"
SEARCH_FILE = "search.json"  # of a study that is a search: what each of its trials was asked and how it ended
FOUND_FILE = "best.json"  # of a search: the best values of each architecture and freeze setting
REPORT_DIR = "report"

# Keys of one line of metrics.jsonl; the same names go to wandb.
EPOCH = "epoch"
TRAIN_LOSS = "train/loss"
VAL_LOSS = "val/loss"
VAL_MEAN_IOU = "val/mean_iou"
VAL_IOU = "val/iou"
TEST_LOSS = "test/loss"
TEST_MEAN_IOU = "test/mean_iou"
LR = "lr"
EPOCH_S = "epoch_s"
IMAGES_PER_S = "images_per_s"
PEAK_MEMORY_BYTES = "peak_memory_bytes"

FREEZE_LABELS = {"none": "unfreeze", "encoder": "freeze", "all_but_score": "score_only"}
"""How the reports call the freeze settings; used in run names, trial ids and tables."""

State = Literal["running", "finished", "failed", "diverged", "skipped", "pruned"]
STATES: tuple[State, ...] = get_args(State)
FINAL_STATES: tuple[State, ...] = ("finished", "diverged")
"""States that are results: such a trial is not run again."""


class RecordError(UserError):
    """A file of a trial or study folder is missing, torn, or not what its name says."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """Where a trial stands.

    `epoch` counts finished epochs. `runtime_s` adds up the seconds spent training and evaluating over all
    `attempts`. `reason` says why a trial failed, diverged or was skipped, and `step` is the 1-based optimiser
    step within the epoch at which a diverged trial's loss stopped being finite.
    """

    state: State
    epoch: int
    epochs: int
    runtime_s: float
    reason: str | None = None
    step: int | None = None
    attempts: int = 0  # how often it was started or resumed


@dataclass(frozen=True, kw_only=True)
class TestScores:
    """`test.json`: the best weights on the test split. A function of the config and the data alone, so it
    carries no times and is the same to the byte however often the trial was interrupted.

    Lists hold a value per class, in the order of `classes`. The means of AUC, boundary IoU and IoU by object size
    are over the classes that have one. The keys of the two `size` fields are OBJECT_SIZES.
    """

    __test__ = False  # not a pytest class

    epoch: int
    loss: float | None
    pixel_accuracy: float | None
    mean_accuracy: float | None
    mean_iou: float | None
    frequency_weighted_iou: float | None
    iou: list[float | None]
    classes: list[str]
    counted_classes: int
    images: int
    auc: list[float | None]
    mean_auc: float | None
    boundary_iou: list[float | None]
    mean_boundary_iou: float | None
    size_iou: dict[str, list[float | None]]
    mean_size_iou: dict[str, float | None]


R = TypeVar("R", Status, TestScores)


def panel_file(index: int, kind: str) -> str:
    """`00_image.png`, `00_truth.png`, `00_prediction.png`, ..."""
    return f"{index:02d}_{kind}.png"


def trial_dir(out: Path, trial_id: str) -> Path:
    return out / TRIALS_DIR / trial_id


def study_dir(out: Path, name: str) -> Path:
    return out / STUDIES_DIR / name


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write under a unique temporary name, which is flushed to the disk and then renamed: readers see
    the old file or the new one, and a process killed here leaves at most a stray temporary file."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}{TEMPORARY_SUFFIX}")
    with open(temporary, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def write_atomic(path: Path, content: bytes) -> None:
    with atomic_file(path) as file:
        file.write(content)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    write_atomic(path, (json.dumps(nan_to_none(value), indent=2, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Raises RecordError when the file is torn or holds anything but an object, FileNotFoundError when absent."""
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise RecordError(
            f"{path} is not valid JSON ({error}); restore it or delete its folder to start over"
        ) from None
    if not isinstance(value, dict):
        raise RecordError(f"{path} holds a {type(value).__name__}, not an object; delete its folder to start over")
    return value


def nan_to_none(value: Any) -> Any:
    """Non-finite floats become None at any depth, since JSON has no NaN."""
    if isinstance(value, Mapping):
        return {key: nan_to_none(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [nan_to_none(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_status(folder: Path, status: Status) -> None:
    write_json(folder / STATUS_FILE, asdict(status))


def read_status(folder: Path) -> Status | None:
    """None when the trial has not started. Raises RecordError on a torn file or an unknown state."""
    path = folder / STATUS_FILE
    if not path.exists():
        return None
    return _record(Status, path)


def ended(state: State, before: Status | None, epochs: int, reason: str) -> Status:
    """The status of a trial that something outside its training ended, keeping how far it had come."""
    before = before or Status(state=state, epoch=0, epochs=epochs, runtime_s=0.0)
    return replace(before, state=state, epochs=epochs, reason=reason, step=None)


def read_code(folder: Path) -> dict[str, Any] | None:
    """What env.json says of the user's own code that a trial was trained with; None when it used none."""
    path = folder / ENV_FILE
    code: dict[str, Any] | None = read_json(path).get(CODE_KEY) if path.exists() else None
    return code


def write_test_scores(folder: Path, scores: TestScores) -> None:
    write_json(folder / TEST_FILE, asdict(scores))


def read_test_scores(folder: Path) -> TestScores:
    return _record(TestScores, folder / TEST_FILE)


def _record(kind: type[R], path: Path) -> R:
    values = read_json(path)
    try:
        record = kind(**values)
    except TypeError as error:
        raise RecordError(
            f"{path} does not hold a {kind.__name__} ({error}); delete its folder to start over"
        ) from None
    if isinstance(record, Status) and record.state not in STATES:
        raise RecordError(f"{path}: state is {record.state!r}; allowed: {', '.join(STATES)}")
    if type(record.epoch) is not int:
        raise RecordError(f"{path}: epoch is {record.epoch!r}, not an integer; delete its folder to start over")
    return record


def append_metrics(folder: Path, line: Mapping[str, Any]) -> None:
    with open(folder / METRICS_FILE, "ab") as file:
        file.write((json.dumps(nan_to_none(line), allow_nan=False) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """One dict per finished epoch, in order. A torn last line is left out (its epoch will be trained again);
    a torn line elsewhere raises RecordError."""
    path = folder / METRICS_FILE
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    records = []
    for number, line in enumerate(lines, start=1):
        # A whole line ends in a newline, so what stands after the last one is torn (or empty).
        if number == len(lines):
            break
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict) or type(record.get(EPOCH)) is not int:
            raise RecordError(f"{path}, line {number} is no record of an epoch; delete its folder to start over")
        records.append(record)
    return records


def truncate_metrics(folder: Path, epoch: int) -> None:
    """Drops every line after `epoch`, so that the epochs trained again appear once."""
    kept = [line for line in read_metrics(folder) if line[EPOCH] <= epoch]
    write_atomic(folder / METRICS_FILE, "".join(json.dumps(line) + "\n" for line in kept).encode())

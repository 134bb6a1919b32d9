"""The names and the formats of everything that a trial or a study leaves on disk. Standard library only.

    <out>/trials/<trial_id>/   config.json env.json model.json status.json metrics.jsonl last.pt
                               best.safetensors test.json confusion.npy confusion.csv confusion_normalised.csv
                               image_confusion.npz roc.npz panels/*.png
                               tasks/<name>/ of each further task of the data: test.json, confusion*, roc.npz, panels/
    <out>/studies/<name>/      study.json report/
    <out>/archive/             trials/ and studies/ that were set aside

Writers and readers share this module, so a name on disk is spelled once. Metrics are fractions in
[0, 1]; an undefined one (a class that does not occur) is null, never 0.
"""

import json
import math
import os
import re
import stat
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar, get_args

from segtrain import fields
from segtrain.errors import UserError
from segtrain.fields import COUNT, NUMBER, OBJECT, SECONDS, TEXT, Kind, list_of, one_of, or_none

TRIALS_DIR = "trials"
STUDIES_DIR = "studies"
ARCHIVE_DIR = "archive"

CONFIG_FILE = "config.json"
ENV_FILE = "env.json"
MODEL_FILE = "model.json"  # classes, palette and normalisation; absent in folders of versions before it
NETWORK_FILE = "network.json"  # {"layers": the fields of segtrain.models.layers.Layer each}; absent before it
DATA_FILE = "data.json"  # classes, size, and per split what segtrain.training.data_file counts; absent before it
STATUS_FILE = "status.json"
METRICS_FILE = "metrics.jsonl"
LAST_FILE = "last.pt"
BEST_FILE = "best.safetensors"
TEST_FILE = "test.json"
CONFUSION_FILE = "confusion.npy"  # (K, K) int64 pixels of the test split, rows are truth
CONFUSION_TABLE_FILE = "confusion.csv"  # the same under the names of the classes
NORMALISED_TABLE_FILE = "confusion_normalised.csv"  # each row over its sum; cells of a class without truth are empty
# "confusion": (N, K, K) int64, one matrix per test image in split order; "group": (N,) the drive, sequence or city of
# each, absent where the data has no such, and in folders of versions before it
IMAGE_CONFUSION_FILE = "image_confusion.npz"
ROC_FILE = "roc.npz"  # the fields of segtrain.metrics.roc.RocCurves
CODE_DIR = "code"  # of a model of the user's own: its source, or its configuration
CODE_KEY = "code"  # in env.json: {"sha256", "files", "earlier"}
IMAGE_S = "image_s"  # in env.json of a finished trial: seconds from one image, alone on the device, to its logits
NEW_LAYERS_KEY = "new_layers"  # in env.json of a trial that took all that fits of its parent: what did not
CONTINUED_KEY = "continued_from"  # in env.json of a trial that went on from a shorter one: {"trial_id", "epoch"}
ERROR_FILE = "error.txt"  # the traceback of the last failure
LOCK_FILE = ".lock"
STOP_FILE = ".stop"  # somebody wants this trial to end, and not to be started again; says who
ROOM_FILE = ".room"  # while a trial runs: space for its last status, should the disk be full
TEMPORARY_SUFFIX = ".tmp"
FINGERPRINT_DIGITS = 16  # of data; older folders have 12, over times instead of content
OBJECT_SIZES = ("small", "medium", "large")
PANELS_DIR = "panels"
PANEL_COUNT = 8
PANEL_KINDS = ("image", "truth", "prediction")
"""Each panel is three PNGs of one size, named by `panel_file`; truth and prediction carry the dataset's palette."""
TASKS_DIR = "tasks"  # see `task_dir`
TASK_KEY = "task"  # in env.json: the name of the first task, where the data name it
EXAMPLES_DIR = "examples"  # single images for the eye, named by `example_file`; absent before it
EXAMPLE_RANKS = ("train", "worst1", "worst2", "worst3", "median")

STUDY_FILE = "study.json"
SEARCH_FILE = "search.json"  # of a study that is a search: what each of its trials was asked and how it ended
JOURNAL_FILE = "optuna.journal"  # of a search without a storage of its own
FOUND_FILE = "best.json"  # of a search: the best values of each architecture and freeze setting
REPORT_DIR = "report"

# Keys of one line of metrics.jsonl; the same names go to wandb.
EPOCH = "epoch"
TRAIN_LOSS = "train/loss"
TRAIN_MEAN_IOU = "train/mean_iou"
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

State = Literal["running", "finished", "failed", "diverged", "skipped", "pruned", "stopped"]
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

_SCORES = list_of(or_none(NUMBER))  # one a class
KINDS: dict[type, dict[str, Kind]] = {
    Status: {
        "state": one_of(*STATES),
        "epoch": COUNT,
        "epochs": COUNT,
        "runtime_s": SECONDS,
        "reason": or_none(TEXT),
        "step": or_none(COUNT),
        "attempts": COUNT,
    },
    TestScores: {
        **dict.fromkeys(("epoch", "counted_classes", "images"), COUNT),
        **dict.fromkeys(("loss", "pixel_accuracy", "mean_accuracy", "mean_iou"), or_none(NUMBER)),
        **dict.fromkeys(("frequency_weighted_iou", "mean_auc", "mean_boundary_iou"), or_none(NUMBER)),
        "classes": list_of(TEXT),
        **dict.fromkeys(("iou", "auc", "boundary_iou"), _SCORES),
        "size_iou": OBJECT,
        "mean_size_iou": OBJECT,
    },
}
EPOCH_KINDS = {
    EPOCH: COUNT,
    **dict.fromkeys(
        (TRAIN_LOSS, TRAIN_MEAN_IOU, VAL_LOSS, VAL_MEAN_IOU, TEST_LOSS, TEST_MEAN_IOU, LR), or_none(NUMBER)
    ),
    **dict.fromkeys((EPOCH_S, IMAGES_PER_S, PEAK_MEMORY_BYTES), or_none(SECONDS)),
    VAL_IOU: or_none(_SCORES),
}
MOST_BYTES = 2**28
"""Of any JSON file: the study.json of 100,000 trials has a third of it."""
# In JSON, of texts that may hold what a terminal would obey: escapes below a space, and bytes of 7f to 9f and of
# marks of direction. A match only means that the texts are looked at.
_ODD_TEXT = re.compile(
    rb"\\u00[01789]|\\u20[26]|\\u[dD][89a-fA-F]|\\[bfr]|\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81"
)
REMEDY = "restore it or delete its folder to start over"


def panel_file(index: int, kind: str) -> str:
    """`00_image.png`, `00_truth.png`, `00_prediction.png`, ..."""
    return f"{index:02d}_{kind}.png"


def example_file(rank: str, index: int, kind: str) -> str:
    """`worst1-17_prediction.png`: `rank` is of EXAMPLE_RANKS, `index` the image's number in its split, from 0."""
    return f"{rank}-{index}_{kind}.png"


def task_dir(folder: Path, task: str) -> Path:
    """Where a trial's folder keeps what it says of one task; of the first one, "", beside everything else."""
    return folder / TASKS_DIR / task if task else folder


def named_task(key: str) -> tuple[str, str] | None:
    """`val/geometric/mean_iou` -> its task and `val/mean_iou`; None for what is of no named task."""
    match key.split("/"):
        case [split, task, name] if task:
            return task, f"{split}/{name}"
    return None


def of_task(key: str, task: str) -> str:
    """`val/mean_iou` -> `val/geometric/mean_iou`; the key of the first task, "", as it is."""
    split, _, name = key.partition("/")
    return f"{split}/{task}/{name}" if task else key


def trial_dir(out: Path, trial_id: str) -> Path:
    return out / TRIALS_DIR / trial_id


def study_dir(out: Path, name: str) -> Path:
    return out / STUDIES_DIR / name


def is_archived(folder: Path) -> bool:
    """Whether the trial or the study of this folder was set aside."""
    return not folder.exists() and archived(folder).exists()


def archived(folder: Path) -> Path:
    """Where a folder of a trial or a study lies when it is set aside."""
    return folder.parents[1] / ARCHIVE_DIR / folder.parent.name / folder.name


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write under a unique temporary name, which is flushed to the disk and then renamed: readers see
    the old file or the new one, after a power cut too. What fails, such as on a full disk, leaves nothing; a process
    killed here leaves at most a stray temporary file."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}{TEMPORARY_SUFFIX}")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Puts the names in `folder` on the disk: without it a rename may be forgotten in a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: Path, content: bytes) -> None:
    with atomic_file(path) as file:
        file.write(content)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    write_atomic(path, json_bytes(value))


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """As they stand in a file."""
    return (json.dumps(nan_to_none(value), indent=2, allow_nan=False) + "\n").encode()


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file to be read. Raises RecordError when there is something else at the path, and FileNotFoundError when there
    is nothing."""
    # Not blocking, since opening a pipe would wait for somebody to write into it.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise RecordError(f"{path} is no file; remove it, or delete its folder to start over")
        yield file


def read_bytes(path: Path) -> bytes:
    """The content of a file. Raises RecordError when there is something else at the path, or more than any file of
    ours holds, and FileNotFoundError when there is nothing."""
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MOST_BYTES:
            raise RecordError(f"{path} has {size} bytes; allowed: up to {MOST_BYTES}; restore it")
        return file.read(MOST_BYTES)


def parse_json(content: bytes) -> Any:
    """The value, its texts printable. Raises ValueError."""
    try:
        value = json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return fields.clean(value) if _ODD_TEXT.search(content) else value


def read_json(path: Path) -> dict[str, Any]:
    """Raises RecordError when the file is torn or holds anything but an object, FileNotFoundError when absent."""
    try:
        value = parse_json(read_bytes(path))
    except ValueError as error:
        raise RecordError(f"{path} is not valid JSON ({error}); {REMEDY}") from None
    if not isinstance(value, dict):
        raise RecordError(f"{path} holds a {type(value).__name__}, not an object; delete its folder to start over")
    return value


def check(
    path: Path, values: Mapping[str, Any], kinds: Mapping[str, Kind], where: str = "", remedy: str = REMEDY
) -> None:
    """Raises RecordError naming the first value that is of another kind; `where` is its place in the file."""
    wrong = fields.find_wrong(values, kinds)
    if wrong is not None:
        raise RecordError(f"{path}{where}: {wrong}; {remedy}")


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
    try:
        return _record(Status, folder / STATUS_FILE)
    except FileNotFoundError:
        return None


def ended(state: State, before: Status | None, epochs: int, reason: str) -> Status:
    """The status of a trial that something outside its training ended, keeping how far it had come."""
    before = before or Status(state=state, epoch=0, epochs=epochs, runtime_s=0.0)
    return replace(before, state=state, epochs=epochs, reason=reason, step=None)


def read_code(folder: Path) -> dict[str, Any] | None:
    """What env.json says of the user's own code that a trial was trained with; None when it used none, or never
    started. Raises RecordError."""
    try:
        found = read_json(folder / ENV_FILE).get(CODE_KEY)
    except FileNotFoundError:
        return None
    whole = isinstance(found, dict) and isinstance(found.get("sha256"), str) and isinstance(found.get("earlier"), list)
    return found if whole else None


def add_to_env(folder: Path, values: Mapping[str, Any]) -> None:
    """Writes further values into env.json. Raises RecordError."""
    write_json(folder / ENV_FILE, {**read_json(folder / ENV_FILE), **values})


def read_new_layers(folder: Path) -> list[str] | None:
    """Of a trial that took all that fits of its parent, the layers that did not; None when that is not known. Raises
    RecordError."""
    try:
        found = read_json(folder / ENV_FILE).get(NEW_LAYERS_KEY)
    except FileNotFoundError:
        return None
    return found if list_of(TEXT).holds(found) else None


def read_data_fingerprint(folder: Path) -> str | None:
    """Of the data that the trial was made from; None when that is not known: it never started, or its folder is from
    before fingerprints were over content. Raises RecordError."""
    try:
        found = read_json(folder / ENV_FILE).get("data_fingerprint")
    except FileNotFoundError:
        return None
    return found if isinstance(found, str) and len(found) == FINGERPRINT_DIGITS else None


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
    check(path, vars(record), KINDS[kind])
    if isinstance(record, TestScores):
        _check_classes(path, record)
    return record


def _check_classes(path: Path, scores: TestScores) -> None:
    check(path, scores.mean_size_iou, dict.fromkeys(OBJECT_SIZES, or_none(NUMBER)), ", mean_size_iou")
    check(path, scores.size_iou, dict.fromkeys(OBJECT_SIZES, _SCORES), ", size_iou")
    if missing := [size for size in OBJECT_SIZES if size not in scores.mean_size_iou]:
        raise RecordError(
            f"{path}, mean_size_iou lacks {', '.join(missing)}; restore it or delete its folder to start over"
        )
    for values in (scores.iou, scores.auc, scores.boundary_iou, *scores.size_iou.values()):
        if len(values) != len(scores.classes):
            raise RecordError(
                f"{path} has a list of {len(values)} scores for {len(scores.classes)} classes; restore it or delete "
                "its folder to start over"
            )


def append_metrics(folder: Path, line: Mapping[str, Any]) -> None:
    with open(folder / METRICS_FILE, "ab") as file:
        file.write((json.dumps(nan_to_none(line), allow_nan=False) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """One dict per finished epoch, in order. A torn last line is left out (its epoch will be trained again);
    a torn line elsewhere raises RecordError."""
    path = folder / METRICS_FILE
    try:
        lines = read_bytes(path).split(b"\n")
    except FileNotFoundError:
        return []
    records = []
    for number, line in enumerate(lines, start=1):
        # A whole line ends in a newline, so what stands after the last one is torn (or empty).
        if number == len(lines):
            break
        try:
            record = parse_json(line)
        except ValueError:
            record = None
        if not isinstance(record, dict) or type(record.get(EPOCH)) is not int:
            raise RecordError(f"{path}, line {number} is no record of an epoch; delete its folder to start over")
        check(path, record, EPOCH_KINDS, f", line {number}")
        records.append(record)
    return records


def truncate_metrics(folder: Path, epoch: int) -> None:
    """Drops every line after `epoch`, so that the epochs trained again appear once."""
    kept = [line for line in read_metrics(folder) if line[EPOCH] <= epoch]
    write_atomic(folder / METRICS_FILE, "".join(json.dumps(line) + "\n" for line in kept).encode())

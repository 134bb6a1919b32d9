"""Run folders -> tidy pandas frames. Nothing is computed here but which epoch's weights were kept.

A number that is absent on disk is missing in the frames (NaN or NA), never 0. A trial that cannot be read stays in
as a row of state `unreadable`, and `Study.problems` names it.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.trial import EPOCH_NUMBERS, UNREADABLE, Row, read_trial
from segtrain import records
from segtrain.records import RecordError

COMPARED_STAGE = "trial"
"""The stage whose trials are compared; those of other stages (`pretrain`) only give them weights."""

METRICS = (records.VAL_MEAN_IOU, records.VAL_LOSS)
"""What a study may choose by. No test score is among them."""

TRIAL_DTYPES = {
    **dict.fromkeys(("trial_id", "run", "stage", "parent", "state", "reason", "folder"), "str"),
    **dict.fromkeys(("epoch", "epochs", "step"), "Int64"),
    "runtime_s": "float64",
    **dict.fromkeys(("arch", "freeze", "dataset", "variant"), "str"),
    "lr": "float64",
    **dict.fromkeys(("seed", "setting", "best_epoch"), "Int64"),
    **dict.fromkeys((records.TRAIN_LOSS, records.VAL_LOSS, records.VAL_MEAN_IOU), "float64"),
    **dict.fromkeys((records.TEST_LOSS, records.TEST_MEAN_IOU), "float64"),
    **dict.fromkeys(("pixel_accuracy", "mean_accuracy", "frequency_weighted_iou"), "float64"),
}
EPOCH_DTYPES = {"trial_id": "str", records.EPOCH: "Int64", **dict.fromkeys(EPOCH_NUMBERS, "float64")}
CLASS_DTYPES = {"trial_id": "str", "class_index": "Int64", "class_name": "str", "iou": "float64"}


@dataclass(frozen=True, eq=False, kw_only=True)
class Study:
    """A study and what its trials left on disk so far. Metrics are fractions in [0, 1], times seconds.

    `trials`: one row per trial, in the order of study.json. `epoch` counts finished epochs; `state` is one of
    records.STATES, `not started` or `unreadable`; `freeze` is the label of the reports. `setting` is equal for trials
    that differ in nothing but the seed; `variant` says in words ("lr 0.001") what tells the settings of one
    architecture and freeze apart. `best_epoch` is the epoch whose weights were kept (test.json's; without one, that
    of the highest val/mean_iou so far), and train/loss, val/loss and val/mean_iou are the values of that epoch. The
    test columns are those of test.json. `folder` is relative to `out`.

    `epochs`: one row per trial and epoch, in that order; a later line of an epoch replaces an earlier one.
    `classes`: one row per trial and class: the test IoU, missing when the class does not occur.
    `problems`: one sentence for every trial that could not be read.
    """

    folder: Path
    out: Path
    name: str
    title: str
    command: str
    metric: str
    mode: str
    axes: dict[str, list[Any]]
    claims: list[str]
    trials: pd.DataFrame
    epochs: pd.DataFrame
    classes: pd.DataFrame
    problems: list[str]


def load_study(path: Path) -> Study:
    """Reads the study folder `<out>/studies/<name>` and its trials under `<out>/trials`.

    Works while the sweep still runs. Raises RecordError when there is no readable study.json; a trial that cannot be
    read raises nothing.
    """
    folder = Path(os.path.abspath(path))
    description = _read_description(folder)
    out = folder.parent.parent
    rows: list[Row] = []
    epochs: list[Row] = []
    classes: list[Row] = []
    configs: dict[str, Row] = {}
    axes = [axis for axis, values in description["axes"].items() if len(values) > 1]
    for entry in description["trials"]:
        row, config, trial_epochs, trial_classes = read_trial(out, entry, axes)
        rows.append(row)
        epochs += trial_epochs
        classes += trial_classes
        if config:
            configs[entry["trial_id"]] = config
    numbers = _number_settings(configs)
    for row in rows:
        row["setting"] = numbers.get(row["trial_id"])
    return Study(
        folder=folder,
        out=out,
        name=description["name"],
        title=description["title"],
        command=description["command"],
        metric=description["metric"],
        mode=description["mode"],
        axes=description["axes"],
        claims=description["claims"],
        trials=_frame(rows, TRIAL_DTYPES),
        epochs=_frame(epochs, EPOCH_DTYPES),
        classes=_frame(classes, CLASS_DTYPES),
        problems=[f"{row['run']}: {row['reason']}" for row in rows if row["state"] == UNREADABLE],
    )


def _frame(rows: Sequence[Row], dtypes: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(dtypes)).astype(dict(dtypes))


def _read_description(folder: Path) -> Row:
    """study.json, checked. Raises RecordError saying what is expected and what to do."""
    path = folder / records.STUDY_FILE
    if not path.is_file():
        studies = folder / records.STUDIES_DIR
        found = sorted(str(file.parent) for file in studies.glob(f"*/{records.STUDY_FILE}"))
        hint = f"found {', '.join(found)}" if found else "a sweep writes one when it starts"
        raise RecordError(
            f"the study folder is {str(folder)!r}, which has no {records.STUDY_FILE}; "
            f"expected <out>/{records.STUDIES_DIR}/<name>: {hint}"
        )
    description = records.read_json(path)
    kinds = {"name": str, "title": str, "command": str, "metric": str, "mode": str}
    for key, kind in {**kinds, "axes": dict, "claims": list, "trials": list}.items():
        if not isinstance(description.get(key), kind):
            raise _bad_description(path, key, description.get(key), f"a JSON {kind.__name__}")
    if description["metric"] not in METRICS:
        raise _bad_description(path, "metric", description["metric"], f"{' or '.join(METRICS)}, never a test score")
    if description["mode"] not in ("max", "min"):
        raise _bad_description(path, "mode", description["mode"], "max or min")
    for axis, values in description["axes"].items():
        if not isinstance(values, list):
            raise _bad_description(path, f"axis {axis}", values, "a JSON list")
    seen = set()
    for entry in description["trials"]:
        keys = ("trial_id", "run", "stage")
        if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in keys):
            raise _bad_description(path, "an entry of trials", entry, f"an object with the texts {', '.join(keys)}")
        if entry["trial_id"] in seen:
            raise _bad_description(path, "trials", entry["trial_id"], "every trial_id once")
        seen.add(entry["trial_id"])
    return description


def _bad_description(path: Path, name: str, value: Any, allowed: str) -> RecordError:
    return RecordError(f"{path}: {name} is {value!r}; allowed: {allowed}; run the sweep's command again to rewrite it")


def _number_settings(configs: Mapping[str, Row]) -> dict[str, int]:
    """Trial id -> number of its setting, by first appearance. Two seeds of one setting may have parents that differ
    in the seed, so a parent counts by its own setting and not by its id."""

    def key(config: Row) -> str:
        parent = configs.get(config.get("parent") or "")
        science = {name: value for name, value in config.items() if name != "seed"}
        return json.dumps(science | ({"parent": key(parent)} if parent else {}), sort_keys=True)

    numbers: dict[str, int] = {}
    return {trial_id: numbers.setdefault(key(config), len(numbers)) for trial_id, config in configs.items()}

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

from analysis.read import dynamics
from analysis.read.trial_folder import (
    CLASS_NUMBERS,
    COST_NUMBERS,
    ENV_TEXTS,
    EPOCH_NUMBERS,
    SIZE_NUMBERS,
    TEST_NUMBERS,
    Row,
    Trial,
    read_trial,
)
from segtrain import records
from segtrain.records import RecordError

COMPARED_STAGE = "trial"
"""The stage whose trials are compared; those of other stages (`pretrain`) only give them weights."""

SCORES = (records.TEST_LOSS, records.TEST_MEAN_IOU, *TEST_NUMBERS, *SIZE_NUMBERS)
"""Columns of `trials` that the test set gave."""

TRIAL_DTYPES = {
    **dict.fromkeys(("trial_id", "run", "stage", "parent", "state", "reason", "folder"), "str"),
    **dict.fromkeys(("epoch", "epochs", "step", "attempts"), "Int64"),
    "runtime_s": "float64",
    **dict.fromkeys(("model", "variant", "arch", "freeze", "dataset", "setting_name"), "str"),
    "lr": "float64",
    **dict.fromkeys(("seed", "setting", "best_epoch", "counted_classes"), "Int64"),
    **dict.fromkeys((records.TRAIN_LOSS, records.VAL_LOSS, records.VAL_MEAN_IOU, *SCORES), "float64"),
    **dict.fromkeys(dynamics.COLUMNS, "float64"),
    **dict.fromkeys((records.IMAGES_PER_S, records.PEAK_MEMORY_BYTES), "float64"),
    **dict.fromkeys((*COST_NUMBERS, "threads"), "Int64"),
    **dict.fromkeys(ENV_TEXTS, "str"),
    "git_dirty": "boolean",
}
EPOCH_DTYPES = {"trial_id": "str", records.EPOCH: "Int64", **dict.fromkeys(EPOCH_NUMBERS, "float64")}
CLASS_DTYPES = {
    "trial_id": "str",
    "class_index": "Int64",
    "class_name": "str",
    **dict.fromkeys(CLASS_NUMBERS, "float64"),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Study:
    """A study and what its trials left on disk so far. Metrics are fractions in [0, 1], times seconds.

    `trials`: one row per trial, in the order of study.json.
    - state: one of records.STATES, `not started` or `unreadable`, and `reason` why; `epoch` counts finished epochs.
    - model: what is compared: the variant in a study that has variants, else the architecture. `freeze` is the label of
      the reports. `setting` is equal for trials that differ in nothing but the seed, and `setting_name` says in words
      ("lr 0.001") what tells the settings of one model and freeze apart.
    - best_epoch: the epoch whose weights were kept (test.json's; without one, that of the highest val/mean_iou so far);
      train/loss, val/loss and val/mean_iou are the values of that epoch.
    - SCORES: test.json's. iou_small, iou_medium and iou_large are means over the classes that have such objects.
    - dynamics.COLUMNS, which say what they are; images_per_s is the median over the epochs, peak_memory_bytes the
      highest; the rest is env.json's. `multiply_adds` is of the forward pass of one image.
    - counted_classes: how many classes the mean IoU counts: those that occur in truth or prediction.
    - folder: relative to `out`.
    - then every further field of config.json under its own name.

    `epochs`: one row per trial and epoch, in that order; a later line of an epoch replaces an earlier one.
    `classes`: one row per trial and class: the test scores, missing when the class does not occur.
    `configs` and `envs`: trial id -> config.json and env.json, where they could be read.
    `problems`: one sentence for every file that could not be read.
    """

    folder: Path
    out: Path
    name: str
    title: str
    command: str
    axes: dict[str, list[Any]]
    variants: list[str]
    claims: list[Any]
    trials: pd.DataFrame
    epochs: pd.DataFrame
    classes: pd.DataFrame
    configs: dict[str, Row]
    envs: dict[str, Row]
    problems: list[str]

    def __repr__(self) -> str:
        states = ", ".join(f"{count} {state}" for state, count in self.trials["state"].value_counts().items())
        return f"<Study {self.name}: {self.title}; {len(self.trials)} trials ({states}), {len(self.claims)} claims>"


def load(path: Path | str) -> Study:
    """Reads the study folder `<out>/studies/<name>` and its trials under `<out>/trials`.

    Works while the sweep still runs. Raises RecordError when there is no readable study.json; a trial that cannot be
    read raises nothing.
    """
    folder = Path(os.path.abspath(path))
    description = _read_description(folder)
    out = folder.parent.parent
    axes = [axis for axis, values in description["axes"].items() if len(values) > 1]
    trials = [read_trial(out, entry, axes) for entry in description["trials"]]
    configs = {trial.row["trial_id"]: trial.config for trial in trials if trial.config}
    numbers = _number_settings(configs)
    models = _name_models(trials)
    for trial in trials:
        trial_id = trial.row["trial_id"]
        trial.row |= {"setting": numbers.get(trial_id), "model": models.get(trial_id)}
    return Study(
        folder=folder,
        out=out,
        name=description["name"],
        title=description["title"],
        command=description["command"],
        axes=description["axes"],
        variants=list(description.get("variants", {})),
        claims=description["claims"],
        trials=_add_recipe(_frame([trial.row for trial in trials], TRIAL_DTYPES), configs),
        epochs=_frame([line for trial in trials for line in trial.epochs], EPOCH_DTYPES),
        classes=_frame([line for trial in trials for line in trial.classes], CLASS_DTYPES),
        configs=configs,
        envs={trial.row["trial_id"]: trial.env for trial in trials if trial.env},
        problems=[problem for trial in trials for problem in trial.problems],
    )


def _frame(rows: Sequence[Row], dtypes: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(dtypes)).astype(dict(dtypes))


def _add_recipe(trials: pd.DataFrame, configs: Mapping[str, Row]) -> pd.DataFrame:
    """`trials` with a column for every field of the configs that it has none of."""
    fields = dict.fromkeys(name for config in configs.values() for name in config if name not in trials)
    ids = trials["trial_id"]
    columns = {name: [configs.get(trial_id, {}).get(name) for trial_id in ids] for name in fields}
    return pd.concat([trials, pd.DataFrame(columns, index=trials.index)], axis=1)


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
    kinds = {"name": str, "title": str, "command": str, "axes": dict, "claims": list, "trials": list}
    for key, kind in kinds.items():
        if not isinstance(description.get(key), kind):
            raise _bad_description(path, key, description.get(key), f"a JSON {kind.__name__}")
    if not isinstance(description.get("variants", {}), dict):
        raise _bad_description(path, "variants", description["variants"], "a JSON dict")
    for axis, values in description["axes"].items():
        if not isinstance(values, list):
            raise _bad_description(path, f"axis {axis}", values, "a JSON list")
    seen = set()
    for entry in description["trials"]:
        keys = ("trial_id", "run", "stage")
        if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in keys):
            raise _bad_description(path, "an entry of trials", entry, f"an object with the texts {', '.join(keys)}")
        if not isinstance(entry.get("variant"), str | None):
            raise _bad_description(path, "the variant of a trial", entry["variant"], "a text or null")
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


def _name_models(trials: Sequence[Trial]) -> dict[str, str]:
    """Trial id -> the variant, with the architecture before it where a variant has several; else the architecture."""
    archs: dict[str, set[str]] = {}
    for trial in trials:
        if trial.row["variant"] and trial.row.get("arch"):
            archs.setdefault(trial.row["variant"], set()).add(trial.row["arch"])
    ambiguous = any(len(found) > 1 for found in archs.values())
    models = {}
    for trial in trials:
        arch, variant = trial.row.get("arch"), trial.row["variant"]
        named = f"{arch}, {variant}" if ambiguous and arch and variant else variant or arch
        if named:
            models[trial.row["trial_id"]] = named
    return models

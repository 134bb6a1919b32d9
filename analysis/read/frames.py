"""Run folders -> tidy pandas frames. Nothing is computed here but which epoch's weights were kept.

A number that is absent on disk is missing in the frames (NaN or NA), never 0. A trial that cannot be read stays in
as a row of state `unreadable`, and `Study.problems` names it.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.read import dynamics
from analysis.read.gathering.setting_names import gather_axes, name_settings
from analysis.read.gathering.study_json import Row, only_latest, read_description
from analysis.read.trial_folder import (
    CLASS_NUMBERS,
    COST_NUMBERS,
    ENV_TEXTS,
    EPOCH_NUMBERS,
    SIZE_NUMBERS,
    TEST_NUMBERS,
    UNREADABLE,
    VAL_COUNTED,
    Trial,
    read_trial,
    require_inside,
)
from segtrain import records
from segtrain.records import RecordError

SCORES = (records.TEST_LOSS, records.TEST_MEAN_IOU, *TEST_NUMBERS, *SIZE_NUMBERS)
"""Columns of `trials` that the test set gave."""

TRIAL_DTYPES = {
    **dict.fromkeys(("trial_id", "run", "stage", "parent", "state", "reason", "folder", "asked_by"), "str"),
    **dict.fromkeys(("epoch", "epochs", "step", "attempts"), "Int64"),
    "runtime_s": "float64",
    **dict.fromkeys(("model", "variant", "arch", "freeze", "dataset", "setting_name"), "str"),
    "lr": "float64",
    **dict.fromkeys(("seed", "setting", "best_epoch", "comparable_best_epoch"), "Int64"),
    **dict.fromkeys(("class_count", "test_counted_classes", VAL_COUNTED), "Int64"),
    **dict.fromkeys((records.TRAIN_LOSS, records.VAL_LOSS, records.VAL_MEAN_IOU, *SCORES), "float64"),
    **dict.fromkeys(dynamics.COLUMNS, "float64"),
    **dict.fromkeys((records.IMAGES_PER_S, records.PEAK_MEMORY_BYTES), "float64"),
    **dict.fromkeys((*COST_NUMBERS, "threads"), "Int64"),
    **dict.fromkeys(ENV_TEXTS, "str"),
    "git_dirty": "boolean",
}
EPOCH_DTYPES = {"trial_id": "str", records.EPOCH: "Int64", **dict.fromkeys(EPOCH_NUMBERS, "float64")}
EPOCH_DTYPES |= {VAL_COUNTED: "Int64"}
CLASS_DTYPES = {
    "trial_id": "str",
    "class_index": "Int64",
    "class_name": "str",
    **dict.fromkeys(CLASS_NUMBERS, "float64"),
}

MOST_PARENTS = 100
"""How many trials may stand before one, each the parent of the next."""


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
    - test_counted_classes, val_counted_classes: how many of the data's class_count the mean IoU counts, the validated
      one at best_epoch: those that occur in truth or prediction. comparable_best_epoch: where epochs
      count different classes, the one that is best over those that all of them count.
    - test/<task>/mean_iou and so on: of each task, where the data name several (see trial_folder.TASK_NUMBERS).
    - folder: relative to `out`; asked_by: the numbers, from 1, of the `commands` that asked for the trial ("1, 3").
    - then every further field of config.json under its own name.

    `epochs`: one row per trial and epoch, in that order; a later line of an epoch replaces an earlier one.
    `classes`: one row per trial and class: the test scores, missing when the class does not occur.
    `command`: the last one; `commands`: all of the study's. `axes`: with every value that its trials have, and the
    fields in which commands differ.
    `looks`: study.json's, with how many seeds the claims were judged and with which share of the error each time.
    `published`: what a source reports: source, note, columns and rows; None where the study names none.
    `configs` and `envs`: trial id -> config.json and env.json, where they could be read.
    `archived`: the runs that were set aside, and are left out.
    `problems`: one sentence for every file that could not be read.
    """

    folder: Path
    out: Path
    name: str
    title: str
    command: str
    commands: list[str]
    axes: dict[str, list[Any]]
    variants: list[str]
    claims: list[Any]
    looks: list[Any]
    trials: pd.DataFrame
    epochs: pd.DataFrame
    classes: pd.DataFrame
    configs: dict[str, Row]
    envs: dict[str, Row]
    archived: list[str]
    problems: list[str]
    published: Row | None = None

    def __repr__(self) -> str:
        states = ", ".join(f"{count} {state}" for state, count in self.trials["state"].value_counts().items())
        return f"<Study {self.name}: {self.title}; {len(self.trials)} trials ({states}), {len(self.claims)} claims>"


def load(path: Path | str, latest: bool = False) -> Study:
    """Reads the study folder `<out>/studies/<name>` and its trials under `<out>/trials`: those of all commands, or of
    the `latest` one.

    Works while the sweep still runs. Raises RecordError when there is no readable study.json; a trial that cannot be
    read raises nothing.
    """
    folder = Path(os.path.abspath(path))
    out = folder.parent.parent
    require_inside(folder, out)
    description = find_description(folder)
    return assemble(folder, only_latest(description) if latest else description)


def assemble(folder: Path, description: Row) -> Study:
    """The study that a study.json in `folder` would describe, with what its trials left on disk so far."""
    out = folder.parent.parent
    apart = {e["trial_id"]: e["run"] for e in description["trials"] if _is_archived(out, e)}
    trials = [read_trial(out, entry) for entry in description["trials"] if entry["trial_id"] not in apart]
    _part_from_parents(trials)
    configs = {trial.row["trial_id"]: trial.config for trial in trials if trial.config}
    axes = gather_axes(description["axes"], trials)
    numbers, models = _number_settings(configs), _name_models(trials)
    names = name_settings(trials, axes, numbers)
    of_tasks = {name: "float64" for trial in trials for name in trial.row if records.named_task(name) is not None}
    for trial in trials:
        trial_id = trial.row["trial_id"]
        trial.row |= {"setting": numbers.get(trial_id), "model": models.get(trial_id)}
        trial.row["setting_name"] = names.get(trial_id)
    return Study(
        folder=folder,
        out=out,
        name=description["name"],
        title=description["title"],
        command=description["command"],
        commands=description.get("commands") or [description["command"]],
        axes=axes,
        variants=list(description.get("variants") or {}),
        claims=description["claims"],
        looks=description.get("looks") or [],
        trials=_add_recipe(_frame([trial.row for trial in trials], TRIAL_DTYPES | of_tasks), configs),
        epochs=_frame([line for trial in trials for line in trial.epochs], EPOCH_DTYPES),
        classes=_frame([line for trial in trials for line in trial.classes], CLASS_DTYPES),
        configs=configs,
        envs={trial.row["trial_id"]: trial.env for trial in trials if trial.env},
        archived=list(apart.values()),
        problems=[problem for trial in trials for problem in trial.problems],
        published=description.get("published"),
    )


def _is_archived(out: Path, entry: Row) -> bool:
    return records.is_archived(records.trial_dir(out, entry["trial_id"]))


def _frame(rows: Sequence[Row], dtypes: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(dtypes)).astype(dict(dtypes))


def _add_recipe(trials: pd.DataFrame, configs: Mapping[str, Row]) -> pd.DataFrame:
    """`trials` with a column for every field of the configs that it has none of."""
    fields = dict.fromkeys(name for config in configs.values() for name in config if name not in trials)
    ids = trials["trial_id"]
    columns = {name: [configs.get(trial_id, {}).get(name) for trial_id in ids] for name in fields}
    return pd.concat([trials, pd.DataFrame(columns, index=trials.index)], axis=1)


def find_description(folder: Path) -> Row:
    """Raises RecordError saying what is expected and what to do."""
    if not (folder / records.STUDY_FILE).is_file():
        studies = folder / records.STUDIES_DIR
        found = sorted(str(file.parent) for file in studies.glob(f"*/{records.STUDY_FILE}"))
        hint = f"found {', '.join(found)}" if found else "a sweep writes one when it starts"
        raise RecordError(
            f"the study folder is {str(folder)!r}, which has no {records.STUDY_FILE}; "
            f"expected <out>/{records.STUDIES_DIR}/<name>: {hint}"
        )
    return read_description(folder)


def _number_settings(configs: Mapping[str, Row]) -> dict[str, int]:
    """Trial id -> number of its setting, by first appearance. Two seeds of one setting may have parents that differ
    in the seed, so a parent counts by its own setting and not by its id."""

    keys: dict[str, str] = {}
    numbers: dict[str, int] = {}

    def key(trial_id: str) -> str:
        if trial_id not in keys:
            science = {name: value for name, value in configs[trial_id].items() if name != "seed"}
            parent = configs[trial_id].get("parent")
            science |= {"parent": key(parent)} if parent and parent in configs else {}
            keys[trial_id] = hashlib.sha256(json.dumps(science, sort_keys=True).encode()).hexdigest()
        return keys[trial_id]

    return {trial_id: numbers.setdefault(key(trial_id), len(numbers)) for trial_id in configs}


def _part_from_parents(trials: Sequence[Trial]) -> None:
    """Trials whose parents go round, or on and on, are no trials of ours: they become unreadable."""
    parents = {trial.row["trial_id"]: trial.config.get("parent") for trial in trials if trial.config}
    for trial in trials:
        steps, parent = 0, trial.config.get("parent")
        while parent in parents and steps <= MOST_PARENTS:
            steps, parent = steps + 1, parents[parent]
        if steps > MOST_PARENTS:
            reason = f"more than {MOST_PARENTS} parents stand before it; allowed: a chain that ends"
            trial.row |= {"state": UNREADABLE, "reason": reason}
            trial.config = {}
            trial.problems.append(f"{trial.row['run']}: {reason}")


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

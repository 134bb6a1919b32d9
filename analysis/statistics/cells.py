"""Each model and freeze at the setting that validates best -> the trial that is shown of it, and its classes.

`selection` ranks the settings; here is what pictures, matrices and curves of single classes stand on. As there,
none may write into `shown`.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from analysis.inference.estimates import estimate
from analysis.read.frames import Study
from analysis.read.trial_folder import CLASS_NUMBERS
from analysis.statistics import selection
from segtrain.records import TASK_KEY, VAL_MEAN_IOU

CLASS_LABELS = ["name", "class_index", "class_name"]


@lru_cache(maxsize=1)
def shown(study: Study) -> pd.DataFrame:
    """`selection.best_cells`, in study order, plus the trial_id, best_epoch and folder of the seed that validates
    best."""
    cells = selection.best_cells(study)
    ranked = selection.usable(study).sort_values(VAL_MEAN_IOU, ascending=False, kind="stable")
    seeds = ranked.drop_duplicates("setting")[["setting", "trial_id", "best_epoch", "folder"]]
    return cells.merge(seeds, on="setting", how="left", validate="one_to_one")


def of_first_task(study: Study, found: pd.DataFrame) -> pd.DataFrame:
    """Those of `found`, rows with a `setting`, that were scored on the same task as the first model shown: over other
    classes a score is neither better nor worse."""
    tasks = [study.envs.get(trial_id, {}).get(TASK_KEY) or "" for trial_id in study.trials["trial_id"]]
    by_setting = dict(zip(study.trials["setting"], tasks, strict=True))
    first = by_setting.get(next(iter(shown(study)["setting"]), None))
    alike = [by_setting.get(setting) == first for setting in found["setting"]]
    return pd.DataFrame(found[np.array(alike, dtype=bool)])


def class_scores(study: Study, column: str = "iou") -> pd.DataFrame:
    """A test score per class and cell: name, class_index, class_name, mean, low, high (95 % interval) and n over the
    seeds. A class that does not occur is missing, with n = 0. `column` is of CLASS_NUMBERS."""
    rows = []
    for labels, group in _by_seed(study, column).groupby(CLASS_LABELS, sort=False):
        rows.append(dict(zip(CLASS_LABELS, labels, strict=True)) | vars(estimate(group[column].to_numpy())))
    return pd.DataFrame(rows, columns=[*CLASS_LABELS, "mean", "low", "high", "n"])


def class_differences(study: Study, column: str = "iou") -> pd.DataFrame:
    """The cell that validates best minus each other one, class by class, paired over the seeds that both have: best,
    name (of the other), class_index, class_name, mean, low, high and n."""
    columns = ["best", *CLASS_LABELS, "mean", "low", "high", "n"]
    found = of_first_task(study, shown(study))
    if len(found) < 2:
        return pd.DataFrame(columns=columns)
    best = str(found.sort_values(VAL_MEAN_IOU, kind="stable")["name"].iloc[-1])
    lines = _by_seed(study, column)
    keys = ["seed", "class_index", "class_name"]
    left = lines[lines["name"] == best].set_index(keys)[column]
    rows: list[dict[str, Any]] = []
    for name in (name for name in found["name"] if name != best):
        paired = left - lines[lines["name"] == name].set_index(keys)[column]
        for (index, label), group in paired.groupby(level=["class_index", "class_name"], sort=True):
            numbers = vars(estimate(group.to_numpy(dtype="float64")))
            rows.append({"best": best, "name": name, "class_index": index, "class_name": label} | numbers)
    return pd.DataFrame(rows, columns=columns)


def _by_seed(study: Study, column: str) -> pd.DataFrame:
    """name, seed, class_index, class_name and `column` of every usable trial of the cells."""
    assert column in CLASS_NUMBERS
    cells = of_first_task(study, shown(study))[["setting", "name"]]
    trials = selection.usable(study)[["trial_id", "setting", "seed"]]
    lines = cells.merge(trials, on="setting", validate="one_to_many")
    classes = study.classes[["trial_id", "class_index", "class_name", column]]
    return lines.merge(classes, on="trial_id", how="left", validate="one_to_many")


def endings(study: Study) -> pd.DataFrame:
    """One row per setting of the compared trials, in study order: setting, model, freeze, setting_name, planned, and
    how many of its seeds are finished, diverged, failed, or anything else (`other`: running, skipped, not started)."""
    trials = selection.compared(study).dropna(subset=["setting"])
    keys = ["setting", *selection.CELL, "setting_name"]
    ended = trials["state"].where(trials["state"].isin(("finished", "diverged", "failed")), "other")
    counts = trials[keys].assign(state=ended).groupby([*keys, "state"], sort=False, dropna=False).size()
    wide = counts.unstack("state", fill_value=0).reindex(columns=["finished", "diverged", "failed", "other"])
    wide = wide.fillna(0).astype(int).reset_index().sort_values("setting", ignore_index=True)
    return wide.assign(planned=wide[["finished", "diverged", "failed", "other"]].sum(axis=1))


def ending_text(diverged: int, failed: int) -> str:
    """`2 diverged, 1 failed`; blank when all went well."""
    counts = ((diverged, "diverged"), (failed, "failed"))
    return ", ".join(f"{count} {state}" for count, state in counts if count)

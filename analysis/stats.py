"""Tidy frames -> the numbers that are shown: best settings, curves, scores of classes. Pure; fractions in [0, 1].

A setting is chosen by the study's metric on the validation split (mean over its seeds), never by a test score. Only
finished trials of the compared stage count, and `n` says how many seeds a number stands on.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.load import COMPARED_STAGE, Study
from analysis.trial import freeze_label
from segtrain.records import EPOCH, TEST_LOSS, TEST_MEAN_IOU

SCORES = ("pixel_accuracy", "mean_accuracy", TEST_MEAN_IOU, "frequency_weighted_iou", TEST_LOSS)
_LABELS = ["setting", "arch", "freeze", "variant", "lr"]


def compared(study: Study) -> pd.DataFrame:
    """The rows of `study.trials` that take part in comparisons."""
    return study.trials[study.trials["stage"] == COMPARED_STAGE]


def usable(study: Study) -> pd.DataFrame:
    """The compared trials that are finished and have both a validation metric and a test mean IoU."""
    trials = compared(study)
    return trials[(trials["state"] == "finished") & trials[study.metric].notna() & trials[TEST_MEAN_IOU].notna()]


def order(study: Study, column: str) -> list[str]:
    """The values of `arch` or `freeze` in the order of the study's axis, then any others as they appear."""
    values = [str(value) for value in study.axes.get(column, [])]
    if column == "freeze":
        values = [freeze_label(value) for value in values]
    return list(dict.fromkeys([*values, *compared(study)[column].dropna()]))


def settings(study: Study) -> pd.DataFrame:
    """One row per setting with a usable trial, in study order.

    Columns: setting, arch, freeze, variant, lr; seeds ("0, 1"); n (usable seeds) and planned (trials of the setting,
    whatever their state); score (mean of the study's metric); every column of SCORES (mean) and `<column>_std`
    (sample standard deviation, missing for one seed).
    """
    trials = usable(study)
    planned: dict[Any, int] = compared(study).groupby("setting").size().to_dict()
    rows = []
    for (number, *labels), group in trials.groupby(_LABELS, sort=False):
        row = dict(zip(_LABELS, (number, *labels), strict=True))
        row |= {"seeds": ", ".join(str(seed) for seed in sorted(group["seed"]))}
        row |= {"n": len(group), "planned": planned[number], "score": group[study.metric].mean()}
        for column in SCORES:
            row |= {column: group[column].mean(), f"{column}_std": group[column].std(ddof=1)}
        rows.append(row)
    spread = [name for column in SCORES for name in (column, f"{column}_std")]
    frame = pd.DataFrame(rows, columns=[*_LABELS, "seeds", "n", "planned", "score", *spread])
    return frame.astype({"setting": "Int64", "n": "Int64", "planned": "Int64"})


def best_settings(study: Study, by: Sequence[str]) -> pd.DataFrame:
    """The rows of `settings` with the best score in each group, best first; the earlier one wins a tie."""
    ranked = settings(study).sort_values("score", ascending=study.mode == "min", kind="stable")
    return ranked.groupby(list(by), sort=False).head(1).reset_index(drop=True)


def best_cells(study: Study) -> pd.DataFrame:
    """`best_settings` of each architecture and freeze, plus how many settings it was chosen from (`settings_done`) of
    how many whose config is known (`settings_known`)."""
    keys = ["arch", "freeze"]
    cells = best_settings(study, keys)
    for column, trials in (("settings_done", usable(study)), ("settings_known", compared(study))):
        counts = trials.groupby(keys)["setting"].nunique().rename(column)
        cells = cells.merge(counts.reset_index(), on=keys, how="left")
    return cells


def best_models(study: Study) -> pd.DataFrame:
    """`best_settings` of each architecture, plus the trial_id, best_epoch and folder of its best seed."""
    models = best_settings(study, ["arch"])
    ranked = usable(study).sort_values(study.metric, ascending=study.mode == "min", kind="stable")
    seeds = ranked.groupby("setting", sort=False).head(1)[["setting", "trial_id", "best_epoch", "folder"]]
    return models.merge(seeds, on="setting", how="left")


def curves(study: Study, column: str) -> pd.DataFrame:
    """One row per setting and epoch at which `column` was measured: setting, arch, freeze, variant, lr, epoch, mean,
    low, high (over the seeds that got there), n, and diverged (whether a seed of the setting diverged).

    Trials that run, failed or diverged are in it as far as they came.
    """
    measured = study.epochs[["trial_id", EPOCH, column]].dropna(subset=[column])
    lines = measured.merge(compared(study)[["trial_id", "state", *_LABELS]], on="trial_id").dropna(subset=["setting"])
    diverged = set(lines.loc[lines["state"] == "diverged", "setting"])
    result = (
        lines.groupby([*_LABELS, EPOCH], sort=False)[column]
        .agg(mean="mean", low="min", high="max", n="count")
        .reset_index()
        .sort_values(["setting", EPOCH], ignore_index=True)
    )
    result["diverged"] = result["setting"].isin(diverged)
    return result


def class_scores(study: Study) -> pd.DataFrame:
    """Test IoU per class of each architecture's best model: arch, freeze, variant, class_name, mean, low, high and n
    over the seeds. A class that does not occur is missing, with n = 0."""
    models = best_models(study)[["setting", "arch", "freeze", "variant"]]
    trials = usable(study)[["trial_id", "setting"]]
    pairs = models.merge(trials, on="setting")
    lines = pairs.merge(study.classes, on="trial_id")
    keys = ["arch", "freeze", "variant", "class_index", "class_name"]
    scores = lines.groupby(keys, sort=False)["iou"].agg(mean="mean", low="min", high="max", n="count")
    return scores.reset_index().drop(columns="class_index")

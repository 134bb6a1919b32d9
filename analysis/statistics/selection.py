"""Tidy frames -> the numbers that are shown: best settings, curves, scores of classes. Pure; fractions in [0, 1].

A setting is chosen by val/mean_iou (the mean over its seeds), never by a test score. One whose seeds are complete comes
before one that still lacks some, and one at which no seed diverged before one at which some did: the mean of the seeds
that are left would flatter it. Only finished trials of the compared stage have scores, and every number says how many
seeds it stands on and how many diverged or failed.

Most tables and figures of a report start from these, so each is worked out once a study: none may write into what it
is given.
"""

from collections.abc import Hashable, Sequence
from functools import lru_cache

import pandas as pd

from analysis.inference.estimates import estimate
from analysis.read import dynamics
from analysis.read.frames import SCORES, Study
from analysis.read.gathering.study_json import COMPARED_STAGE, TUNING_STAGE
from analysis.read.trial_folder import CLASS_NUMBERS, COST_NUMBERS, freeze_label
from analysis.statistics.counted import COUNTED, counted_among
from segtrain.records import EPOCH, FINAL_STATES, IMAGES_PER_S, PEAK_MEMORY_BYTES, TEST_MEAN_IOU, VAL_MEAN_IOU

COSTS = (*COST_NUMBERS, IMAGES_PER_S, PEAK_MEMORY_BYTES, "runtime_s")
MEASURED = (VAL_MEAN_IOU, *SCORES, *dynamics.COLUMNS, *COSTS)
"""The columns of `trials` that `settings` averages over seeds."""

CELL = ["model", "freeze"]
BECAME = ("planned", "diverged", "failed", "unfinished")
_LABELS = ["setting", *CELL, "setting_name", "lr"]


@lru_cache(maxsize=1)
def compared(study: Study) -> pd.DataFrame:
    """The rows of `study.trials` that take part in comparisons."""
    return study.trials[study.trials["stage"] == COMPARED_STAGE]


@lru_cache(maxsize=1)
def usable(study: Study) -> pd.DataFrame:
    """The compared trials that are finished and have both a validation and a test mean IoU."""
    trials = compared(study)
    return trials[(trials["state"] == "finished") & trials[VAL_MEAN_IOU].notna() & trials[TEST_MEAN_IOU].notna()]


@lru_cache(maxsize=2)
def order(study: Study, column: str) -> list[str]:
    """The values of `model` or `freeze` in the order of the study, then any others as they appear."""
    listed = study.axes.get("freeze", []) if column == "freeze" else study.variants or study.axes.get("arch", [])
    values = [freeze_label(str(value)) if column == "freeze" else str(value) for value in listed]
    return list(dict.fromkeys([*values, *compared(study)[column].dropna()]))


def cell_name(study: Study, model: str, freeze: str) -> str:
    """`fcn8s, freeze`; the model alone where the freeze is part of what it is, or the same everywhere."""
    return model if study.variants or len(order(study, "freeze")) == 1 else f"{model}, {freeze}"


@lru_cache(maxsize=1)
def standings(study: Study) -> pd.DataFrame:
    """What became of the compared trials of each setting, by number: `planned` trials; `n` usable ones, `diverged` and
    `failed` ones, `unfinished` ones that may still get a score; `diverged_share`; the mean `validation` of the usable;
    and `tries`: how many settings of its model and freeze, its `cell`, it was chosen among, here or on a seed apart."""
    trials = compared(study)
    counted = trials.dropna(subset=["setting"]).assign(
        usable=trials["trial_id"].isin(usable(study)["trial_id"]),
        diverged=trials["state"] == "diverged",
        failed=trials["state"] == "failed",
        ended=trials["state"].isin((*FINAL_STATES, "pruned")),
        cell=_cell(trials),
    )
    counted["validation"] = counted[VAL_MEAN_IOU].where(counted["usable"])
    found = counted.groupby("setting", sort=False).agg(
        planned=("trial_id", "size"),
        n=("usable", "sum"),
        diverged=("diverged", "sum"),
        failed=("failed", "sum"),
        ended=("ended", "sum"),
        validation=("validation", "mean"),
        cell=("cell", "first"),
    )
    found["unfinished"] = found["planned"] - found["ended"]
    found["diverged_share"] = found["diverged"] / found["planned"]
    tuned = study.trials[study.trials["stage"] == TUNING_STAGE]
    elsewhere = found["cell"].map(tuned.groupby(_cell(tuned))["setting"].nunique()).fillna(0).astype(int)
    found["tries"] = found.groupby("cell")["validation"].transform("size").clip(lower=elsewhere)
    return found.drop(columns=["ended"])


def _cell(trials: pd.DataFrame) -> "pd.Series[str]":
    return trials["model"].fillna("") + ", " + trials["freeze"].fillna("")


@lru_cache(maxsize=1)
def settings(study: Study) -> pd.DataFrame:
    """One row per setting with a usable trial, in study order.

    Columns: setting, model, freeze, setting_name, lr; seeds ("0, 1"); n (usable seeds), planned (trials of the setting,
    whatever their state), diverged, failed and unfinished (of these, as in `standings`); for every column of MEASURED
    its mean, `<column>_low` and `<column>_high` (95 % interval, missing below two seeds), and `<column>_n` (seeds that
    have it); val_counted and test_counted ("12 of 13": the classes that the mean IoUs count, blank for all of them).
    """
    trials = usable(study)
    became: dict[Hashable, dict[str, int]] = {
        int(row["setting"]): {column: row[column] for column in BECAME}
        for row in standings(study).reset_index().to_dict("records")
    }
    rows = []
    for labels, group in trials.groupby(_LABELS, sort=False):
        row = dict(zip(_LABELS, labels, strict=True))
        row |= {"seeds": ", ".join(str(seed) for seed in sorted(group["seed"]))}
        row |= {"n": len(group), **became[row["setting"]]}
        for column in MEASURED:
            found = estimate(group[column].to_numpy(dtype="float64", na_value=float("nan")))
            numbers = {"": found.mean, "_low": found.low, "_high": found.high, "_n": found.n}
            row |= {f"{column}{part}": value for part, value in numbers.items()}
        row |= {column: counted_among(group, metric) for metric, column in COUNTED.items()}
        rows.append(row)
    parts = [f"{column}{part}" for column in MEASURED for part in ("", "_low", "_high", "_n")]
    frame = pd.DataFrame(rows, columns=[*_LABELS, "seeds", "n", *BECAME, *parts, *COUNTED.values()])
    return frame.astype(dict.fromkeys(("setting", "n", *BECAME), "Int64"))


def best_settings(study: Study, by: Sequence[str]) -> pd.DataFrame:
    """The rows of `settings` that rank first in each group, best first; the earlier one wins a tie."""
    return ranked(settings(study)).groupby(list(by), sort=False).head(1).reset_index(drop=True)


def ranked(found: pd.DataFrame) -> pd.DataFrame:
    """Rows of `settings`, of one study or of several, by val/mean_iou, best first. Complete settings come first, and of
    those the ones at which the fewest seeds diverged."""
    keyed = found.assign(waiting=found["unfinished"] > 0, share=found["diverged"] / found["planned"])
    keyed = keyed.sort_values(["waiting", "share", VAL_MEAN_IOU], ascending=[True, True, False], kind="stable")
    return keyed.drop(columns=["waiting", "share"])


@lru_cache(maxsize=1)
def best_cells(study: Study) -> pd.DataFrame:
    """`best_settings` of each model and freeze in study order, plus `name`, and how many settings it was chosen from
    (`settings_done`) of how many whose config is known (`settings_known`)."""
    cells = best_settings(study, CELL)
    for column, trials in (("settings_done", usable(study)), ("settings_known", compared(study))):
        counts = trials.groupby(CELL)["setting"].nunique().rename(column)
        cells = cells.merge(counts.reset_index(), on=CELL, how="left")
    models, freezes = order(study, "model"), order(study, "freeze")
    rank = [
        models.index(m) * len(freezes) + freezes.index(f) for m, f in zip(cells["model"], cells["freeze"], strict=True)
    ]
    cells["name"] = [cell_name(study, m, f) for m, f in zip(cells["model"], cells["freeze"], strict=True)]
    return cells.assign(rank=rank).sort_values("rank", ignore_index=True).drop(columns="rank")


@lru_cache(maxsize=1)
def best_models(study: Study) -> pd.DataFrame:
    """`best_settings` of each model, plus the trial_id, best_epoch and folder of its best seed."""
    models = best_settings(study, ["model"])
    ranked = usable(study).sort_values(VAL_MEAN_IOU, ascending=False, kind="stable")
    seeds = ranked.groupby("setting", sort=False).head(1)[["setting", "trial_id", "best_epoch", "folder"]]
    return models.merge(seeds, on="setting", how="left")


def curves(study: Study, column: str, most: int) -> pd.DataFrame:
    """One row per setting and epoch at which `column` was measured: setting, model, freeze, setting_name, lr, epoch,
    mean, low, high (over the seeds that got there), n, and diverged (whether a seed of the setting diverged).

    A curve ends where the first of its runs ended for good: the mean of those that went on would be another curve.
    Trials that run are in it as far as they came. With more than `most` settings, those of each
    model and freeze that has validated best so far, or has not been validated.
    """
    trials = compared(study)
    if trials["setting"].nunique() > most:
        ranked = trials.groupby([*CELL, "setting"], sort=False)[VAL_MEAN_IOU].mean().reset_index()
        ranked = ranked.sort_values(VAL_MEAN_IOU, ascending=False, kind="stable")
        trials = trials[trials["setting"].isin(ranked.groupby(CELL, sort=False).head(1)["setting"])]
    measured = study.epochs[["trial_id", EPOCH, column]].dropna(subset=[column])
    lines = measured.merge(trials[["trial_id", "state", *_LABELS]], on="trial_id").dropna(subset=["setting"])
    diverged = set(lines.loc[lines["state"] == "diverged", "setting"])
    stopped = lines[lines["state"].isin(("diverged", "failed", "pruned"))]
    ends = stopped.groupby(["setting", "trial_id"])[EPOCH].max().groupby("setting").min()
    lines = lines[lines[EPOCH] <= lines["setting"].map(ends).fillna(lines[EPOCH])]
    result = (
        lines.groupby([*_LABELS, EPOCH], sort=False)[column]
        .agg(mean="mean", low="min", high="max", n="count")
        .reset_index()
        .sort_values(["setting", EPOCH], ignore_index=True)
    )
    result["diverged"] = result["setting"].isin(diverged)
    return result


def class_scores(study: Study, column: str = "iou") -> pd.DataFrame:
    """A test score per class of each model's best setting: model, freeze, setting_name, class_name, mean, low, high
    (95 % interval) and n over the seeds. A class that does not occur is missing, with n = 0. `column` is of
    CLASS_NUMBERS."""
    assert column in CLASS_NUMBERS
    models = best_models(study)[["setting", "model", "freeze", "setting_name"]]
    pairs = models.merge(usable(study)[["trial_id", "setting"]], on="setting")
    lines = pairs.merge(study.classes[["trial_id", "class_index", "class_name", column]], on="trial_id")
    keys = ["model", "freeze", "setting_name", "class_index", "class_name"]
    rows = []
    for labels, group in lines.groupby(keys, sort=False):
        found = estimate(group[column].to_numpy())
        numbers = {"mean": found.mean, "low": found.low, "high": found.high, "n": found.n}
        rows.append(dict(zip(keys, labels, strict=True)) | numbers)
    return pd.DataFrame(rows, columns=[*keys, "mean", "low", "high", "n"]).drop(columns="class_index")

"""The trials that a claim compares -> differences per seed, and the same differences over resampled test images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from analysis.read.arrays import read_array
from analysis.read.frames import Study
from analysis.statistics import estimates
from analysis.statistics.estimates import Counts, Floats
from analysis.statistics.selection import compared, usable
from segtrain import records
from segtrain.records import RecordError

TUNED = ("lr", "weight_decay", "batch_size")
"""Axes that are no part of a comparison: each side takes the values that validate best for it."""
RESAMPLES = 4000
_SEED = 20150608  # of the resampling: the same report from the same folders

Term = tuple[int, Mapping[str, Any]]
"""(sign, what selects its trials)."""


@dataclass(frozen=True)
class Differences:
    """`by_seed` (n,): left minus right of each of `seeds`, averaged over the cells. `by_cell`: (name, mean over these
    seeds). `models`: (weight, trial id) whose weighted sum of scores is the mean of `by_seed`. `missing` says what is
    absent, or nothing."""

    seeds: list[int]
    by_seed: Floats
    by_cell: list[tuple[str, float]]
    models: list[tuple[float, str]]
    missing: str


def terms(left: Mapping[str, Any], right: Mapping[str, Any], gain: Mapping[str, Any] | None) -> list[Term]:
    """`left - right`, or with a gain `(left to - left from) - (right to - right from)`."""
    if gain is None:
        return [(1, left), (-1, right)]
    after, before = {gain["field"]: gain["to"]}, {gain["field"]: gain["from"]}
    return [(1, {**left, **after}), (-1, {**left, **before}), (-1, {**right, **after}), (1, {**right, **before})]


def differences(study: Study, contrast: Sequence[Term], metric: str) -> Differences:
    """The signed sum of `metric` over the terms, paired by seed within every cell that has all of them."""
    named = {field for _, selector in contrast for field in selector}
    # A variant sets fields of its own, which its trials have by being that variant.
    axes = [axis for axis, values in study.axes.items() if len(values) > 1 and axis not in (*named, *TUNED, "seed")]
    fields = [*axes, *(["variant"] if study.variants and "variant" not in named else [])]
    known, done = _with_fields(study, compared(study)), _with_fields(study, usable(study))
    cells = product(*(dict.fromkeys(config.get(field) for config in known.values()) for field in fields))
    planned, parts = 0, {}
    for cell in cells:
        where = dict(zip(fields, cell, strict=True))
        if not all(_select(known, {**where, **selector}) for _, selector in contrast):
            continue
        planned += 1
        sides = [_best_validated(study, _select(done, {**where, **selector}), metric) for _, selector in contrast]
        if shared := sorted(set.intersection(*(set(side) for side in sides))):
            parts[", ".join(str(value) for value in cell)] = (shared, sides)
    if not planned:
        return Differences([], np.array([]), [], [], "the study has no trials to compare: a side selects none")
    seeds = sorted(set.intersection(*(set(shared) for shared, _ in parts.values()))) if parts else []
    signs = [sign for sign, _ in contrast]
    tables = {
        name: np.array([[sign * side[seed][1] for sign, side in zip(signs, sides, strict=True)] for seed in seeds])
        for name, (_, sides) in parts.items()
    }
    if not seeds:
        reason = (
            f"no seed has finished in every cell with a {metric}" if parts else f"no pair has finished with a {metric}"
        )
        return Differences([], np.array([]), [], [], reason)
    by_cell = {name: table.sum(1) for name, table in tables.items()}
    weight = 1 / (len(seeds) * len(parts))
    models = [
        (sign * weight, side[seed][0])
        for _, sides in parts.values()
        for sign, side in zip(signs, sides, strict=True)
        for seed in seeds
    ]
    return Differences(
        seeds,
        np.mean(list(by_cell.values()), axis=0),
        [(name, float(values.mean())) for name, values in by_cell.items()],
        models,
        _missing(study, len(parts), planned, seeds),
    )


def _with_fields(study: Study, trials: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Trial id -> its config and its variant."""
    pairs = zip(trials["trial_id"], trials["variant"], strict=True)
    return {
        trial_id: {**study.configs[trial_id], "variant": None if pd.isna(variant) else variant}
        for trial_id, variant in pairs
        if trial_id in study.configs
    }


def _select(trials: Mapping[str, Mapping[str, Any]], where: Mapping[str, Any]) -> list[str]:
    return [
        trial_id
        for trial_id, config in trials.items()
        if all(config.get(name) == value for name, value in where.items())
    ]


def _best_validated(study: Study, trial_ids: Sequence[str], metric: str) -> dict[int, tuple[str, float]]:
    """Seed -> (trial id, score) of the setting that validates best in the mean of its seeds."""
    trials = study.trials[study.trials["trial_id"].isin(trial_ids)]
    if trials.empty:
        return {}
    best = trials.groupby("setting", sort=False)[records.VAL_MEAN_IOU].mean().idxmax()
    chosen = trials[(trials["setting"] == best) & trials[metric].notna()]
    return {
        int(seed): (trial_id, float(score))
        for seed, trial_id, score in zip(chosen["seed"], chosen["trial_id"], chosen[metric], strict=True)
    }


def _missing(study: Study, cells: int, planned: int, seeds: Sequence[int]) -> str:
    known = set(compared(study)["seed"].dropna())
    lacks = [f"{cells} of {planned} cells"] if cells < planned else []
    lacks += [f"{len(seeds)} of {len(known)} seeds"] if len(seeds) < len(known) else []
    return f"only {' and '.join(lacks)}" if lacks else ""


class TestImages:
    """The resampled mean IoU of trials, drawn once for each and from the same images for all."""

    __test__ = False  # not a pytest class

    def __init__(self, study: Study) -> None:
        self.study = study
        self.count = 0
        self._truth: Counts | None = None
        self._weights = np.zeros((0, 0))
        self._draws: dict[str, Floats | str] = {}

    def draws(self, found: Differences) -> tuple[Floats | None, str]:
        """(RESAMPLES,) resampled effects; or None and why there are none."""
        total = np.zeros(RESAMPLES)
        for weight, trial_id in found.models:
            if trial_id not in self._draws:
                self._draws[trial_id] = self._resample(trial_id)
            drawn = self._draws[trial_id]
            if isinstance(drawn, str):
                return None, drawn
            total += weight * drawn
        return total, ""

    def _resample(self, trial_id: str) -> Floats | str:
        path = records.trial_dir(self.study.out, trial_id) / records.IMAGE_CONFUSION_FILE
        try:
            counts = read_array(path, "confusion")
        except RecordError:
            return f"no test over images: {trial_id} has no readable {records.IMAGE_CONFUSION_FILE}"
        if counts.ndim != 3 or counts.shape[1] != counts.shape[2] or not len(counts):
            return f"no test over images: the {records.IMAGE_CONFUSION_FILE} of {trial_id} holds no matrix per image"
        truth = counts.sum(2)
        if self._truth is None:
            self._truth, self.count = truth, len(counts)
            self._weights = estimates.image_weights(len(counts), RESAMPLES, np.random.default_rng(_SEED))
        # Equal pixels per class in every image: the same images in the same order.
        if not np.array_equal(truth, self._truth):
            return f"no test over images: {trial_id} was tested on other images than the rest"
        return estimates.resampled_mean_iou(counts, self._weights)

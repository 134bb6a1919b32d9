"""The trials that a claim compares -> the settings it weighs, their scores over seeds, what became of each side."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from analysis.inference import tuning
from analysis.inference.estimates import Floats
from analysis.inference.tuning import TUNED
from analysis.read.frames import Study
from analysis.statistics import selection
from analysis.statistics.selection import compared, usable
from segtrain.records import VAL_MEAN_IOU

Term = tuple[int, Mapping[str, Any]]
"""(sign, what selects its trials)."""


@dataclass(frozen=True)
class Side:
    """What became of the trials of a side's chosen settings: seeds that finished in every one of them, trials that
    diverged, trials that failed; and of how many settings each was the best, at most."""

    seeds: int = 0
    diverged: int = 0
    failed: int = 0
    tries: int = 0


NO_TRIALS = Side()


@dataclass(frozen=True)
class Differences:
    """`by_seed` (n,): left minus right of each of `seeds`, averaged over the cells. `by_cell`: (name, mean over these
    seeds). `models`: (weight, trial id) whose weighted sum of scores is the mean of `by_seed`. `weights`: the contrast,
    by setting. `missing` says what is absent, or nothing."""

    seeds: list[int]
    by_seed: Floats
    by_cell: list[tuple[str, float]]
    models: list[tuple[float, str]]
    missing: str
    weights: dict[int, float] = field(default_factory=dict)
    left: Side = NO_TRIALS
    right: Side = NO_TRIALS


def terms(left: Mapping[str, Any], right: Mapping[str, Any] | None, gain: Mapping[str, Any] | None) -> list[Term]:
    """`left - right`, or with a gain `(left to - left from) - (right to - right from)`; `left` where it is alone."""
    if right is None:
        return [(1, left)]
    if gain is None:
        return [(1, left), (-1, right)]
    after, before = {gain["field"]: gain["to"]}, {gain["field"]: gain["from"]}
    return [(1, {**left, **after}), (-1, {**left, **before}), (-1, {**right, **after}), (1, {**right, **before})]


def differences(study: Study, contrast: Sequence[Term], values: Mapping[str, float], metric: str) -> Differences:
    """The signed sum of the trials' `values` of `metric` over the terms, paired by seed within every cell that has all
    of them. The first half of the terms is the left side; a term alone is both."""
    named = {name for _, selector in contrast for name in selector}
    # A variant sets fields of its own, which its trials have by being that variant.
    axes = [axis for axis, found in study.axes.items() if len(found) > 1 and axis not in (*named, *TUNED, "seed")]
    fields = [*axes, *(["variant"] if study.variants and "variant" not in named else [])]
    known = _with_fields(study, compared(study))
    planned, parts = 0, {}
    among: dict[int, int] = {}  # setting -> how many a side that it stands for selects in its cell
    for cell in product(*(dict.fromkeys(config.get(name) for config in known.values()) for name in fields)):
        where = dict(zip(fields, cell, strict=True))
        chosen = [_select(known, {**where, **selector}) for _, selector in contrast]
        if not all(chosen):
            continue
        planned += 1
        settings = [_best_validated(study, trials) for trials in chosen]
        parts[", ".join(str(value) for value in cell)] = settings
        for setting, trials in zip(settings, chosen, strict=True):
            if setting is not None:
                among[setting] = max(among.get(setting, 0), _count_settings(study, trials))
    if not planned:
        return Differences([], np.array([]), [], [], "the study has no trials to compare: a side selects none")
    scores = {name: [_scores(study, setting, values) for setting in settings] for name, settings in parts.items()}
    left, right = (_side(study, parts.values(), contrast, half, among) for half in (0, 1))
    shared = {name: sorted(set.intersection(*map(set, found))) for name, found in scores.items()}
    paired = {name: seeds for name, seeds in shared.items() if seeds}
    seeds = sorted(set.intersection(*map(set, paired.values()))) if paired else []
    if not seeds:
        reason = "no seed has finished in every cell" if paired else "no pair has finished"
        return Differences([], np.array([]), [], [], f"{reason} with a {metric}", {}, left, right)
    signs = [sign for sign, _ in contrast]
    signed = {name: list(zip(signs, scores[name], strict=True)) for name in paired}
    by_cell = {
        name: np.array([sum(sign * side[seed][1] for sign, side in sides) for seed in seeds])
        for name, sides in signed.items()
    }
    weight = 1 / len(paired)
    models: list[tuple[float, str]] = []
    weights: dict[int, float] = {}
    for name, sides in signed.items():
        for (sign, side), setting in zip(sides, parts[name], strict=True):
            assert setting is not None
            models += [(sign * weight / len(seeds), side[seed][0]) for seed in seeds]
            weights[setting] = weights.get(setting, 0.0) + sign * weight
    return Differences(
        seeds,
        np.mean(list(by_cell.values()), axis=0),
        [(name, float(found.mean())) for name, found in by_cell.items()],
        models,
        _missing(study, len(paired), planned, seeds),
        weights,
        left,
        right,
    )


def scores_of(study: Study, settings: Sequence[int], seeds: Sequence[int], values: Mapping[str, float]) -> Floats:
    """(settings, seeds) scores, NaN where a trial has none."""
    table = np.full((len(settings), len(seeds)), np.nan)
    for row, setting in enumerate(settings):
        found = _scores(study, setting, values)
        for column, seed in enumerate(seeds):
            if seed in found:
                table[row, column] = found[seed][1]
    return table


def flattered(study: Study, found: Differences, values: Mapping[str, float]) -> float:
    """By how much the choice of settings moves the effect, where they were chosen by validation on the very seeds that
    they are compared on; NaN where there was no choice, or a score is missing."""
    standings = selection.standings(study)
    trials = usable(study)
    validation = dict(zip(trials["trial_id"], trials[VAL_MEAN_IOU], strict=True))
    moved = []
    for setting, weight in found.weights.items():
        rivals = list(standings.index[standings["cell"] == standings.at[setting, "cell"]])
        if len(rivals) > 1:
            tables = (scores_of(study, rivals, found.seeds, scores) for scores in (validation, values))
            moved.append(weight * tuning.flattery(*tables))
    return sum(moved) if moved else float("nan")


def winners(study: Study) -> list[int]:
    """The setting that validates best among those that differ in TUNED axes alone, of each recipe compared."""
    recipes: dict[str, list[str]] = {}
    for trial_id, config in _with_fields(study, compared(study)).items():
        science = {name: value for name, value in config.items() if name not in (*TUNED, "seed", "parent")}
        recipes.setdefault(json.dumps(science, sort_keys=True), []).append(trial_id)
    found = (_best_validated(study, trial_ids) for trial_ids in recipes.values())
    return [setting for setting in found if setting is not None]


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


def _best_validated(study: Study, trial_ids: Sequence[str]) -> int | None:
    """The setting to compare with, among those of these trials; None where none has finished."""
    standings = selection.standings(study)
    settings = study.trials.loc[study.trials["trial_id"].isin(trial_ids), "setting"].dropna().unique()
    found = standings.loc[[setting for setting in settings if setting in standings.index]]
    validation, diverged = (found[name].to_numpy(dtype=np.float64) for name in ("validation", "diverged_share"))
    index = tuning.choose(validation, diverged, found["unfinished"].to_numpy() > 0)
    return None if index is None else int(found.index[index])


def _scores(study: Study, setting: int | None, values: Mapping[str, float]) -> dict[int, tuple[str, float]]:
    """Seed -> (trial id, value) of a setting's usable trials."""
    trials = usable(study)
    chosen = trials[trials["setting"] == setting] if setting is not None else trials.iloc[:0]
    return {
        int(seed): (trial_id, values[trial_id])
        for seed, trial_id in zip(chosen["seed"], chosen["trial_id"], strict=True)
        if trial_id in values
    }


def _count_settings(study: Study, trial_ids: Sequence[str]) -> int:
    return int(study.trials.loc[study.trials["trial_id"].isin(trial_ids), "setting"].nunique())


def _side(
    study: Study,
    cells: Iterable[Sequence[int | None]],
    contrast: Sequence[Term],
    half: int,
    among: Mapping[int, int],
) -> Side:
    standings = selection.standings(study)
    middle = len(contrast) // 2
    part = slice(half * middle, (half + 1) * middle) if middle else slice(None)
    chosen = {setting for cell in cells for setting in cell[part]} - {None}
    if not chosen:
        return NO_TRIALS
    found = standings.loc[standings.index.isin(chosen)]
    return Side(
        seeds=int(found["n"].min()),
        diverged=int(found["diverged"].sum()),
        failed=int(found["failed"].sum()),
        # Of its model and freeze, on a seed apart too; or, where a side leaves those open, of all that it selects.
        tries=max(int(found["tries"].max()), *(among[setting] for setting in chosen if setting is not None)),
    )


def _missing(study: Study, cells: int, planned: int, seeds: Sequence[int]) -> str:
    known = set(compared(study)["seed"].dropna())
    lacks = [f"{cells} of {planned} cells"] if cells < planned else []
    lacks += [f"{len(seeds)} of {len(known)} seeds"] if len(seeds) < len(known) else []
    return f"only {' and '.join(lacks)}" if lacks else ""

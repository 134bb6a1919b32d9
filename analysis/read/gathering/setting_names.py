"""What tells the settings of a study apart, in words. A study gathers the trials of its commands, and these may differ
in more than its axes: in the number of epochs of a recipe that was changed, say. Then that is an axis too, and neither
a name nor a comparison mixes the two."""

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.read.gathering.study_json import COMPARED_STAGE, TUNING_STAGE, Row
from analysis.read.trial_folder import Trial

_NOT_AN_AXIS = ("seed", "parent")  # seeds are averaged over, and parents follow from what is asked
_NAMED = ("arch", "freeze", "lr", "seed")  # elsewhere: the model, the freeze; or first


def gather_axes(declared: Mapping[str, Sequence[Any]], trials: Sequence[Trial]) -> dict[str, list[Any]]:
    """The axes that the last command declared, each with the further values that trials have, and every other field
    that differs among the trials. What differs between variants alone is part of them, and no axis."""
    groups: dict[str, list[Row]] = {}
    for trial in trials:
        if trial.config and trial.row["stage"] in (COMPARED_STAGE, TUNING_STAGE):
            groups.setdefault(trial.row["variant"] or "", []).append(trial.config)
    axes = {name: list(values) for name, values in declared.items()}
    for name in dict.fromkeys(name for configs in groups.values() for config in configs for name in config):
        # A field that a config lacks is younger than the config, and no other value of it.
        found = [dict.fromkeys(c[name] for c in configs if name in c) for configs in groups.values()]
        if name in _NOT_AN_AXIS or not (name in axes or any(len(values) > 1 for values in found)):
            continue
        axes[name] = list(dict.fromkeys([*axes.get(name, []), *(value for values in found for value in values)]))
    return axes


def name_settings(
    trials: Sequence[Trial], axes: Mapping[str, Sequence[Any]], numbers: Mapping[str, int]
) -> dict[str, str]:
    """Trial id -> `lr 0.001, epochs 5`: what tells the settings (`numbers`, by trial id) of one model and freeze
    apart. Those that differ in how their parent was trained have its hash behind that."""
    further = [axis for axis, values in axes.items() if len(values) > 1 and axis not in _NAMED]
    names = {trial.row["trial_id"]: _name(trial.config, further) for trial in trials if trial.config}
    alike: dict[tuple[Any, ...], dict[int, Trial]] = {}
    for trial in trials:
        if trial.config:
            trial_id, cell = trial.row["trial_id"], (trial.row["variant"], trial.config["arch"], trial.config["freeze"])
            alike.setdefault((*cell, trial.row["stage"], names[trial_id]), {}).setdefault(numbers[trial_id], trial)
    apart = {
        number: str(trial.config["parent"]).rpartition("-")[2]
        for settings in alike.values()
        for number, trial in settings.items()
        if len(settings) > 1 and trial.config.get("parent")
    }
    return {
        trial_id: f"{name}, parent {apart[numbers[trial_id]]}" if numbers[trial_id] in apart else name
        for trial_id, name in names.items()
    }


def _name(config: Row, further: Sequence[str]) -> str:
    values = {name: config.get(name) for name in ("lr", *further)}
    return ", ".join(f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items())

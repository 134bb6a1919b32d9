"""What a search asks: which fields of the trials of a study are searched, and how much may be spent. Standard library
only."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from segtrain.config import ConfigError, TrialConfig
from segtrain.fields import shown
from segtrain.records import FREEZE_LABELS
from sweeps.engine.ask.stage_graph import FROM
from sweeps.engine.ask.study import MOST_TRIALS, Study

Pruner = Literal["halving", "hyperband", "median", "none"]


@dataclass(frozen=True)
class LogUniform:
    """Numbers between `low` and `high`, equally likely in every decade."""

    low: float
    high: float

    def at(self, share: float) -> float:
        """The number with `share` in [0, 1) of all numbers below it."""
        return float(self.low * (self.high / self.low) ** share)


@dataclass(frozen=True)
class Choice:
    values: tuple[int, ...]

    def at(self, share: float) -> int:
        return self.values[int(share * len(self.values))]


Range: TypeAlias = LogUniform | Choice


@dataclass(frozen=True)
class Cell:
    """One point of the study, which is searched by itself; `parent` is the trial that its trials start from."""

    name: str
    config: TrialConfig
    parent: TrialConfig | None


@dataclass(frozen=True, kw_only=True)
class Search:
    """For every point of `study`, the fields `searched` are searched in their `space` with `trials` trials, by the best
    validation mean IoU of each. The learning rates of `tries` come first. Raises ConfigError on what cannot be
    searched."""

    study: Study
    space: Mapping[str, Range]
    tries: tuple[float, ...]
    trials: int
    searched: tuple[str, ...] = ("lr",)
    seed: int = 0
    pruner: Pruner = "halving"

    def __post_init__(self) -> None:
        assert not any(FROM in edit for edit in self.study.variants.values()), "cells are searched by themselves"
        for name in self.searched:
            if name in self.study.axes:
                raise ConfigError(
                    f"{name} is searched, so it cannot be an axis; give it one value and do not search it"
                )
        if not 1 <= self.trials <= MOST_TRIALS:
            raise ConfigError(f"--trials is {shown(self.trials)}; allowed: an integer from 1 to {MOST_TRIALS}")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"--sampler-seed is {shown(self.seed)}; allowed: an integer in [0, 2^32)")
        rates = self.space["lr"]
        assert isinstance(rates, LogUniform), "learning rates are searched by their order of magnitude"
        for value in self.tries:
            if not rates.low <= value <= rates.high:
                raise ConfigError(f"--try is {value:g}; allowed: learning rates from {rates.low:g} to {rates.high:g}")

    def edit(self, settings: Mapping[str, Sequence[Any]], pretrain: Sequence[str] = (), **changes: Any) -> "Search":
        """The search with fields of its trials set, as `Study.edit`, and with `changes` of its own."""
        edited = dataclasses.replace(self, **changes)
        for name in settings:
            if name in edited.searched:
                raise ConfigError(f"{name} cannot be set, since it is searched; rates to try first go with --try")
        return dataclasses.replace(edited, study=self.study.edit(settings, pretrain))

    def cells(self) -> list[Cell]:
        """The points of the study, in its order."""
        trials = self.study.expand()
        configs = {trial.trial_id: trial.config for trial in trials}
        points = [trial.config for trial in trials if trial.stage == "trial"]
        return [Cell(self._name(config), config, configs.get(config.parent or "")) for config in points]

    def _name(self, config: TrialConfig) -> str:
        values = config.to_dict()
        further = [f"{name}{values[name]}" for name in self.study.axes if name not in ("arch", "freeze", "seed")]
        return "-".join(
            [config.arch, FREEZE_LABELS[config.freeze], *further, *([f"s{config.seed}"] * (config.seed > 0))]
        )

    def describe(self) -> dict[str, Any]:
        """What decides the sequence of trials; a search can only be gone on with when it is the same."""
        return {
            "space": {name: dataclasses.asdict(self.space[name]) for name in self.searched},
            "seed": self.seed,
            "pruner": self.pruner,
        }

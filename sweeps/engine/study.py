"""A study is a question: a base recipe, the axes it varies, and what is expected. Standard library only."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from segtrain import records
from segtrain.config import ConfigError, TrialConfig, check_field, parse_value

Stage = Literal["pretrain", "trial"]
NAMED_AXES = ("arch", "freeze", "lr", "seed")  # a run's name carries these; any further axis is appended to it

PARENT_FIELDS = ("init", "parent", "width_mult")  # what trials of one parent share


@dataclass(frozen=True)
class Trial:
    """One point of a study. `parent` in its config is the id of the trial it must wait for."""

    config: TrialConfig
    run_name: str
    stage: Stage

    @property
    def trial_id(self) -> str:
        return self.config.trial_id


@dataclass(frozen=True, kw_only=True)
class Study:
    """`base` edited by every combination of the `axes`. Raises ConfigError, when it is made, on an axis that is no
    field of TrialConfig and on a value or combination that no trial can have.

    `pretrain`, where given, is an edit of `base` that makes one more trial; it runs once, and all others start
    from its best weights. `metric` on the validation split, `mode` "max" or "min", says which model is best.
    """

    name: str
    title: str
    base: TrialConfig
    axes: Mapping[str, Sequence[Any]]
    pretrain: Mapping[str, Any] | None = None
    metric: str = records.VAL_MEAN_IOU
    mode: Literal["max", "min"] = "max"
    claims: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, values in self.axes.items():
            check_field(name)
            if not values:
                raise ConfigError(f"axis {name!r} has no values; give it at least one, or leave it out")
        clashing = [name for name in self.axes if name in PARENT_FIELDS]
        if self.pretrain is not None and clashing:
            raise ConfigError(
                f"{', '.join(clashing)} cannot be an axis of a study that pretrains: all its trials start from one "
                "parent; give it a single value, or drop the pretraining with --set init=scratch"
            )
        self.expand()

    def expand(self) -> list[Trial]:
        """Every trial, the pretraining first, then the axes' product in order; equal points appear once."""
        trials: dict[str, Trial] = {}
        start: dict[str, Any] = {}
        if self.pretrain is not None:
            parent = self.base.edit(**self.pretrain)
            start = {"init": "parent", "parent": parent.trial_id}
            trials[parent.trial_id] = Trial(parent, f"pretrain-{parent.run_name}", "pretrain")
        for values in itertools.product(*self.axes.values()):
            point = dict(zip(self.axes, values, strict=True))
            config = self.base.edit(**start, **point)
            extra = "".join(f"-{name}{value}" for name, value in point.items() if name not in NAMED_AXES)
            trials.setdefault(config.trial_id, Trial(config, config.run_name + extra, "trial"))
        return list(trials.values())

    def edit(self, settings: Mapping[str, Sequence[Any]]) -> "Study":
        """The study with fields set: an axis gets the values, several values make an axis, one value edits the base.
        Setting `init` says where encoders come from, so it drops the pretraining."""
        axes, base = dict(self.axes), {}
        for name, values in settings.items():
            if name in axes or len(values) != 1:
                axes[name] = tuple(values)
            else:
                base[name] = values[0]
        pretrain = None if "init" in settings else self.pretrain
        return dataclasses.replace(self, base=self.base.edit(**base), axes=axes, pretrain=pretrain)

    def describe(self, trials: Sequence[Trial], command: str) -> dict[str, Any]:
        """The content of study.json."""
        return {
            "name": self.name,
            "title": self.title,
            "metric": self.metric,
            "mode": self.mode,
            "axes": {name: list(values) for name, values in self.axes.items()},
            "claims": list(self.claims),
            "command": command,
            "trials": [
                {
                    "trial_id": t.trial_id,
                    "run": t.run_name,
                    "stage": t.stage,
                    "parent": t.config.parent,
                    "config": t.config.to_dict(),
                }
                for t in trials
            ],
        }


def parse_settings(texts: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """`["lr=1e-3,1e-4", "epochs=5"]` -> `{"lr": (0.001, 0.0001), "epochs": (5,)}`. Raises ConfigError."""
    settings: dict[str, tuple[Any, ...]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals or not values:
            raise ConfigError(f"--set {text!r} is not FIELD=VALUE or FIELD=VALUE,VALUE; for example --set epochs=5")
        settings[name] = tuple(parse_value(name, value) for value in values.split(","))
    return settings

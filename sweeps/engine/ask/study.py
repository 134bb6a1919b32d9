"""A study is a question: a base recipe, what it varies, and what is expected. Standard library only."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from segtrain import records
from segtrain.config import ConfigError, TrialConfig, check_field, parse_value
from sweeps.engine.ask.published import PublishedTable

Stage = Literal["pretrain", "tune", "trial"]
"""Only those of stage `trial` are compared: the first give weights, and the second say which settings to compare."""

NAMED_AXES = ("arch", "freeze", "lr", "seed")  # a run's name carries these; any further axis is appended to it

MOST_TRIALS = 200_000  # what is planned in about a minute
PARENT_FIELDS = ("init", "parent")  # the study says these itself where it pretrains
ENCODER_FIELDS = ("arch", "width_mult")  # a parent has those of its children, or its encoder would not fit


@dataclass(frozen=True)
class Trial:
    """One point of a study. `parent` in its config is the id of the trial it must wait for."""

    config: TrialConfig
    run_name: str
    stage: Stage
    variant: str | None = None

    @property
    def trial_id(self) -> str:
        return self.config.trial_id

    def at_seed(self, seed: int) -> "Trial":
        name = self.run_name
        if seed != self.config.seed:
            name = name.removesuffix(f"-s{self.config.seed}") + f"-s{seed}"
        return dataclasses.replace(self, config=self.config.edit(seed=seed), run_name=name)


@dataclass(frozen=True)
class Claim:
    """What a study expects: `metric` is greater on the `left` than on the `right`, or, with a `margin`, differs by
    less than that.

    A side names trials by fields of their config, or by {"variant": name}. With `gain`, a field and two of its
    values, a side's score is what it gains from the first value to the second. `source` says who claims it, and
    `published` what was measured there, left and right.
    """

    text: str
    left: Mapping[str, Any]
    right: Mapping[str, Any]
    source: str
    metric: str = records.TEST_MEAN_IOU
    margin: float | None = None
    gain: tuple[str, Any, Any] | None = None
    published: tuple[float, float] | None = None

    def describe(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "kind": "greater" if self.margin is None else "equivalent",
            "left": dict(self.left),
            "right": dict(self.right),
            "metric": self.metric,
            "margin": self.margin,
            "gain": self.gain and dict(zip(("field", "from", "to"), self.gain, strict=True)),
            "source": self.source,
            "published": self.published and dict(zip(("left", "right"), self.published, strict=True)),
        }


@dataclass(frozen=True, kw_only=True)
class Study:
    """`base` edited by every one of the `variants`, which are named edits, and every combination of the `axes`. Raises
    ConfigError, when it is made, on a field that TrialConfig lacks and on a value or combination that no trial can
    have.

    `pretrain`, where given, is an edit of `base` that makes one more trial. It runs once, and the others start from its
    best weights, except for variants that set another `init`. `found`, by (arch, freeze), are edits that a search came
    to.
    """

    name: str
    title: str
    base: TrialConfig
    axes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pretrain: Mapping[str, Any] | None = None
    claims: tuple[Claim, ...] = ()
    found: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    published: PublishedTable | None = None

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
        points = max(1, len(self.variants)) * math.prod(map(len, self.axes.values()))
        if points > MOST_TRIALS:
            raise ConfigError(f"the study has {points} trials; allowed: up to {MOST_TRIALS}; give fewer values")
        for variant, edit in self.variants.items():
            for name in edit:
                if name in self.axes:
                    raise ConfigError(f"{name} is set by variant {variant!r} of this study, so it cannot be an axis")
        self.expand()

    def expand(self) -> list[Trial]:
        """Every trial, a parent before its first child, else variants and the axes' product in order; equal points
        appear once."""
        return list(self._trials)

    @functools.cached_property
    def _trials(self) -> tuple[Trial, ...]:
        trials: dict[str, Trial] = {}
        named: list[tuple[str | None, Mapping[str, Any]]] = [*self.variants.items()]
        for variant, edit in named or [(None, {})]:
            for values in itertools.product(*self.axes.values()):
                axes = dict(zip(self.axes, values, strict=True))
                point = {**axes, **edit}
                if self.found:
                    point |= self._found_at(point)
                if self.pretrain is not None and point.get("init", "parent") == "parent":
                    shared = {name: point[name] for name in ENCODER_FIELDS if name in point}
                    parent = self.base.edit(**{**shared, **self.pretrain})
                    trials.setdefault(parent.trial_id, Trial(parent, f"pretrain-{parent.run_name}", "pretrain"))
                    point |= {"init": "parent", "parent": parent.trial_id}
                config = self.base.edit(**point)
                trials.setdefault(config.trial_id, Trial(config, _run_name(variant, config, axes), "trial", variant))
        return tuple(trials.values())

    def edit(self, settings: Mapping[str, Sequence[Any]]) -> "Study":
        """The study with fields set: an axis gets the values, several values make an axis, one value edits the base.
        Setting `init` says where encoders come from, so it drops the pretraining. Raises ConfigError on a field that
        the variants set: without its difference a variant would be another."""
        for variant, edit in self.variants.items():
            for name in settings:
                if name in edit:
                    raise ConfigError(
                        f"{name} cannot be set: variant {variant!r} of this study is defined by {name}={edit[name]}; "
                        "leave it out, or edit the study file"
                    )
        axes, base = dict(self.axes), {}
        for name, values in settings.items():
            if name in axes or len(values) != 1:
                axes[name] = tuple(values)
            else:
                base[name] = values[0]
        pretrain = None if "init" in settings else self.pretrain
        return dataclasses.replace(self, base=self.base.edit(**base), axes=axes, pretrain=pretrain)

    def renaming_datasets(self, names: Mapping[str, str]) -> "Study":
        """The study with other names for datasets, wherever it has them."""

        def renamed(edit: Mapping[str, Any]) -> dict[str, Any]:
            return {name: names.get(value, value) if name == "dataset" else value for name, value in edit.items()}

        return dataclasses.replace(
            self,
            base=self.base.edit(**renamed({"dataset": self.base.dataset})),
            axes={n: [names.get(v, v) for v in vs] if n == "dataset" else vs for n, vs in self.axes.items()},
            variants={variant: renamed(edit) for variant, edit in self.variants.items()},
            pretrain=None if self.pretrain is None else renamed(self.pretrain),
            claims=tuple(
                dataclasses.replace(claim, left=renamed(claim.left), right=renamed(claim.right))
                for claim in self.claims
            ),
        )

    def at_found(self, found: Mapping[tuple[str, str], Mapping[str, Any]], but_not: Mapping[str, Any]) -> "Study":
        """The study at the values that a search has found, instead of its own values of those fields. Raises
        ConfigError where the search has none for a trial, and on a searched field that is in `but_not` as well."""
        names = {name for edit in found.values() for name in edit}
        taken = {name: f"variant {variant!r} of this study" for variant, edit in self.variants.items() for name in edit}
        taken |= dict.fromkeys(but_not, "--set")
        for name in sorted(names & set(taken)):
            raise ConfigError(f"{name} comes from the search, and {taken[name]} sets it too; leave one of them out")
        axes = {name: values for name, values in self.axes.items() if name not in names}
        return dataclasses.replace(self, axes=axes, found=found)

    def _found_at(self, point: Mapping[str, Any]) -> Mapping[str, Any]:
        arch, freeze = point.get("arch", self.base.arch), point.get("freeze", self.base.freeze)
        if (arch, freeze) not in self.found:
            have = ", ".join(f"{arch} with freeze={freeze}" for arch, freeze in self.found)
            raise ConfigError(
                f"the search has found nothing for {arch} with freeze={freeze}; it has {have}: search that one too, or "
                "leave it out with --set"
            )
        return self.found[arch, freeze]

    def describe(self, trials: Sequence[Trial], command: str) -> dict[str, Any]:
        """The content of study.json."""
        return {
            "name": self.name,
            "title": self.title,
            "axes": {name: list(values) for name, values in self.axes.items()},
            "variants": {name: dict(edit) for name, edit in self.variants.items()},
            "claims": [claim.describe() for claim in self.claims],
            "published": None if self.published is None else dataclasses.asdict(self.published),
            "command": command,
            "trials": [
                {
                    "trial_id": t.trial_id,
                    "run": t.run_name,
                    "stage": t.stage,
                    "variant": t.variant,
                    "parent": t.config.parent,
                    "config": t.config.to_dict(),
                }
                for t in trials
            ],
        }


def _run_name(variant: str | None, config: TrialConfig, axes: Mapping[str, Any]) -> str:
    if variant is None:
        return config.run_name + "".join(f"-{k}{v}" for k, v in axes.items() if k not in NAMED_AXES)
    seed = f"-s{config.seed}" if config.seed else ""
    return variant + "".join(f"-{k}{v}" for k, v in axes.items() if k != "seed") + seed


def parse_settings(texts: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """`["lr=1e-3,1e-4", "epochs=5"]` -> `{"lr": (0.001, 0.0001), "epochs": (5,)}`. Raises ConfigError."""
    settings: dict[str, tuple[Any, ...]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals or not values:
            raise ConfigError(f"--set {text!r} is not FIELD=VALUE or FIELD=VALUE,VALUE; for example --set epochs=5")
        settings[name] = tuple(parse_value(name, value) for value in values.split(","))
    return settings

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
from sweeps.engine.ask.stage_graph import FROM, PARENT_FIELDS, Edit, check_stages, describe_stages

Stage = Literal["pretrain", "tune", "trial"]
"""Only those of stage `trial` are compared: the first give weights, and the second say which settings to compare."""

NAMED_AXES = ("arch", "freeze", "lr", "seed")  # a run's name carries these; any further axis is appended to it

MOST_TRIALS = 200_000  # what is planned in about a minute
ENCODER_FIELDS = ("arch", "width_mult")  # a parent has those of its children, or its encoder would not fit


@dataclass(frozen=True)
class Trial:
    """One point of a study. `parent` in its config is the id of the trial it must wait for, which is `start` where it
    is a trial of the study as well."""

    config: TrialConfig
    run_name: str
    stage: Stage
    variant: str | None = None
    start: "Trial | None" = None

    @property
    def trial_id(self) -> str:
        return self.config.trial_id

    @property
    def ancestors(self) -> "list[Trial]":
        """The trials of the study that must have finished before, the first one first."""
        return [] if self.start is None else [*self.start.ancestors, self.start]

    def at_seed(self, seed: int) -> "Trial":
        """What it starts from is at that seed too; but a pretraining is one for all seeds."""
        name, start, parent = self.run_name, self.start, self.config.parent
        if seed != self.config.seed:
            name = name.removesuffix(f"-s{self.config.seed}") + f"-s{seed}"
        if start is not None and start.stage != "pretrain":
            start = start.at_seed(seed)
            parent = start.trial_id
        return dataclasses.replace(self, config=self.config.edit(seed=seed, parent=parent), run_name=name, start=start)


@dataclass(frozen=True)
class Claim:
    """What a study expects: `metric` is greater on the `left` than on the `right`, or, with a `margin`, differs by
    less than that.

    A side names trials by fields of their config, or by {"variant": name}. With `gain`, a field and two of its
    values, a side's score is what it gains from the first value to the second. Without a `right` the metric is a
    difference of two, such as "iou[pet] - iou[border]", and above 0 on the `left`. `source` says who claims it, and
    `published` what was measured there, left and right.
    """

    text: str
    left: Mapping[str, Any]
    right: Mapping[str, Any] | None
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
            "right": None if self.right is None else dict(self.right),
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

    `pretrain`, where given, is an edit of `base` that makes one more trial, which trains all layers. It runs once, and
    the others start from its best weights, except for variants that set another `init`. Several edits make several
    such trials in a row, each from the one before.

    A variant may say `from`, the name of another variant: each of its trials starts from that variant's trial at the
    same values of the axes, the seed among them. `take` says what it takes: the encoder, or every layer that fits.

    `found`, by (arch, freeze), are edits that a search came to.
    """

    name: str
    title: str
    base: TrialConfig
    axes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    variants: Mapping[str, Edit] = field(default_factory=dict)
    pretrain: Edit | Sequence[Edit] | None = None
    claims: tuple[Claim, ...] = ()
    found: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    published: PublishedTable | None = None

    def __post_init__(self) -> None:
        for name, values in self.axes.items():
            check_field(name)
            if not values:
                raise ConfigError(f"axis {name!r} has no values; give it at least one, or leave it out")
        check_stages(self.variants)
        clashing = ", ".join(name for name in self.axes if name in PARENT_FIELDS)
        if clashing and self.pretrain is not None:
            raise ConfigError(
                f"{clashing} cannot be an axis of a study that pretrains: all its trials start from one "
                "parent; give it a single value, or drop the pretraining with --set init=scratch"
            )
        if clashing and any(FROM in edit for edit in self.variants.values()):
            raise ConfigError(
                f"{clashing} cannot be an axis of a study whose variants start from each other; give it a single value"
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
        for variant in self.variants or (None,):
            for values in itertools.product(*self.axes.values()):
                self._add_point(trials, variant, dict(zip(self.axes, values, strict=True)))
        return tuple(trials.values())

    def _add_point(self, trials: dict[str, Trial], variant: str | None, axes: Mapping[str, Any]) -> Trial:
        """Adds the trial of a variant at values of the axes, behind those that it starts from."""
        edit = {} if variant is None else {**self.variants[variant]}
        before = edit.pop(FROM, None)
        point = {**axes, **edit}
        if self.found:
            point |= self._found_at(point)
        start = None
        if before is not None:
            start = self._add_point(trials, before, axes)
        elif point.get("init", "parent") == "parent":
            start = self._add_pretraining(trials, {name: point[name] for name in ENCODER_FIELDS if name in point})
        if start is not None:
            point |= {"init": "parent", "parent": start.trial_id}
        elif "take" not in edit:
            point.pop("take", None)  # an axis, which is none for what starts from nothing
        config = self.base.edit(**point)
        return _enter(trials, Trial(config, _run_name(variant, config, axes), "trial", variant, start))

    def _add_pretraining(self, trials: dict[str, Trial], encoder: Mapping[str, Any]) -> Trial | None:
        """Adds the pretrainings of an encoder; the last one."""
        trial = None
        for edit in self.pretrainings:
            before: Edit = {} if trial is None else {"init": "parent", "parent": trial.trial_id}
            config = self.base.edit(**{"freeze": "none", **encoder, **edit, **before})
            data = f"{config.dataset}-" if len(self.pretrainings) > 1 else ""
            trial = _enter(trials, Trial(config, f"pretrain-{data}{config.run_name}", "pretrain", None, trial))
        return trial

    @property
    def pretrainings(self) -> tuple[Edit, ...]:
        if self.pretrain is None:
            return ()
        return (self.pretrain,) if isinstance(self.pretrain, Mapping) else tuple(self.pretrain)

    def edit(self, settings: Mapping[str, Sequence[Any]], pretrain: Sequence[str] = ()) -> "Study":
        """The study with fields set: an axis gets the values, several values make an axis, one value edits the base.
        Setting `init` says where encoders come from, so it drops the pretraining; datasets in `pretrain` make others.
        Raises ConfigError on a field that the variants set: without its difference a variant would be another."""
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
        kept = None if "init" in settings else self.pretrain
        pretrainings = [{"dataset": name} for name in pretrain] or kept
        return dataclasses.replace(self, base=self.base.edit(**base), axes=axes, pretrain=pretrainings)

    def renaming_datasets(self, names: Mapping[str, str]) -> "Study":
        """The study with other names for datasets, wherever it has them."""

        def renamed(edit: Mapping[str, Any]) -> dict[str, Any]:
            return {name: names.get(value, value) if name == "dataset" else value for name, value in edit.items()}

        return dataclasses.replace(
            self,
            base=self.base.edit(**renamed({"dataset": self.base.dataset})),
            axes={n: [names.get(v, v) for v in vs] if n == "dataset" else vs for n, vs in self.axes.items()},
            variants={variant: renamed(edit) for variant, edit in self.variants.items()},
            pretrain=None if self.pretrain is None else [renamed(edit) for edit in self.pretrainings],
            claims=tuple(
                dataclasses.replace(
                    claim, left=renamed(claim.left), right=None if claim.right is None else renamed(claim.right)
                )
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
            "stages": describe_stages(self.variants, self.pretrainings),
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


def _enter(trials: dict[str, Trial], trial: Trial) -> Trial:
    """The trial, or the equal one that is there already. Raises ConfigError on one that is not to be asked for."""
    if trial.trial_id not in trials:
        trial.config.check_asked()
    return trials.setdefault(trial.trial_id, trial)


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

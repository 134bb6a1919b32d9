"""The recipe of one trial: everything that changes its numbers, and nothing that does not. Standard library only."""

import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from segtrain.architectures import FOREIGN_ARCHS, Arch, library_of, slug
from segtrain.bounds import BOUNDS
from segtrain.errors import UserError
from segtrain.fields import MOST_NUMBER, did_you_mean, shown
from segtrain.mismatches import find_mismatch
from segtrain.own_code import is_own_name
from segtrain.recipe import Schedule, find_wrong_name
from segtrain.records import FREEZE_LABELS

Dataset = Literal[
    "roads", "camvid", "pets", "cityscapes", "scenes", "scenes_source", "animals", "streets",
    "voc", "voc2012", "objects", "objects_source",
    "nyud", "nyud_depth", "nyud_rgbd", "nyud_hha", "nyud_rgb_hha",
    "rooms", "rooms_depth", "rooms_rgbd", "rooms_hha", "rooms_rgb_hha",
    "siftflow", "siftflow_semantic", "siftflow_geometric",
    "outdoors", "outdoors_semantic", "outdoors_geometric",
]  # fmt: skip
"""The datasets that come with the program; TrialConfig.dataset may also be of the form of one of OWN_DATASETS."""
OWN_DATASETS = ("PATH/dataset.toml", "package.module:NAME")
OWN_PREFIX = "own:"
"""Of the name of a dataset.toml, which stands for its path once a command has read it: segtrain/data/by_name.py."""
OWN_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_OWN_DATASET = re.compile(rf"[^\0]*\.toml|{OWN_PREFIX}{OWN_NAME}|(?!{OWN_PREFIX})[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
Init = Literal["imagenet", "scratch", "parent", "pretrained", "coco"]
PUBLISHED: tuple[Init, ...] = ("imagenet", "pretrained", "coco")
"""Those that take weights which others have published."""
Take = Literal["encoder", "all"]
Reduction = Literal["mean", "sum"]
Upsampling = Literal["learned_between", "fixed", "learned"]
WeightInit = Literal["library", "paper"]
FrozenNorm = Literal["still", "collecting"]
Freeze = Literal["none", "encoder", "all_but_score"]
Gate = Literal["strided", "upsampled"]
Resolution = Literal["resized", "restored", "own"]
"""`resized`: images and masks are brought to image_height x image_width, and scored so. `restored`: images are, and
predictions are brought back to the size of the file before they are scored. `own`: neither is; a network is trained on
crops of image_height x image_width, and evaluated on whole files."""
EvalMode = Literal["slide", "whole"]
Fusion = Literal["early", "late"]
Precision = Literal["auto", "float32", "bfloat16"]


class ConfigError(UserError):
    """A field or a value that no trial can have; the message says what is allowed."""


@dataclass(frozen=True, kw_only=True)
class TrialConfig:
    """One trial. Raises ConfigError on a value outside what is allowed.

    Resources, paths and worker counts are absent on purpose: a trial is a function of this config and the data.
    """

    arch: str  # an Arch, or of the form of one of FOREIGN_ARCHS
    dataset: str  # a Dataset, or own data
    image_height: int = 192
    image_width: int = 256
    width_mult: float = 1.0  # scales every channel count of the encoder and of the head; 1 is the paper's network
    gate: Gate = "strided"  # where an attention U-Net's gating signal comes from: see models/unet.py
    init: Init = "imagenet"  # where the encoder's weights come from
    parent: str | None = None  # id of the trial that gives the weights, exactly when init is "parent"
    freeze: Freeze = "none"
    epochs: int = 30
    batch_size: int = 16
    lr: float = 1e-3
    lr_gamma: float = 0.98  # the learning rate is multiplied by this after every epoch
    weight_decay: float = 0.01
    flip: bool = True  # random horizontal flips of the training images
    val_every: int = 2  # epochs between validations; the last epoch is always validated
    test_every: int = 0  # epochs between drawn-only test evaluations; 0: the test set is seen once, at the end
    precision: Precision = "auto"
    seed: int = 0
    loss: str = "cross_entropy"  # what training makes small: see training/objective/losses.py
    class_weights: str = "none"  # of the loss: none, inverse or median frequency in the training split, or numbers
    label_smoothing: float = 0.0
    optimizer: str = "adamw"  # with amsgrad; or sgd, or package.module:function
    momentum: float = 0.9  # of sgd
    nesterov: bool = False  # of sgd
    encoder_lr_factor: float = 1.0  # the encoder learns at this many times the learning rate
    schedule: Schedule = "exponential"  # of the learning rate over the epochs: see training/objective/optimizer.py
    poly_power: float = 0.9
    warmup_epochs: int = 0  # in which the learning rate rises to `lr`
    clip_norm: float = 0.0  # the norm that gradients are scaled down to; 0: as they are
    accumulate: int = 1  # batches whose gradients make one step
    ema_decay: float = 0.0  # of the average of the weights that is validated and kept in their place; 0: none
    random_scale: float = 1.0  # training images are scaled by up to this, or down to one by this; 1: they are not
    random_rotation: float = 0.0  # degrees, to either side
    vertical_flip: bool = False  # random, as `flip` is
    color_jitter: float = 0.0  # of brightness, contrast and saturation; a quarter of it of the hue
    resolution: Resolution = "resized"  # of the images, and of the masks that are scored against
    eval_mode: EvalMode = "slide"  # with resolution=own, as the next two: through windows, or whole
    eval_flip: bool = False  # the mean of what an image and its mirror image give
    eval_scales: str = "1"  # the mean over images of these sizes, such as 0.75:1:1.25
    take: Take = "encoder"  # of the parent: its encoder, or every layer that fits by name and shape
    reduction: Reduction = "mean"  # of the cross-entropy over the pixels of a batch
    bias_lr_factor: float = 1.0  # biases learn at this many times the rate of the weights beside them
    bias_decay: bool = True  # whether weight_decay is of biases too
    upsampling: Upsampling = "learned_between"  # of FCN-32s to 8s, which start bilinear: see models/fcn.py
    skip_scale: float = 1.0  # of FCN-16s and 8s: pool4 is scored at this scale, pool3 at its square
    weight_init: WeightInit = "library"  # how SegFormer's weights are drawn: see models/segformer.py
    frozen_norm: FrozenNorm = "still"  # what frozen layers do in training: see models/__init__.py
    fusion: Fusion = "early"  # of images of several kinds of channels: in one network, or in one each: "late"

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = _coerce(field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        for name, (holds, allowed) in BOUNDS.items():
            if not holds(getattr(self, name)):
                raise _value_error(name, getattr(self, name), allowed)
        for name in ("loss", "class_weights", "optimizer", "eval_scales"):
            if (wrong := find_wrong_name(name, getattr(self, name))) is not None:
                raise ConfigError(wrong)
        if (mismatch := find_mismatch(self)) is not None:
            raise ConfigError(mismatch)

    def check_asked(self) -> None:
        """Raises ConfigError on what folders of earlier versions may hold, and no trial is to be asked for: an encoder
        that is frozen as it was drawn. One of the user's own may have been trained where it comes from."""
        if self.freeze == "encoder" and self.init == "scratch" and self.arch not in self.own_code:
            raise ConfigError(
                "freeze is 'encoder' and init is 'scratch'; that would train a decoder on random features: set "
                "freeze=none or init=imagenet, or train the encoder first: --pretrain DATASET for a study, init=parent "
                "for one trial"
            )

    @functools.cached_property
    def trial_id(self) -> str:
        """`fcn8s-roads-freeze-lr0.001-s0-3f9a2c1b`: a readable slug and a hash of every field that is not at its
        default. A field added later at a default that keeps the old behaviour leaves old ids alone."""
        edits = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }
        digest = hashlib.sha256(json.dumps(edits, sort_keys=True).encode()).hexdigest()[:8]
        data = _dataset_slug(self.dataset)
        return f"{slug(self.arch)}-{data}-{FREEZE_LABELS[self.freeze]}-lr{self.lr:g}-s{self.seed}-{digest}"

    @property
    def own_code(self) -> list[str]:
        """The names of the user's own functions that the trial uses."""
        own = [self.arch] if library_of(self.arch) == "own" else []
        return own + [name for name in (self.loss, self.optimizer) if is_own_name(name)]

    @property
    def augmented(self) -> bool:
        """Whether a training image is seen in more ways than whole, as it is and flipped."""
        return self.resolution == "own" or (
            self.random_scale,
            self.random_rotation,
            self.vertical_flip,
            self.color_jitter,
        ) != (1, 0, False, 0)

    @property
    def run_name(self) -> str:
        """`fcn8s-unfreeze-lr0.001`, with `-s1` behind it for every seed but the first."""
        name = f"{slug(self.arch)}-{FREEZE_LABELS[self.freeze]}-lr{self.lr:g}"
        return name if self.seed == 0 else f"{name}-s{self.seed}"

    def to_dict(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrialConfig":
        """The inverse of `to_dict`; absent fields take their defaults. Raises ConfigError on unknown or missing."""
        for name in values:
            check_field(name)
        missing = [f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING and f.name not in values]
        if missing:
            raise ConfigError(f"the config lacks {', '.join(missing)}; give a value to each")
        return cls(**values)

    def edit(self, **changes: Any) -> "TrialConfig":
        for name in changes:
            check_field(name)
        return dataclasses.replace(self, **changes)


_HINTS = get_type_hints(TrialConfig)
_CHOICES = {name: get_args(kind) for name, kind in _HINTS.items() if get_origin(kind) is Literal}


def _dataset_slug(dataset: str) -> str:
    """Fit for the name of a folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", dataset.removeprefix(OWN_PREFIX))[-64:]


def check_field(name: str) -> None:
    """Raises ConfigError when TrialConfig has no such field, naming the near matches."""
    if name not in _HINTS:
        raise ConfigError(f"{shown(name)} is not a field of a trial; {did_you_mean(name, list(_HINTS))}")


def parse_value(name: str, text: str) -> Any:
    """The value of field `name` written as on a command line. Raises ConfigError on an unknown field or a bad value."""
    check_field(name)
    kind = _HINTS[name]
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        if kind is int:
            return int(text)
        if kind is float:
            return float(text)
    except (ValueError, KeyError):
        raise _value_error(name, text, _allowed(kind)) from None
    return _coerce(name, text)


def _coerce(name: str, value: Any) -> Any:
    """`value` as the type that the field declares; an int is a fine float, nothing else is converted."""
    kind = _HINTS[name]
    if name == "arch" and not (isinstance(value, str) and (value in get_args(Arch) or library_of(value))):
        got = value[:100] if isinstance(value, str) else shown(value)
        near = did_you_mean(got, [*get_args(Arch), *FOREIGN_ARCHS.values()])
        raise ConfigError(f"arch is {shown(value)}; {near}")
    if name == "dataset" and value not in get_args(Dataset):
        if not (isinstance(value, str) and _OWN_DATASET.fullmatch(value)):
            got = value[:100] if isinstance(value, str) else shown(value)
            raise ConfigError(f"dataset is {shown(value)}; {did_you_mean(got, [*get_args(Dataset), *OWN_DATASETS])}")
        return value
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            got = value[:100] if isinstance(value, str) else shown(value)
            near = did_you_mean(got, list(_CHOICES[name]))
            raise ConfigError(f"{name} is {shown(value)}; {near}")
        return value
    if kind is float and type(value) is int and abs(value) <= MOST_NUMBER:
        return float(value)
    if not (type(value) is kind or (kind == str | None and (value is None or isinstance(value, str)))):
        raise _value_error(name, value, _allowed(kind))
    return value


def _value_error(name: str, value: Any, allowed: str) -> ConfigError:
    return ConfigError(f"{name} is {shown(value)}; allowed: {allowed}")


def _allowed(kind: Any) -> str:
    names = {int: "an integer", float: "a number", bool: "true or false"}
    return names.get(kind, "text")

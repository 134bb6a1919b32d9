"""The recipe: what it accepts, what it says about the rest, and the id that everything on disk hangs on."""

import dataclasses
import json
import math
import re
from typing import Any, get_args

import pytest

from segtrain import config as config_module
from segtrain.architectures import FOREIGN_ARCHS, SCALABLE, Arch
from segtrain.config import ConfigError, Dataset, Freeze, Init, TrialConfig, check_field, parse_value
from segtrain.data import DATASETS
from segtrain.models import MODELS
from segtrain.records import FREEZE_LABELS

ARCHS = ", ".join([*get_args(Arch), *FOREIGN_ARCHS.values()])
DATASET_NAMES, INITS = ", ".join(get_args(Dataset)), ", ".join(get_args(Init))
LOSS_NAMES = (
    "cross_entropy, focal, dice, lovasz, ohem_cross_entropy, a sum of these, each once, such as cross_entropy+dice, "
    "package.module:function"
)
WEIGHTS = "none, inverse, median, numbers up to 1e+06, one for each class, such as 1:2.5:0.5"
SCALES = "up to 8 different numbers from 0.1 to 4, such as 0.75:1:1.25"
FIELDS = [field.name for field in dataclasses.fields(TrialConfig)]
# A value other than the base's for every field; `parent` and `init` have to go together.
EDITS: dict[str, dict[str, Any]] = {
    "arch": {"arch": "fcn32s"},
    "dataset": {"dataset": "camvid"},
    "image_height": {"image_height": 224},
    "image_width": {"image_width": 224},
    "width_mult": {"width_mult": 0.5, "init": "scratch"},
    "gate": {"gate": "upsampled", "arch": "unet_attention_residual", "init": "scratch"},
    "init": {"init": "scratch"},
    "parent": {"parent": "fcn8s-scenes-freeze-lr0.001-s0-00000000", "init": "parent"},
    "freeze": {"freeze": "encoder"},
    "epochs": {"epochs": 31},
    "batch_size": {"batch_size": 8},
    "lr": {"lr": 1e-4},
    "lr_gamma": {"lr_gamma": 0.9},
    "weight_decay": {"weight_decay": 0.0},
    "flip": {"flip": False},
    "val_every": {"val_every": 1},
    "test_every": {"test_every": 2},
    "precision": {"precision": "float32"},
    "seed": {"seed": 1},
    "loss": {"loss": "cross_entropy+dice"},
    "class_weights": {"class_weights": "median"},
    "label_smoothing": {"label_smoothing": 0.1},
    "optimizer": {"optimizer": "sgd"},
    "momentum": {"momentum": 0.5, "optimizer": "sgd"},
    "nesterov": {"nesterov": True, "optimizer": "sgd"},
    "encoder_lr_factor": {"encoder_lr_factor": 0.1},
    "schedule": {"schedule": "cosine"},
    "poly_power": {"poly_power": 2.0, "schedule": "poly"},
    "warmup_epochs": {"warmup_epochs": 3},
    "clip_norm": {"clip_norm": 1.0},
    "accumulate": {"accumulate": 4},
    "ema_decay": {"ema_decay": 0.999},
    "random_scale": {"random_scale": 2.0},
    "random_rotation": {"random_rotation": 10.0},
    "vertical_flip": {"vertical_flip": True},
    "color_jitter": {"color_jitter": 0.4},
    "resolution": {"resolution": "restored"},
    "eval_mode": {"eval_mode": "whole", "resolution": "own"},
    "eval_flip": {"eval_flip": True, "resolution": "own"},
    "eval_scales": {"eval_scales": "0.75:1", "resolution": "own"},
    "take": {"take": "all", "init": "parent", "parent": "a"},
    "reduction": {"reduction": "sum"},
    "bias_lr_factor": {"bias_lr_factor": 2.0},
    "bias_decay": {"bias_decay": False},
    "upsampling": {"upsampling": "fixed"},
    "skip_scale": {"skip_scale": 0.01},
    "weight_init": {"weight_init": "paper", "arch": "segformer_b0", "init": "scratch"},
    "frozen_norm": {"frozen_norm": "collecting", "freeze": "encoder"},
    "fusion": {"fusion": "late"},
}


def base(**edits: Any) -> TrialConfig:
    return TrialConfig(**{"arch": "fcn8s", "dataset": "roads", **edits})


def says(sentence: str) -> str:
    """A pattern for pytest.raises that holds the whole sentence."""
    return f"^{re.escape(sentence)}$"


def test_every_name_in_the_literals_has_its_object() -> None:
    assert tuple(MODELS) == get_args(Arch)
    assert tuple(DATASETS) == get_args(Dataset)
    assert tuple(FREEZE_LABELS) == get_args(Freeze)
    assert all(DATASETS[name].name == name for name in DATASETS)


def test_an_encoder_that_is_frozen_as_it_was_drawn_can_be_read_but_not_asked_for() -> None:
    config = base(init="scratch", freeze="encoder")
    with pytest.raises(ConfigError, match=says(
        "freeze is 'encoder' and init is 'scratch'; that would train a decoder on random features: set freeze=none or "
        "init=imagenet, or train the encoder first: --pretrain DATASET for a study, init=parent for one trial"
    )):  # fmt: skip
        config.check_asked()
    for allowed in ({"freeze": "none"}, {"init": "imagenet"}, {"init": "parent", "parent": "a"}):
        config.edit(**allowed).check_asked()
    # A function of the user's own may give weights that were trained.
    config.edit(arch="mine:build").check_asked()


@pytest.mark.parametrize("field", FIELDS)
def test_json_both_ways(field: str) -> None:
    config = base(**EDITS[field])
    assert TrialConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_absent_fields_take_their_defaults() -> None:
    assert TrialConfig.from_dict({"arch": "fcn8s", "dataset": "roads"}) == base()


def test_integers_are_fine_numbers() -> None:
    config = base(lr=1, weight_decay=0, width_mult=1)
    assert (type(config.lr), type(config.weight_decay), type(config.width_mult)) == (float, float, float)
    assert config.trial_id == base(lr=1.0, weight_decay=0.0).trial_id


def test_a_config_does_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        base().lr = 1.0  # type: ignore[misc]


def test_the_trial_id_is_a_slug_and_a_hash() -> None:
    """Written out, because folders that exist carry these very names."""
    assert base().trial_id == "fcn8s-roads-unfreeze-lr0.001-s0-53560ea5"
    config = base(arch="fcn32s", dataset="camvid", freeze="encoder", lr=1e-4, seed=7, epochs=3)
    assert config.trial_id == "fcn32s-camvid-freeze-lr0.0001-s7-58082d53"


def test_every_field_changes_the_trial_id() -> None:
    assert list(EDITS) == FIELDS, "a new field needs an edit here"
    ids = {base().trial_id} | {base(**edit).trial_id for edit in EDITS.values()}
    assert len(ids) == 1 + len(FIELDS)


def test_the_parent_is_in_the_trial_id() -> None:
    assert base(init="parent", parent="a").trial_id != base(init="parent", parent="b").trial_id


def test_the_order_of_the_keys_does_not_change_the_trial_id() -> None:
    values = base(**EDITS["lr"], **EDITS["seed"]).to_dict()
    assert TrialConfig.from_dict(dict(reversed(values.items()))).trial_id == TrialConfig.from_dict(values).trial_id


def test_a_field_added_later_leaves_old_trial_ids_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Later(TrialConfig):
        later: float = 0.0

    monkeypatch.setitem(config_module._HINTS, "later", float)
    assert Later(arch="fcn8s", dataset="roads").trial_id == base().trial_id
    assert Later(arch="fcn8s", dataset="roads", later=0.1).trial_id != base().trial_id


def test_run_names() -> None:
    assert base().run_name == "fcn8s-unfreeze-lr0.001"
    assert base(freeze="encoder", lr=1e-5, seed=2).run_name == "fcn8s-freeze-lr1e-05-s2"
    assert base(freeze="all_but_score").run_name == "fcn8s-score_only-lr0.001"


def test_edit_leaves_the_original_alone() -> None:
    config = base()
    assert config.edit(lr=0.1, seed=3) == base(lr=0.1, seed=3)
    assert config == base()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"arch": "fcn8"}, f"arch is 'fcn8'; did you mean fcn8s or fcn32s or fcn16s? allowed: {ARCHS}"),
        ({"arch": "deeplab"}, f"arch is 'deeplab'; allowed: {ARCHS}"),
        ({"arch": ["fcn8s"]}, f"arch is ['fcn8s']; did you mean fcn8s or fcn32s or fcn16s? allowed: {ARCHS}"),
        (
            {"dataset": "road"},
            f"dataset is 'road'; did you mean roads? allowed: {DATASET_NAMES}, PATH/dataset.toml, package.module:NAME",
        ),
        ({"init": "scratsh"}, f"init is 'scratsh'; did you mean scratch? allowed: {INITS}"),
        ({"freeze": True}, "freeze is True; allowed: none, encoder, all_but_score"),
        ({"precision": "float16"}, "precision is 'float16'; did you mean bfloat16 or float32? "
                                   "allowed: auto, float32, bfloat16"),
        ({"image_height": 31}, "image_height is 31; allowed: an integer from 32 to 16384"),
        ({"image_width": 0}, "image_width is 0; allowed: an integer from 32 to 16384"),
        ({"image_width": 64.0}, "image_width is 64.0; allowed: an integer"),
        ({"width_mult": 0.0}, "width_mult is 0.0; allowed: a number from 0.001 to 4"),
        ({"width_mult": 4.5}, "width_mult is 4.5; allowed: a number from 0.001 to 4"),
        ({"epochs": 0}, "epochs is 0; allowed: an integer from 1 to 1000000"),
        ({"batch_size": 0}, "batch_size is 0; allowed: an integer from 1 to 1000000"),
        ({"batch_size": "16"}, "batch_size is '16'; allowed: an integer"),
        ({"lr": 0}, "lr is 0.0; allowed: a number from 1e-30 to 1e+30"),
        ({"lr": math.inf}, "lr is inf; allowed: a number from 1e-30 to 1e+30"),
        ({"lr": math.nan}, "lr is nan; allowed: a number from 1e-30 to 1e+30"),
        ({"lr": 1e-320}, "lr is 1e-320; allowed: a number from 1e-30 to 1e+30"),
        ({"lr": 10**400}, f"lr is 1{'0' * 78}…; allowed: a number"),
        ({"epochs": 10**19}, f"epochs is {10**19}; allowed: an integer from 1 to 1000000"),
        ({"init": "parent", "parent": "../x"}, "parent is '../x'; allowed: the id of a trial"),
        ({"init": "parent", "parent": "a\x1b[2J"}, "parent is 'a\\x1b[2J'; allowed: the id of a trial"),
        ({"lr": "0.1"}, "lr is '0.1'; allowed: a number"),
        ({"lr": True}, "lr is True; allowed: a number"),
        ({"lr_gamma": 1.5}, "lr_gamma is 1.5; allowed: a number from 1e-30 to 1"),
        ({"lr_gamma": 0}, "lr_gamma is 0.0; allowed: a number from 1e-30 to 1"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1; allowed: a number from 0 to 1e+30"),
        ({"weight_decay": math.inf}, "weight_decay is inf; allowed: a number from 0 to 1e+30"),
        ({"flip": 1}, "flip is 1; allowed: true or false"),
        ({"val_every": 0}, "val_every is 0; allowed: an integer from 1 to 1000000"),
        ({"test_every": -1}, "test_every is -1; allowed: an integer from 0 to 1000000"),
        ({"seed": -1}, "seed is -1; allowed: an integer in [0, 2^32)"),
        ({"seed": 2**32}, "seed is 4294967296; allowed: an integer in [0, 2^32)"),
        ({"seed": True}, "seed is True; allowed: an integer"),
        ({"seed": None}, "seed is None; allowed: an integer"),
        ({"init": "parent", "parent": 3}, "parent is 3; allowed: text"),
        (
            {"init": "parent"},
            "init is 'parent' and parent is None; a parent trial's id goes with init='parent' and with nothing else",
        ),
        (
            {"init": "scratch", "parent": "x"},
            "init is 'scratch' and parent is 'x'; a parent trial's id goes with init='parent' and with nothing else",
        ),
        (
            {"width_mult": 0.25},
            "init is 'imagenet' and width_mult is 0.25; those weights fit width_mult=1 only: "
            "set width_mult=1, or init=scratch",
        ),
        (
            {"take": "all"},
            "take is 'all' and init is 'imagenet'; it says what is taken of a parent trial: set init=parent, or leave "
            "take out",
        ),
        (
            {"init": "scratch", "freeze": "all_but_score"},
            "freeze is 'all_but_score' and init is 'scratch'; that would train one layer on random features: "
            "set init=imagenet or init=parent, or freeze=none",
        ),
        (
            {"arch": "segformer_b0", "freeze": "all_but_score"},
            "freeze is 'all_but_score' and arch is 'segformer_b0', whose decoder has no ImageNet weights; that would "
            "train one layer on random features: set freeze=encoder, or init=parent",
        ),
        (
            {"arch": "fcn_resnet50", "init": "scratch", "width_mult": 0.5},
            "width_mult is 0.5 and arch is 'fcn_resnet50', whose size is fixed; set width_mult=1, or one of the "
            f"architectures that it scales: {', '.join(SCALABLE)}",
        ),
        (
            {"arch": "unet"},
            "init is 'imagenet' and arch is 'unet', which has no ImageNet weights; set init=scratch",
        ),
        (
            {"upsampling": "fixed", "arch": "fcn_resnet50"},
            "upsampling is 'fixed' and arch is 'fcn_resnet50'; it is of fcn32s, fcn16s, fcn8s: set one of these, or "
            "leave upsampling out",
        ),
        (
            {"skip_scale": 0.01, "arch": "fcn32s"},
            "skip_scale is 0.01 and arch is 'fcn32s'; it is of fcn16s, fcn8s: set one of these, or leave skip_scale "
            "out",
        ),
        (
            {"reduction": "sum", "loss": "dice"},
            "reduction is 'sum' and loss is 'dice' with class_weights=none and label_smoothing=0; only the plain "
            "cross_entropy is summed: leave them out, or set reduction=mean",
        ),
        (
            {"init": "coco"},
            "init is 'coco' and arch is 'fcn8s'; those weights are of fcn_resnet50: set it, or init=pretrained for a "
            "model of torchvision",
        ),
        (
            {"weight_init": "paper", "arch": "segformer_b0"},
            "weight_init is 'paper', arch is 'segformer_b0' and init is 'imagenet'; it is of SegFormer with "
            "init=scratch: set both, or leave weight_init out",
        ),
        (
            {"frozen_norm": "collecting"},
            "frozen_norm is 'collecting' and freeze is 'none', so nothing is frozen; set freeze, or leave frozen_norm "
            "out",
        ),
        ({"skip_scale": 0}, "skip_scale is 0.0; allowed: a number from 1e-06 to 1000000"),
        ({"bias_lr_factor": 0}, "bias_lr_factor is 0.0; allowed: a number from 1e-30 to 1000000"),
        (
            {"gate": "upsampled"},
            "gate is 'upsampled' and arch is 'fcn8s', which has no attention gates; leave gate out, or set "
            "arch=unet_attention_residual",
        ),
        ({"loss": "dise"}, f"loss is 'dise'; did you mean dice? allowed: {LOSS_NAMES}"),
        ({"loss": "dice+dice"}, f"loss is 'dice+dice'; did you mean dice? allowed: {LOSS_NAMES}"),
        ({"loss": "mine:f+dice"}, f"loss is 'mine:f+dice'; did you mean dice? allowed: {LOSS_NAMES}"),
        ({"class_weights": "1:x"}, f"class_weights is '1:x'; allowed: {WEIGHTS}"),
        ({"class_weights": "0:0"}, f"class_weights is '0:0'; allowed: {WEIGHTS}"),
        ({"class_weights": "1:2000000"}, f"class_weights is '1:2000000'; allowed: {WEIGHTS}"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0; allowed: a number from 0 to less than 1"),
        ({"label_smoothing": math.nan}, "label_smoothing is nan; allowed: a number from 0 to less than 1"),
        ({"optimizer": "adam"}, "optimizer is 'adam'; did you mean adamw? allowed: adamw, sgd, "
                                "package.module:function"),
        ({"momentum": 1, "optimizer": "sgd"}, "momentum is 1.0; allowed: a number from 0 to less than 1"),
        ({"encoder_lr_factor": 0}, "encoder_lr_factor is 0.0; allowed: a number from 1e-30 to 1000000"),
        ({"schedule": "linear"}, "schedule is 'linear'; did you mean cosine? "
                                 "allowed: exponential, poly, cosine, constant"),
        ({"poly_power": 0, "schedule": "poly"}, "poly_power is 0.0; allowed: a number above 0, up to 10"),
        ({"warmup_epochs": -1}, "warmup_epochs is -1; allowed: an integer from 0 to 1000000"),
        ({"clip_norm": math.inf}, "clip_norm is inf; allowed: a number from 0 to 1e+30"),
        ({"accumulate": 0}, "accumulate is 0; allowed: an integer from 1 to 10000"),
        ({"ema_decay": 1}, "ema_decay is 1.0; allowed: a number from 0 to less than 1"),
        ({"random_scale": 0.5}, "random_scale is 0.5; allowed: a number from 1 to 10"),
        ({"random_rotation": 181}, "random_rotation is 181.0; allowed: degrees, from 0 to 180"),
        ({"color_jitter": math.nan}, "color_jitter is nan; allowed: a number from 0 to 1"),
        ({"resolution": "file"}, "resolution is 'file'; allowed: resized, restored, own"),
        ({"eval_scales": "1:0.05", "resolution": "own"}, f"eval_scales is '1:0.05'; allowed: {SCALES}"),
        ({"eval_scales": "1:1.0", "resolution": "own"}, f"eval_scales is '1:1.0'; allowed: {SCALES}"),
        ({"eval_scales": "1,2", "resolution": "own"}, f"eval_scales is '1,2'; allowed: {SCALES}"),
        ({"eval_flip": True}, "eval_flip is true and resolution is 'resized'; eval_flip is of resolution=own: set it, "
                              "or leave eval_flip out"),
        ({"eval_mode": "whole", "resolution": "restored"},
         "eval_mode is whole and resolution is 'restored'; eval_mode is of resolution=own: set it, or leave eval_mode "
         "out"),
        ({"loss": "focal+dice", "label_smoothing": 0.1},
         "label_smoothing is 0.1 and loss is 'focal+dice', which has no use for it; set label_smoothing=0, or a loss "
         "with cross_entropy or ohem_cross_entropy"),
        ({"loss": "dice", "class_weights": "inverse"},
         "class_weights is 'inverse' and loss is 'dice', which has no use for them; set class_weights=none, or a loss "
         "with cross_entropy or ohem_cross_entropy or focal"),
        ({"nesterov": True},
         "momentum is 0.9, nesterov is true and optimizer is 'adamw'; both are of optimizer=sgd: set it, or leave "
         "them out"),
        ({"nesterov": True, "momentum": 0, "optimizer": "sgd"},
         "nesterov is true and momentum is 0; set a momentum above 0, or nesterov=false"),
        ({"encoder_lr_factor": 0.1, "freeze": "encoder"},
         "encoder_lr_factor is 0.1 and freeze is 'encoder', so the encoder does not learn; set encoder_lr_factor=1, or "
         "freeze=none"),
        ({"schedule": "poly", "lr_gamma": 0.9},
         "lr_gamma is 0.9 and schedule is 'poly'; lr_gamma is of schedule=exponential: set it, or leave lr_gamma out"),
        ({"poly_power": 1.0},
         "poly_power is 1 and schedule is 'exponential'; poly_power is of schedule=poly: set it, or leave poly_power "
         "out"),
        ({"warmup_epochs": 30},
         "warmup_epochs is 30 and epochs is 30; set fewer warmup_epochs than there are epochs"),
    ],
)  # fmt: skip
def test_what_no_trial_can_have(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=says(sentence)):
        TrialConfig.from_dict({"arch": "fcn8s", "dataset": "roads", **values})
    with pytest.raises(ConfigError, match=says(sentence)):
        base().edit(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"image_height": 32, "image_width": 32},
        {"width_mult": 4, "init": "scratch"},
        {"epochs": 1, "batch_size": 1, "val_every": 1, "test_every": 0},
        {"lr_gamma": 1, "weight_decay": 0},
        {"seed": 2**32 - 1},
        {"freeze": "all_but_score", "init": "parent", "parent": "x"},
        {"loss": "lovasz+ohem_cross_entropy", "class_weights": "1:0:2.25", "label_smoothing": 0},
        {"loss": "my.losses:mine", "optimizer": "my.optimizers:lion"},
        {"optimizer": "sgd", "momentum": 0, "clip_norm": 0, "accumulate": 10**4, "ema_decay": 0},
        {"schedule": "poly", "poly_power": 10, "epochs": 2, "warmup_epochs": 1},
        {"resolution": "own", "eval_scales": "0.1:4", "eval_flip": True, "eval_mode": "whole"},
        {"random_scale": 10, "random_rotation": 180, "color_jitter": 1},
    ],
)
def test_the_ends_of_what_is_allowed(values: dict[str, Any]) -> None:
    assert {name: getattr(base(**values), name) for name in values} == values


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("batchsize", "did you mean batch_size or dataset? "),
        ("learning_rate", ""),
        ("widht_mult", "did you mean width_mult or weight_init? "),
    ],
)
def test_unknown_fields_name_the_near_matches(name: str, hint: str) -> None:
    sentence = says(f"{name!r} is not a field of a trial; {hint}allowed: {', '.join(FIELDS)}")
    with pytest.raises(ConfigError, match=sentence):
        check_field(name)
    with pytest.raises(ConfigError, match=sentence):
        TrialConfig.from_dict({"arch": "fcn8s", "dataset": "roads", name: 1})
    with pytest.raises(ConfigError, match=sentence):
        base().edit(**{name: 1})


def test_missing_fields_are_named_together() -> None:
    with pytest.raises(ConfigError, match=says("the config lacks arch, dataset; give a value to each")):
        TrialConfig.from_dict({"lr": 0.1})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("epochs", "12", 12),
        ("lr", "1e-4", 1e-4),
        ("lr", "1", 1.0),
        ("flip", "False", False),
        ("flip", "true", True),
        ("arch", "fcn8s", "fcn8s"),
        ("parent", "some-trial", "some-trial"),
    ],
)
def test_values_from_the_command_line(name: str, text: str, value: Any) -> None:
    parsed = parse_value(name, text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("epochs", "1e3", "epochs is '1e3'; allowed: an integer"),
        ("lr", "fast", "lr is 'fast'; allowed: a number"),
        ("flip", "yes", "flip is 'yes'; allowed: true or false"),
        ("init", "skratch", f"init is 'skratch'; did you mean scratch? allowed: {INITS}"),
        ("lrr", "1", f"'lrr' is not a field of a trial; did you mean lr? allowed: {', '.join(FIELDS)}"),
    ],
)
def test_values_from_the_command_line_that_are_none(name: str, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=says(sentence)):
        parse_value(name, text)

"""What does not go together in the fields of a trial, each of them within its bounds. Standard library only."""

from typing import Any

from segtrain.architectures import SCALABLE, WITH_IMAGENET_HEAD, WITH_SKIPS, WITHOUT_IMAGENET, library_of
from segtrain.recipe import SMOOTHED, WEIGHTED, loss_terms

FIXED_SCHEDULES = ("exponential", "constant")
"""With these the learning rate of an epoch does not depend on how many there are."""


def find_mismatch(config: Any) -> str | None:
    """The first thing that does not go together in a TrialConfig, and what to do."""
    looks = (
        _of_loss, _of_steps, _of_epochs, _of_evaluation, _of_start, _of_library, _of_architecture, _of_freezing
    )  # fmt: skip
    return next((wrong for look in looks if (wrong := look(config)) is not None), None)


def _of_loss(config: Any) -> str | None:
    terms = set(loss_terms(config.loss))
    if config.label_smoothing and not terms & set(SMOOTHED):
        return (
            f"label_smoothing is {config.label_smoothing:g} and loss is {config.loss!r}, which has no use for it; set "
            f"label_smoothing=0, or a loss with {' or '.join(SMOOTHED)}"
        )
    if config.class_weights != "none" and not terms & set(WEIGHTED):
        return (
            f"class_weights is {config.class_weights!r} and loss is {config.loss!r}, which has no use for them; set "
            f"class_weights=none, or a loss with {' or '.join(WEIGHTED)}"
        )
    if config.reduction == "sum" and (config.loss, config.class_weights, config.label_smoothing) != (
        "cross_entropy",
        "none",
        0,
    ):
        return (
            f"reduction is 'sum' and loss is {config.loss!r} with class_weights={config.class_weights} and "
            f"label_smoothing={config.label_smoothing:g}; only the plain cross_entropy is summed: leave them out, or "
            "set reduction=mean"
        )
    return None


def _of_steps(config: Any) -> str | None:
    defaults = type(config)
    if config.optimizer != "sgd" and (config.momentum != defaults.momentum or config.nesterov):
        return (
            f"momentum is {config.momentum:g}, nesterov is {str(config.nesterov).lower()} and optimizer is "
            f"{config.optimizer!r}; both are of optimizer=sgd: set it, or leave them out"
        )
    if config.nesterov and config.momentum == 0:
        return "nesterov is true and momentum is 0; set a momentum above 0, or nesterov=false"
    if config.encoder_lr_factor != 1 and config.freeze != "none":
        return (
            f"encoder_lr_factor is {config.encoder_lr_factor:g} and freeze is {config.freeze!r}, so the encoder does "
            "not learn; set encoder_lr_factor=1, or freeze=none"
        )
    return None


def _of_epochs(config: Any) -> str | None:
    defaults = type(config)
    if config.lr_gamma != defaults.lr_gamma and config.schedule != "exponential":
        return (
            f"lr_gamma is {config.lr_gamma:g} and schedule is {config.schedule!r}; lr_gamma is of "
            "schedule=exponential: set it, or leave lr_gamma out"
        )
    if config.poly_power != defaults.poly_power and config.schedule != "poly":
        return (
            f"poly_power is {config.poly_power:g} and schedule is {config.schedule!r}; poly_power is of "
            "schedule=poly: set it, or leave poly_power out"
        )
    if config.warmup_epochs >= config.epochs:
        return (
            f"warmup_epochs is {config.warmup_epochs} and epochs is {config.epochs}; set fewer warmup_epochs than "
            "there are epochs"
        )
    return None


def _of_evaluation(config: Any) -> str | None:
    defaults = type(config)
    for name in ("eval_mode", "eval_flip", "eval_scales"):
        value = getattr(config, name)
        if config.resolution != "own" and value != getattr(defaults, name):
            return (
                f"{name} is {str(value).lower()} and resolution is {config.resolution!r}; {name} is of resolution=own: "
                f"set it, or leave {name} out"
            )
    return None


def _of_start(config: Any) -> str | None:
    if (config.init == "parent") != (config.parent is not None):
        return (
            f"init is {config.init!r} and parent is {config.parent!r}; a parent trial's id goes with init='parent' "
            "and with nothing else"
        )
    if config.take != "encoder" and config.parent is None:
        return (
            f"take is {config.take!r} and init is {config.init!r}; it says what is taken of a parent trial: set "
            "init=parent, or leave take out"
        )
    if config.init == "imagenet" and config.width_mult != 1:
        return (
            f"init is 'imagenet' and width_mult is {config.width_mult:g}; those weights fit width_mult=1 only: "
            "set width_mult=1, or init=scratch"
        )
    if config.init == "imagenet" and config.arch in WITHOUT_IMAGENET:
        return f"init is 'imagenet' and arch is {config.arch!r}, which has no ImageNet weights; set init=scratch"
    if config.weight_init != "library" and not (config.arch.startswith("segformer") and config.init == "scratch"):
        return (
            f"weight_init is {config.weight_init!r}, arch is {config.arch!r} and init is {config.init!r}; it is of "
            "SegFormer with init=scratch: set both, or leave weight_init out"
        )
    return None


def _of_library(config: Any) -> str | None:
    library = library_of(config.arch)
    if config.init == "imagenet" and library == "hf":
        return (
            f"init is 'imagenet' and arch is {config.arch!r}, which may have been trained on anything; set "
            "init=pretrained for the weights that are published with it, or init=scratch"
        )
    if config.init == "imagenet" and library == "own":
        return (
            f"init is 'imagenet' and arch is {config.arch!r}, code of your own; set init=scratch: the weights stay "
            "as the function gives them"
        )
    if config.init == "coco" and config.arch != "fcn_resnet50":
        return (
            f"init is 'coco' and arch is {config.arch!r}; those weights are of fcn_resnet50: set it, or "
            "init=pretrained for a model of torchvision"
        )
    if config.init == "pretrained" and library not in ("hf", "torchvision"):
        return (
            f"init is 'pretrained' and arch is {config.arch!r}; whole trained models are there for hf: and "
            "torchvision: only: set init=imagenet, or init=scratch"
        )
    return None


def _of_architecture(config: Any) -> str | None:
    if config.arch not in SCALABLE and config.width_mult != 1:
        return (
            f"width_mult is {config.width_mult:g} and arch is {config.arch!r}, whose size is fixed; set width_mult=1, "
            f"or one of the architectures that it scales: {', '.join(SCALABLE)}"
        )
    if config.upsampling != "learned_between" and config.arch not in WITH_IMAGENET_HEAD:
        return (
            f"upsampling is {config.upsampling!r} and arch is {config.arch!r}; it is of "
            f"{', '.join(WITH_IMAGENET_HEAD)}: set one of these, or leave upsampling out"
        )
    if config.skip_scale != 1 and config.arch not in WITH_SKIPS:
        return (
            f"skip_scale is {config.skip_scale:g} and arch is {config.arch!r}; it is of {', '.join(WITH_SKIPS)}: set "
            "one of these, or leave skip_scale out"
        )
    if config.gate != "strided" and config.arch != "unet_attention_residual":
        return (
            f"gate is {config.gate!r} and arch is {config.arch!r}, which has no attention gates; leave gate out, or "
            "set arch=unet_attention_residual"
        )
    return None


def _of_freezing(config: Any) -> str | None:
    if config.init == "imagenet" and config.freeze == "all_but_score" and config.arch not in WITH_IMAGENET_HEAD:
        return (
            f"freeze is 'all_but_score' and arch is {config.arch!r}, whose decoder has no ImageNet weights; that "
            "would train one layer on random features: set freeze=encoder, or init=parent"
        )
    if config.frozen_norm != "still" and config.freeze == "none":
        return (
            f"frozen_norm is {config.frozen_norm!r} and freeze is 'none', so nothing is frozen; set freeze, or leave "
            "frozen_norm out"
        )
    if config.init == "scratch" and config.freeze == "all_but_score":
        return (
            "freeze is 'all_but_score' and init is 'scratch'; that would train one layer on random features: "
            "set init=imagenet or init=parent, or freeze=none"
        )
    return None


def why_not_extendable(config: Any) -> str | None:
    """Why a trial of more epochs would not begin like this one, and what to do; None when it does."""
    if config.schedule not in FIXED_SCHEDULES:
        return (
            f"schedule is {config.schedule!r}, whose rates depend on the number of epochs, so no longer trial begins "
            "like this one; set schedule=exponential or constant"
        )
    for name in ("val_every", "test_every"):
        every = getattr(config, name)
        if every and config.epochs % every:
            return (
                f"epochs is {config.epochs} and {name} is {every}, so the last epoch is evaluated out of turn, as in "
                f"no longer trial; set epochs to a multiple of {every}"
            )
    return None

"""How a trial is trained: the names that its fields may have, their bounds, and what goes with what. Standard library
only."""

import re
from typing import Any, Literal

from segtrain.errors import UserError
from segtrain.fields import did_you_mean, shown
from segtrain.own_code import is_own_name

Schedule = Literal["exponential", "poly", "cosine", "constant"]
LOSSES = ("cross_entropy", "focal", "dice", "lovasz", "ohem_cross_entropy")
SMOOTHED = ("cross_entropy", "ohem_cross_entropy")
"""Losses that take label_smoothing."""
WEIGHTED = (*SMOOTHED, "focal")
"""Losses that take class_weights."""
OPTIMIZERS = ("adamw", "sgd")
WEIGHTINGS = ("none", "inverse", "median")
OWN = "package.module:function"
MOST_WEIGHT = 1e6
MOST_SCALES, LEAST_SCALE, MOST_SCALE = 8, 0.1, 4.0
MOST_ACCUMULATED = 10**4


class RecipeError(UserError):
    """A recipe that does not go with the data or the model of its trial."""


def loss_terms(loss: str) -> tuple[str, ...]:
    """`cross_entropy+dice` -> its terms; own code is a single one."""
    return tuple(loss.split("+"))


def given_weights(class_weights: str) -> tuple[float, ...] | None:
    """`1:2.5:0.5` -> the weights of the classes in their order; None for what is no list of numbers."""
    if not re.fullmatch(r"\d+(\.\d+)?(:\d+(\.\d+)?)+", class_weights):
        return None
    weights = tuple(map(float, class_weights.split(":")))
    return weights if max(weights) <= MOST_WEIGHT and sum(weights) > 0 else None


def given_scales(eval_scales: str) -> tuple[float, ...]:
    """`0.75:1:1.25` -> the scales; none for what is no list of them."""
    if not re.fullmatch(r"\d+(\.\d+)?(:\d+(\.\d+)?)*", eval_scales):
        return ()
    scales = tuple(map(float, eval_scales.split(":")))
    within = len(scales) <= MOST_SCALES and min(scales) >= LEAST_SCALE and max(scales) <= MOST_SCALE
    return scales if within and len(set(scales)) == len(scales) else ()


def find_wrong_name(field: str, value: str) -> str | None:
    """What is wrong with the value of one of the fields that are names."""
    allowed: tuple[str, ...]
    if field == "class_weights":
        if value in WEIGHTINGS or given_weights(value) is not None:
            return None
        allowed, others = WEIGHTINGS, f"numbers up to {MOST_WEIGHT:g}, one for each class, such as 1:2.5:0.5"
    elif field == "eval_scales":
        if given_scales(value):
            return None
        return (
            f"eval_scales is {shown(value)}; allowed: up to {MOST_SCALES} different numbers from {LEAST_SCALE:g} to "
            f"{MOST_SCALE:g}, such as 0.75:1:1.25"
        )
    elif field == "optimizer":
        if value in OPTIMIZERS or is_own_name(value):
            return None
        allowed, others = OPTIMIZERS, OWN
    else:
        terms = loss_terms(value)
        if is_own_name(value) or (set(terms) <= set(LOSSES) and len(set(terms)) == len(terms)):
            return None
        allowed, others = LOSSES, f"a sum of these, each once, such as cross_entropy+dice, {OWN}"
    return f"{field} is {shown(value)}; {did_you_mean(value[:100], [*allowed, others])}"


def find_mismatch(config: Any) -> str | None:
    """What does not go together in the fields of a TrialConfig, each of them within its bounds."""
    terms, defaults = loss_terms(config.loss), type(config)
    if config.label_smoothing and not set(terms) & set(SMOOTHED):
        return (
            f"label_smoothing is {config.label_smoothing:g} and loss is {config.loss!r}, which has no use for it; set "
            f"label_smoothing=0, or a loss with {' or '.join(SMOOTHED)}"
        )
    if config.class_weights != "none" and not set(terms) & set(WEIGHTED):
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
    for name in ("eval_mode", "eval_flip", "eval_scales"):
        value = getattr(config, name)
        if config.resolution != "own" and value != getattr(defaults, name):
            return (
                f"{name} is {str(value).lower()} and resolution is {config.resolution!r}; {name} is of resolution=own: "
                f"set it, or leave {name} out"
            )
    if config.warmup_epochs >= config.epochs:
        return (
            f"warmup_epochs is {config.warmup_epochs} and epochs is {config.epochs}; set fewer warmup_epochs than "
            "there are epochs"
        )
    return None

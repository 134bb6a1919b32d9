"""How a trial is trained: the names that its fields may have, their bounds, and what goes with what. Standard library
only."""

import re
from typing import Literal

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

"""A claim as study.json declares it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from analysis.statistics import claim_metrics
from segtrain.records import TEST_MEAN_IOU

Kind = Literal["greater", "equivalent"]


@dataclass(frozen=True, kw_only=True)
class Claim:
    text: str
    source: str = ""
    kind: Kind = "greater"
    left: Mapping[str, Any]
    right: Mapping[str, Any] | None = None  # of a metric that is a difference: one side's own
    gain: Mapping[str, Any] | None = None  # {"field": name, "from": value, "to": value}
    metric: str = TEST_MEAN_IOU
    margin: float | None = None
    published: Mapping[str, float] | None = None  # {"left": score, "right": score}


def read_claim(value: Any) -> Claim:
    """An entry of study.json's `claims`. Raises ValueError saying what it lacks."""
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        raise ValueError("the study states it in words only, so there is nothing to test")
    claim = {name: value[name] for name in Claim.__dataclass_fields__ if value.get(name) is not None}
    alone = len(claim_metrics.terms_of(str(claim.get("metric", TEST_MEAN_IOU)))) > 1 and "gain" not in claim
    for side in ("left",) if alone and "right" not in claim else ("left", "right"):
        if not isinstance(claim.get(side), dict) or not claim[side]:
            raise ValueError(f"its {side} side names no trials")
    if claim.get("kind", "greater") not in ("greater", "equivalent"):
        raise ValueError(f"its kind is {claim['kind']!r}; allowed: greater, equivalent")
    if claim.get("kind") == "equivalent" and not _positive(claim.get("margin")):
        raise ValueError(f"its margin is {claim.get('margin')!r}; allowed: a number > 0")
    if "gain" in claim and not (isinstance(claim["gain"], dict) and {"field", "from", "to"} <= set(claim["gain"])):
        raise ValueError(f"its gain is {claim['gain']!r}; allowed: an object with field, from and to")
    if not _pair_of_numbers(claim.get("published", {"left": 0, "right": 0})):
        raise ValueError(f"its published numbers are {claim['published']!r}; allowed: an object with left and right")
    return Claim(**claim)


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and value > 0


def _pair_of_numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(side), int | float) for side in ("left", "right"))

"""Looking several times at a growing study without deciding wrongly more often.

Each look at the claims takes a share of the study's error, and all shares together are at most 1. A claim's p-value
over its looks is the smallest of p / share, which is valid at whatever look the study stops, whatever the looks have in
common (Bonferroni over looks); Holm's adjustment over the claims then works on these. Two plans:

- looks set beforehand, at most `most` seeds: a look's share is what it adds, (seeds - seeds before) / most. The
  boundaries of O'Brien and Fleming (1979) spend later: until an effect of three times the seeds' spread is decided
  they need half as many seeds more, for a few per cent more power at the last look. Exact boundaries for these shares
  save 1 to 5 % of the seeds; they rest on known spreads and normal scores, which three seeds do not have.
- looks that nobody announced: the first takes FIRST_SHARE, and each later one half of what is left, since there may
  always be one more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.inference.estimates import Floats

PLANNED = (3, 5, 8, 12, 20)
"""Seeds at which a study that trains until its claims are decided looks at them."""
FIRST_SHARE = 0.9


@dataclass(frozen=True)
class Look:
    """The claims were judged with so many seeds and this share of the error."""

    seeds: int
    share: float


def planned_seeds(most: int) -> tuple[int, ...]:
    """The looks of a study of at most `most` seeds."""
    return (*(seeds for seeds in PLANNED if seeds < most), most)


def next_share(taken: Sequence[Look], seeds: int, most: int | None = None) -> float:
    """The share of a look at `seeds` seeds after those `taken`; of a planned one where `most` is given."""
    left = max(0.0, 1 - sum(look.share for look in taken))
    if most is None:
        return FIRST_SHARE if not taken else left / 2
    before = max((look.seeds for look in taken), default=0)
    return min(left, max(0, seeds - before) / most)


def over_looks(p_values: Floats, shares: Floats) -> Floats:
    """p_values (L, ...) of the looks taken and their shares (L,) -> (...); NaN where no look tested anything."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = p_values / shares.reshape(-1, *[1] * (p_values.ndim - 1))
    scaled = np.where(np.isnan(p_values), np.inf, scaled)
    found = scaled.min(0)
    return np.where(np.isnan(p_values).all(0), np.nan, np.minimum(1.0, found))


def read_looks(values: Any) -> list[Look]:
    """study.json's `looks`: objects with seeds and share, in the order they were taken. Raises ValueError."""
    looks = []
    for value in values if isinstance(values, list) else [values]:
        seeds, share = (value.get("seeds"), value.get("share")) if isinstance(value, dict) else (None, None)
        if type(seeds) is not int or not isinstance(share, int | float) or not (seeds > 0 and 0 <= share <= 1):
            raise ValueError(f"a look is {value!r}; allowed: an object with seeds, above 0, and share, from 0 to 1")
        looks.append(Look(seeds, float(share)))
    if sum(look.share for look in looks) > 1 + 1e-9:
        raise ValueError(f"the shares of the looks add up to {sum(look.share for look in looks):g}; allowed: at most 1")
    return looks

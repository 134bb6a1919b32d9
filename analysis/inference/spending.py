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

from collections.abc import Iterable, Sequence
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
    """study.json's `looks`: objects with seeds, share, and the `command` that took each. Those of several commands are
    merged. Raises ValueError."""
    looks: dict[int, list[Look]] = {}
    for value in values if isinstance(values, list) else [values]:
        seeds, share = (value.get("seeds"), value.get("share")) if isinstance(value, dict) else (None, None)
        if type(seeds) is not int or not isinstance(share, int | float) or not (seeds > 0 and 0 <= share <= 1):
            raise ValueError(f"a look is {value!r}; allowed: an object with seeds, above 0, and share, from 0 to 1")
        command = value.get("command", 0)
        looks.setdefault(command if type(command) is int else 0, []).append(Look(seeds, float(share)))
    for taken in looks.values():
        if sum(look.share for look in taken) > 1 + 1e-9:
            raise ValueError(
                f"the shares of the looks add up to {sum(look.share for look in taken):g}; allowed: at most 1"
            )
    return merged(looks.values())


def merged(looks: Iterable[Sequence[Look]]) -> list[Look]:
    """Looks that were taken at parts of a study apart, for a claim about all of them. Looks at equally many seeds are
    one, with the largest of their shares. Where the shares add up to more than 1, later ones get what is left."""
    found: list[Look] = []
    for look in sorted((look for taken in looks for look in taken), key=lambda look: (look.seeds, -look.share)):
        if not found or look.seeds > found[-1].seeds:
            left = max(0.0, 1 - sum(other.share for other in found))
            found.append(Look(look.seeds, min(look.share, left)))
    return found

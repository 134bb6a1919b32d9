"""What an undecided claim lacks: seeds, test images, or more than either can give."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import cache
from math import ceil, inf, sqrt

from scipy.special import ndtr, stdtrit

FARTHEST = 200
"""Seeds; nobody trains more, so nothing is promised beyond."""
HOPELESS = 0.1
"""Seeds are not worth training below this chance that any number of them decides."""


@dataclass(frozen=True)
class Standing:
    """Where a claim stands: the numbers of one claim's Effects, its margin (None: that it is above zero), and how many
    test images it was measured on (0: no variance over images is known)."""

    mean: float
    seed_variance: float
    seed_df: float
    image_variance: float
    image_df: float
    _: KW_ONLY
    n: int
    margin: float | None = None
    images: int = 0


@dataclass(frozen=True)
class Lack:
    """`seeds` more would decide as likely as not, None where no number below FARTHEST would; `images` more test images
    would, with as many seeds as a study may have, None where that is no matter of images. `hopeless`: no number of
    seeds is worth training."""

    seeds: int | None
    images: int | None
    hopeless: bool


def lacks(claim: Standing, level: Callable[[int], float], most: int) -> Lack:
    """`level(seeds)` is the two-sided error that the claim may be decided with at that number of seeds."""
    totals = range(claim.n + 1, FARTHEST + 1)
    total = next((total for total in totals if chance(claim, total, level(total)) >= 0.5), None)
    hopeless = chance(claim, FARTHEST, max(level(total) for total in totals)) < HOPELESS
    images = None
    if claim.images and (total is None or total > most):
        enough = max(most, claim.n + 1)
        images = _further_images(claim, enough, level(enough))
    return Lack(None if total is None else total - claim.n, images, hopeless)


def chance(claim: Standing, total: int, level: float) -> float:
    """The chance that the claim is decided with `total` > n seeds at that two-sided level, if the spreads stay and the
    truth is about as far from what was seen as these seeds leave it: 1/2 where the effect seen would just do."""
    ways = _ways(claim, level)
    return max(_chance(claim, total, distance, error) for distance, error in ways)


def _ways(claim: Standing, level: float) -> list[tuple[float, float]]:
    """(distance to what must be beaten, one-sided error) of each way that the claim can be decided."""
    if claim.margin is None:
        return [(abs(claim.mean), level / 2)]
    inside = claim.margin - abs(claim.mean)
    return [(inside, level), (-inside, level / 2)]


def _chance(claim: Standing, total: int, distance: float, error: float) -> float:
    if error <= 0:
        return 0.0
    seeds = claim.seed_variance / total
    variance = seeds + claim.image_variance
    df = claim.seed_df * (total - 1) / (claim.n - 1)
    freedom = variance**2 / (seeds**2 / df + claim.image_variance**2 / claim.image_df)
    spare = distance - _quantile(error, freedom) * sqrt(variance)
    return float(ndtr(spare / sqrt(claim.seed_variance * (1 / claim.n - 1 / total))))


def _further_images(claim: Standing, total: int, level: float) -> int | None:
    """With `total` seeds; the images' variance falls as their number grows."""
    seeds = claim.seed_variance / total
    most = 0.0
    for distance, error in _ways(claim, level):
        if distance > 0 and error > 0:
            most = max(most, (distance / _quantile(error, inf)) ** 2 - seeds)
    if most <= 0 or claim.image_variance <= most:
        return None
    return ceil(claim.images * (claim.image_variance / most - 1))


@cache  # asked for at each of FARTHEST seeds, and slow to find
def _quantile(error: float, freedom: float) -> float:
    return -float(stdtrit(freedom, error))


def lack_text(lack: Lack, n: int, most: int) -> str:
    """`about 6 more seeds`; `about 300 more test images, at 20 seeds`; `more than ...` where it is neither."""
    if lack.seeds is not None and n + lack.seeds <= most:
        return f"about {lack.seeds} more seed{'' if lack.seeds == 1 else 's'}"
    found = []
    if lack.seeds is not None:
        found.append(f"about {lack.seeds} more seeds, which are more than the {most} that a study trains")
    if lack.images is not None:
        instead = "or about" if found else "more seeds cannot decide it; about"
        found.append(f"{instead} {lack.images} more test images, at {max(most, n)} seeds")
    return ", ".join(found) or f"more than {FARTHEST} seeds: the effect seen is small beside what seeds and images vary"

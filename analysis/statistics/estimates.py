"""Statistics as pure functions of arrays: intervals and tests over seeds, a bootstrap over test images, Holm.

Two kinds of chance are kept apart. The t functions see what training again with another seed changes, on one fixed
test set; the bootstrap sees what other test images would change, for one fixed set of trained models.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

LEVEL = 0.95
"""Of every interval that is shown."""
ALPHA = 0.05
RESOLUTION = 1e-9
"""Differences of scores below this are rounding."""

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` seeds and its interval; `low` and `high` are NaN below two seeds."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def margin(self) -> float:
        """Half of the interval; NaN below two seeds."""
        return (self.high - self.low) / 2


def estimate(values: Sequence[float] | Floats, level: float = LEVEL) -> Estimate:
    """The mean with Student's t interval at `level`; NaN values are left out and not counted."""
    found = np.asarray(values, dtype=np.float64)
    found = found[~np.isnan(found)]
    n = len(found)
    mean = float(found.mean()) if n else float("nan")
    if n < 2:
        return Estimate(mean, float("nan"), float("nan"), n)
    reach = _quantile((1 + level) / 2, n - 1) * _standard_error(found)
    return Estimate(mean, mean - reach, mean + reach, n)


@cache  # asked for every number of a report, and slow to find
def interval_text(mean: float, reach: float, n: int, form: str = ".2f", scale: float = 100) -> str:
    """`37.16 ± 1.04 (n=3)`; `37.16 (n=1)`; blank when missing."""
    if math.isnan(mean):
        return ""
    around = "" if math.isnan(reach) else f" ± {format(reach * scale, form.lstrip('+'))}"
    return f"{format(mean * scale, form)}{around} (n={n})"


def _quantile(share: float, freedom: int) -> float:
    return float(student.ppf(share, freedom))


def _standard_error(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def has_spread(values: Floats) -> bool:
    """Whether there are two values that differ by more than rounding does."""
    return len(values) > 1 and bool(np.ptp(values) > RESOLUTION * max(1.0, float(np.abs(values).max())))


def p_greater(values: Floats, threshold: float = 0.0) -> float:
    """One-sided p-value of Student's t test against a mean of at most `threshold`.

    NaN below two values, and for values without spread: a t test has nothing to measure them by.
    """
    if not has_spread(values):
        return float("nan")
    return float(student.sf((values.mean() - threshold) / _standard_error(values), len(values) - 1))


def share_at_most(draws: Floats, threshold: float) -> float:
    """The p-value that bootstrap `draws` (B,) give against a value of at most `threshold`; never 0 (Davison & Hinkley
    1997, eq. 4.11)."""
    return float((np.count_nonzero(draws <= threshold) + 1) / (len(draws) + 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) step-down adjustment over the family of those p-values that are not NaN."""
    family = [index for index, p in enumerate(p_values) if not np.isnan(p)]
    adjusted = [float("nan")] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(family, key=lambda index: p_values[index])):
        highest = max(highest, min(1.0, (len(family) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def image_weights(images: int, resamples: int, rng: np.random.Generator) -> Floats:
    """(resamples, images): how often each image was drawn when as many as there are were drawn with replacement."""
    drawn = rng.integers(images, size=(resamples, images))
    flat = (drawn + images * np.arange(resamples)[:, None]).ravel()
    return np.bincount(flat, minlength=resamples * images).reshape(resamples, images).astype(np.float64)


def resampled_mean_iou(confusions: Counts, weights: Floats) -> Floats:
    """confusions (N, K, K), rows are truth; weights (B, N) -> (B,) mean IoU of each resampled test set.

    As everywhere, the counts are added up before the division, and a class with neither truth nor prediction in the
    resampled set is left out of its mean. Models resampled with the same `weights` are paired image by image.
    """
    hits = weights @ np.diagonal(confusions, axis1=1, axis2=2)
    union = weights @ (confusions.sum(1) + confusions.sum(2)) - hits
    occurs = union > 0
    iou = np.divide(hits, union, out=np.zeros_like(hits), where=occurs)
    counted = occurs.sum(1)
    means: Floats = np.divide(iou.sum(1), counted, out=np.full(len(weights), np.nan), where=counted > 0)
    return means

"""Means over seeds with their intervals, and Holm's adjustment. Pure functions of arrays."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit  # scipy.stats takes a second to import

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
    reach = _quantile((1 + level) / 2, n - 1) * float(found.std(ddof=1) / np.sqrt(n))
    return Estimate(mean, mean - reach, mean + reach, n)


def interval_text(mean: float, reach: float, n: int, form: str = ".2f", scale: float = 100) -> str:
    """`37.16 ± 1.04 (n=3)`; `37.16 (n=1)`; blank when missing."""
    if math.isnan(mean):
        return ""
    around = "" if math.isnan(reach) else f" ± {format(reach * scale, form.lstrip('+'))}"
    return f"{format(mean * scale, form)}{around} (n={n})"


@cache  # asked for every number of a report
def _quantile(share: float, freedom: int) -> float:
    return float(stdtrit(freedom, share))


def holm(p_values: Sequence[float] | Floats) -> Floats:
    """Holm's (1979) step-down adjustment of p-values (..., C) over the family of all C of them. A NaN, of a claim that
    could not be tested, stays NaN and counts: a family is what was declared, not what happened to be testable."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, axis=-1)  # NaN last
    scaled = np.take_along_axis(p, order, -1) * (p.shape[-1] - np.arange(p.shape[-1]))
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(1.0, np.maximum.accumulate(scaled, axis=-1)), -1)
    return adjusted

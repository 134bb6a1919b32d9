"""Where an axis has its ticks, and how numbers are written: the same in files and on the page."""

import math
import re

from matplotlib.ticker import MaxNLocator


def minus(text: str) -> str:
    """Hyphens before a number as minus signs; those of dates, names and exponents stay."""
    return re.sub(r"(?<![\w.)-])-(?=\d)", "−", text)


def log_ticks(low: float, high: float) -> list[float]:
    """Ticks between `low` and `high`, both above 0: those that begin with 1, 2 or 5, and evenly spaced ones where there
    are less than three of them."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
    found = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
    if len(found) < 3:
        even = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        return [float(tick) for tick in even if low <= tick <= high]
    return found if len(found) <= 8 else [tick for tick in found if f"{tick:e}"[0] == "1"]


def whole_ticks(last: float) -> list[float]:
    """Up to eight whole numbers from 0 to `last`, such as epochs."""
    return [float(tick) for tick in MaxNLocator(7, integer=True).tick_values(0, last) if 0 <= tick <= last]


def tick_label(value: float) -> str:
    """`0.0003`, `200`; `3e-5` below a ten-thousandth, without the zero that Python pads an exponent with."""
    return re.sub(r"e([+-])0?(\d)", r"e\1\2", f"{value:.6g}").replace("e+", "e")

"""Over how many classes a mean IoU is. A class that a split neither has nor predicts is in no mean, so one stray pixel
of it lowers the mean, and two means compare only where both count the same classes. Needs no pandas."""

import math
from collections.abc import Iterable, Mapping, Sequence

Iou = Sequence[float | None]
"""One a class, None or NaN where it is not defined."""


def count_classes(iou: Iou) -> int:
    return sum(map(_defined, iou))


def counted_text(counts: Iterable[int], classes: int) -> str:
    """`12 of 13`; `11 to 13 of 13` where means count differently; blank where all of them count all the classes, or
    there are none."""
    known = sorted(set(counts))
    if not known or known[0] >= classes:
        return ""
    fewest, most = known[0], known[-1]
    return f"{fewest} of {classes}" if fewest == most else f"{fewest} to {most} of {classes}"


def counted_of(iou: Iou | None) -> str:
    """`counted_text` of one mean, by its classes; blank where they are not known."""
    return counted_text([count_classes(iou)], len(iou)) if iou else ""


def comparable_best(epochs: Mapping[int, Iou]) -> int | None:
    """Where `epochs` count different classes, the one whose mean over those that all of them count is the highest, the
    first on a tie; None where all count the same ones, or there are none that all count. A trial keeps the epoch of the
    highest mean, whatever that counts."""
    counted = {tuple(map(_defined, iou)) for iou in epochs.values()}
    if len(counted) < 2 or len({len(places) for places in counted}) > 1:
        return None
    places = [index for index, everywhere in enumerate(zip(*counted, strict=True)) if all(everywhere)]
    if not places:
        return None
    return max(epochs, key=lambda epoch: (math.fsum(epochs[epoch][index] or 0.0 for index in places), -epoch))


def _defined(value: float | None) -> bool:
    return value is not None and not math.isnan(value)

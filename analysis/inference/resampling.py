"""What other test images would change: a bootstrap over the units in which test images come. Arrays in, arrays out.

Frames of one drive are alike, so they are not independent test images. Where the data has FEWEST_GROUPS groups (drives,
sequences, cities) or more, groups are drawn. Of fewer nobody can say how groups differ, so there the groups stand still
and blocks of neighbouring images are drawn within each: that speaks of other images of these groups and of no others,
which is to be said beside the interval. Without groups every image is a unit.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.inference.estimates import Counts, Floats

FEWEST_GROUPS = 5
BLOCKS_POWER = 0.4
"""A group of n images has n to this power blocks: fewer and longer ones than its square root, since what neighbours at
the seams have in common is missing from a block's variance."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Units:
    """What is drawn: `unit` (N,) of each image, from 0; `stratum` (N,): units are drawn within their stratum. `words`
    say what they are, `limit` what they cannot speak of."""

    unit: Ints
    stratum: Ints
    words: str
    limit: str = ""

    @property
    def df(self) -> int:
        return len(np.unique(self.unit)) - len(np.unique(self.stratum))

    @property
    def inflation(self) -> float:
        """Draws of u units vary by (u - 1) / u of what they should; NaN where nothing can vary."""
        units = len(np.unique(self.unit))
        return units / self.df if self.df else float("nan")


def units_of(groups: npt.NDArray[np.generic] | None, images: int) -> Units:
    """`groups` (N,) says which drive, sequence or city each of the test images is of, in their order; None: nothing."""
    alone = np.arange(images, dtype=np.int64)
    if groups is None:
        return Units(alone, np.zeros_like(alone), f"{images} test images")
    names, group = np.unique(groups, return_inverse=True)
    group = group.astype(np.int64)
    if len(names) >= FEWEST_GROUPS:
        return Units(group, np.zeros_like(group), f"{len(names)} groups of {images} test images")
    unit, blocks = np.zeros_like(group), 0
    for number in range(len(names)):
        members = np.flatnonzero(group == number)
        count = max(1, round(len(members) ** BLOCKS_POWER))
        unit[members] = blocks + np.arange(len(members)) * count // len(members)
        blocks += count
    those = "one group, so what is said holds for it"
    if len(names) > 1:
        those = f"{len(names)} groups, so what is said holds for them"
    return Units(
        unit,
        group,
        f"{blocks} blocks of neighbours among {images} test images",
        f"the test images are of {those} and not for others",
    )


def unit_weights(units: Units, resamples: int, rng: np.random.Generator) -> Floats:
    """(resamples, N): how often each image was drawn when as many units as there are were drawn with replacement."""
    weights = np.zeros((resamples, len(units.unit)))
    for stratum in np.unique(units.stratum):
        members = np.flatnonzero(units.stratum == stratum)
        _, unit = np.unique(units.unit[members], return_inverse=True)
        count = unit.max() + 1
        drawn = rng.integers(count, size=(resamples, count)) + count * np.arange(resamples)[:, None]
        times = np.bincount(drawn.ravel(), minlength=resamples * count).reshape(resamples, count)
        weights[:, members] = times[:, unit]
    return weights


def resampled_mean_iou(confusions: Counts, weights: Floats) -> Floats:
    """confusions (N, K, K), rows are truth; weights (B, N) -> (B,) mean IoU of each resampled test set.

    As everywhere, the counts are added up before the division, and a class with neither truth nor prediction in the
    resampled set is left out of its mean. Models resampled with the same `weights` are paired image by image.
    """
    iou = _resampled_iou(confusions, weights)
    counted = (~np.isnan(iou)).sum(1)
    means: Floats = np.divide(np.nansum(iou, 1), counted, out=np.full(len(weights), np.nan), where=counted > 0)
    return means


def resampled_class_iou(confusions: Counts, weights: Floats, index: int) -> Floats:
    """As `resampled_mean_iou`, of one class; NaN where it is absent."""
    iou: Floats = _resampled_iou(confusions, weights)[:, index]
    return iou


def resampled_cell(confusions: Counts, weights: Floats, truth: int, prediction: int) -> Floats:
    """The share of the pixels of class `truth` that are predicted as `prediction`; NaN where the class is absent."""
    cell, row = weights @ confusions[:, truth, prediction], weights @ confusions[:, truth].sum(1)
    share: Floats = np.divide(cell, row, out=np.full(len(weights), np.nan), where=row > 0)
    return share


def _resampled_iou(confusions: Counts, weights: Floats) -> Floats:
    hits = weights @ np.diagonal(confusions, axis1=1, axis2=2)
    union = weights @ (confusions.sum(1) + confusions.sum(2)) - hits
    iou: Floats = np.divide(hits, union, out=np.full_like(hits, np.nan), where=union > 0)
    return iou


def variance_over(draws: Floats, units: Units) -> float:
    """The variance that other units would give the score that was resampled into `draws` (B,); NaN where too few
    draws have a score."""
    scored = draws[~np.isnan(draws)]
    if len(scored) < len(draws) / 2:
        return float("nan")
    return float(scored.var(ddof=1) * units.inflation)

"""Trial folders -> how much a claim's effect depends on the test images that it was measured on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.inference import resampling
from analysis.inference.estimates import LEVEL, Counts, Floats
from analysis.inference.resampling import Units
from analysis.read.arrays import read_array, read_names
from analysis.read.frames import Study
from analysis.statistics.claim_metrics import Resample
from segtrain import records
from segtrain.records import RecordError

RESAMPLES = 4000
_SEED = 20150608  # of the resampling: the same report from the same folders


@dataclass(frozen=True)
class ImageChance:
    """`variance` of an effect over test images with `df` degrees of freedom; `interval` is what the draws alone span.
    Zero variance, and `lack` saying why, where there is nothing to resample."""

    variance: float = 0.0
    df: float = np.inf
    interval: tuple[float, float] | None = None
    lack: str = ""


class TestImages:
    """The scores of trials over resampled test images, drawn once and the same images for all."""

    __test__ = False  # not a pytest class

    def __init__(self, study: Study) -> None:
        self.study = study
        self.count = 0
        self.units: Units | None = None
        self._truth: Counts | None = None
        self._weights = np.zeros((0, 0))
        self._counts: dict[str, Counts | str] = {}
        self._draws: dict[tuple[str, str], Floats] = {}

    def chance(self, models: Sequence[tuple[float, str]], metric: str, resample: Resample) -> ImageChance:
        """`models`: (weight, trial id), whose weighted sum of scores is the effect."""
        total = np.zeros(RESAMPLES)
        for weight, trial_id in models:
            counts = self._read(trial_id)
            if isinstance(counts, str):
                return ImageChance(lack=f"no variance over images: {counts}")
            if (metric, trial_id) not in self._draws:
                self._draws[metric, trial_id] = resample(counts, self._weights)
            total += weight * self._draws[metric, trial_id]
        assert self.units is not None
        variance = resampling.variance_over(total, self.units)
        if np.isnan(variance):
            return ImageChance(lack=f"no variance over images: {self.units.words} are too few to resample")
        low, high = np.nanquantile(total, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return ImageChance(variance, self.units.df, (float(low), float(high)))

    def _read(self, trial_id: str) -> Counts | str:
        if trial_id not in self._counts:
            self._counts[trial_id] = self._check(trial_id)
        return self._counts[trial_id]

    def _check(self, trial_id: str) -> Counts | str:
        path = records.trial_dir(self.study.out, trial_id) / records.IMAGE_CONFUSION_FILE
        try:
            counts: Counts = read_array(path, "confusion")
            groups = read_names(path, "group")
        except RecordError:
            return f"{trial_id} has no readable {records.IMAGE_CONFUSION_FILE}"
        if counts.ndim != 3 or counts.shape[1] != counts.shape[2] or not len(counts):
            return f"the {records.IMAGE_CONFUSION_FILE} of {trial_id} holds no matrix per image"
        truth = counts.sum(2)
        if self._truth is None:
            self._truth, self.count = truth, len(counts)
            known = groups is not None and len(groups) == len(counts)
            self.units = resampling.units_of(groups if known else None, len(counts))
            self._weights = resampling.unit_weights(self.units, RESAMPLES, np.random.default_rng(_SEED))
        # Equal pixels per class in every image: the same images in the same order.
        if not np.array_equal(truth, self._truth):
            return f"{trial_id} was tested on other images than the rest"
        return counts

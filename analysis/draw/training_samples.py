"""What the trials were trained on: images with their labels, and one mask class by class, of each dataset."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from analysis.draw.example_panels import paint
from analysis.draw.panels import IGNORED, Pixels
from analysis.read.frames import Study
from analysis.read.gathering.study_json import COMPARED_STAGE
from analysis.read.trial_files.data_counts import DataCounts, read_data_counts
from analysis.read.trial_files.example_images import Example, read_examples
from segtrain.records import RecordError


@dataclass(frozen=True, eq=False)
class TrainingSamples:
    """`pairs`: (number in the split, image, truth), each (H, W, 3). `masks`: (class, its share of the pixels, where it
    is) of the truth with the most classes, which is that of image `masked`. `counts` are None in older folders."""

    dataset: str
    counts: DataCounts | None
    pairs: list[tuple[int, Pixels, Pixels]] = field(default_factory=list)
    masks: list[tuple[str, float, npt.NDArray[np.bool_]]] = field(default_factory=list)
    masked: int = 0


def training_samples(study: Study) -> tuple[list[TrainingSamples], list[str]]:
    """The compared dataset first; and what could not be read. Every trial on a dataset has the same: one is read."""
    found: list[TrainingSamples] = []
    problems = []
    trials = study.trials.dropna(subset=["dataset"]).sort_values(
        "stage", key=lambda stages: stages != COMPARED_STAGE, kind="stable"
    )
    for dataset, rows in trials.groupby("dataset", sort=False):
        for folder in (study.out / name for name in rows["folder"]):
            try:
                counts = read_data_counts(folder)
                examples = [one for one in read_examples(folder) if one.rank == "train"]
            except RecordError as error:
                problems.append(str(error))
                break
            if counts is not None or examples:
                found.append(_samples(str(dataset), counts, examples))
                break
    return found, problems


def _samples(dataset: str, counts: DataCounts | None, examples: list[Example]) -> TrainingSamples:
    if not examples:
        return TrainingSamples(dataset, counts)
    pairs = [(one.index, one.image, paint(one.truth, one.palette)) for one in examples]
    fullest = max(examples, key=lambda one: len(np.unique(one.truth)))
    names = dict(enumerate(counts.classes)) if counts else {}
    masks = []
    for label in np.unique(fullest.truth):
        where = fullest.truth == label
        name = "ignored" if label == IGNORED else names.get(int(label), f"class {label}")
        masks.append((name, float(where.mean()), where))
    return TrainingSamples(dataset, counts, pairs, masks, fullest.index)

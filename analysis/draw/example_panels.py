"""The test images that go worst and middling for each model, with what became of them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.draw.panels import RGB, Pixels, mark
from analysis.read.example_images import Palette, read_examples
from analysis.read.frames import Study
from analysis.read.image_errors import image_counts
from analysis.statistics import cells
from segtrain.records import RecordError

RANKS = {"worst1": "worst", "worst2": "second worst", "worst3": "third worst", "median": "median"}
"""Rank of records.EXAMPLE_RANKS -> what it is called."""


@dataclass(frozen=True, eq=False)
class ExamplePanel:
    """A test image of a model: pictures (H, W, 3), the mean IoU of that image alone, NaN where it is not known, and the
    share of its pixels that are wrong."""

    index: int
    image: Pixels
    truth: Pixels
    prediction: Pixels
    marked: Pixels
    iou: float
    wrong: float


def example_panels(study: Study, colour: RGB) -> tuple[dict[str, dict[str, ExamplePanel]], list[str]]:
    """Model and freeze -> rank -> panel, wrong pixels in `colour`; and what could not be read."""
    found: dict[str, dict[str, ExamplePanel]] = {}
    problems = []
    for model in cells.shown(study).to_dict("records"):
        counts = image_counts(study, model["trial_id"])
        try:
            examples = read_examples(study.out / model["folder"])
        except RecordError as error:
            problems.append(str(error))
            continue
        for example in examples:
            if example.prediction is None:
                continue
            prediction = paint(example.prediction, example.palette)
            marked, wrong = mark(prediction, example.prediction, example.truth, colour)
            iou = float("nan") if counts is None or example.index >= len(counts) else image_iou(counts[example.index])
            pictures = (example.image, paint(example.truth, example.palette), prediction, marked)
            found.setdefault(model["name"], {})[example.rank] = ExamplePanel(example.index, *pictures, iou, wrong)
    return found, problems


def paint(labels: Pixels, palette: Palette) -> Pixels:
    """(H, W) ids -> (H, W, 3), black where the palette has no colour."""
    colours = np.zeros((256, 3), dtype=np.uint8)
    known = np.array(palette[: 3 * (len(palette) // 3)], dtype=np.uint8).reshape(-1, 3)
    colours[: len(known)] = known
    painted: Pixels = colours[labels]
    return painted


def image_iou(confusion: npt.NDArray[np.int64]) -> float:
    """(K, K) of one image -> the mean IoU of the classes that its truth or prediction has."""
    hits = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - hits
    return float((hits[union > 0] / union[union > 0]).mean()) if union.any() else float("nan")

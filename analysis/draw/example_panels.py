"""The test images that go worst and middling for each model, with what became of them."""

from dataclasses import dataclass

import numpy as np

from analysis.draw.panels import RGB, Pixels, image_iou, mark
from analysis.read.frames import Study
from analysis.read.trial_files.example_images import Palette, read_examples
from analysis.statistics import cells
from segtrain.records import RecordError

RANKS = {"worst1": "worst", "worst2": "second worst", "worst3": "third worst", "median": "median"}
"""Rank of records.EXAMPLE_RANKS -> what it is called."""


@dataclass(frozen=True, eq=False)
class ExamplePanel:
    """A test image of a model: pictures (H, W, 3), the mean IoU of that image alone, and the share of its pixels that
    are wrong."""

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
            iou = image_iou(example.prediction, example.truth)
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

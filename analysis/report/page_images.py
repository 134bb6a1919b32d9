"""Pictures as the page embeds them: data addresses, with the words that stand under them."""

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from analysis.draw.example_panels import RANKS, ExamplePanel
from analysis.draw.panels import Panels, Pixels
from analysis.draw.training_samples import TrainingSamples

MOST_PX = 640  # of the longer side of a picture on the page; the files have all of them


@dataclass(frozen=True, eq=False)
class PanelPictures:
    """What the page asks of test images that several models share, by row and title."""

    panels: Panels

    def picture(self, row: int, title: str) -> str:
        return data_uri(self.panels.cells[row, title], photo=title == "image")

    def marked(self, row: int, title: str) -> str:
        return data_uri(self.panels.marked[row, title], photo=False)

    def wrong(self, row: int, title: str) -> str:
        return score_text(self.panels.wrong[row, title], self.panels.iou[row, title])


def score_text(wrong: float, iou: float) -> str:
    """`12.5 % wrong, IoU 61.2`"""
    if math.isnan(wrong):
        return "all ignored"
    return f"{100 * wrong:.1f} % wrong" + ("" if math.isnan(iou) else f", IoU {100 * iou:.1f}")


def example_pictures(panels: Mapping[str, ExamplePanel]) -> list[dict[str, Any]]:
    """Of each rank in the order of RANKS: its pictures, as addresses, and its words."""
    return [
        {
            "rank": words,
            "index": panel.index,
            "pictures": [data_uri(panel.image, photo=True), data_uri(panel.truth, photo=False)],
            "prediction": data_uri(panel.prediction, photo=False),
            "marked": data_uri(panel.marked, photo=False),
            "score": score_text(panel.wrong, panel.iou),
        }
        for rank, words in RANKS.items()
        if (panel := panels.get(rank)) is not None
    ]


def sample_pictures(samples: TrainingSamples) -> dict[str, Any]:
    """The training images of a dataset, and the masks of one of them."""
    masks = [
        (name, share, data_uri(np.where(where, 255, 0).astype(np.uint8), photo=False))
        for name, share, where in samples.masks
    ]
    return {
        "dataset": samples.dataset,
        "pairs": [
            (index, data_uri(image, photo=True), data_uri(truth, photo=False)) for index, image, truth in samples.pairs
        ],
        "masks": masks,
        "masked": samples.masked,
    }


def data_uri(pixels: Pixels, *, photo: bool) -> str:
    """(H, W, 3) or (H, W) uint8 -> a data: address; a photo as JPEG, a mask as PNG, which keeps its colours. Of large
    ones every n-th pixel."""
    step = -(-max(pixels.shape[:2]) // MOST_PX)
    content = BytesIO()
    kind = "jpeg" if photo else "png"
    picture = Image.fromarray(np.ascontiguousarray(pixels[::step, ::step]))
    if not photo and picture.mode == "RGB" and (few := picture.getcolors(256)) is not None and few:
        picture = picture.quantize(len(few), dither=Image.Dither.NONE)
    picture.save(content, format=kind, **({"quality": 90} if photo else {"optimize": True}))
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"

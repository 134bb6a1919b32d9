"""What every tracker is told of a trial, and what each of them does with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from segtrain import records
from segtrain.config import TrialConfig

if TYPE_CHECKING:
    from PIL.Image import Image

Line = Mapping[str, Any]
"""Of metrics.jsonl."""
PANELS = "panels"


@dataclass(frozen=True)
class TrackedRun:
    """One trial: `folder` is its own, in `out`; `name` is the run's, which trials of other studies may have too."""

    study: str
    name: str
    config: TrialConfig
    folder: Path
    out: Path


class Tracker(Protocol):
    """The run of one trial. A method may raise whatever its library does; after that only `stop` is called, or all over
    again from `start`."""

    def start(self, lines: Sequence[Line]) -> None:
        """Begins the run, or goes on with the one that the trial has, and sees to it that it holds each of `lines`, all
        that there are, once."""

    def log(self, line: Line) -> None:
        """Takes the next line."""

    def finish(self, scores: Mapping[str, float], panels: Mapping[str, "Image"]) -> None:
        """Takes the test scores, and pictures by name, after the last line."""

    def stop(self) -> None:
        """Ends the run as it is, so that it can be read."""


def numbers_of(line: Line) -> dict[str, float]:
    """The numbers of a line; the IoU of class 3 is `val/iou/3`, and that of an absent class is left out."""
    numbers = {key: value for key, value in line.items() if isinstance(value, int | float) and key != records.EPOCH}
    for index, iou in enumerate(line.get(records.VAL_IOU) or ()):
        if iou is not None:
            numbers[f"{records.VAL_IOU}/{index}"] = iou
    return numbers


def test_scores_of(folder: Path) -> dict[str, float]:
    """`test/mean_iou` and so on, and `test/iou/<class>`; without those that are undefined."""
    scores = records.read_test_scores(folder)
    named = {f"test/{name}": value for name, value in vars(scores).items() if isinstance(value, float)}
    classes = zip(scores.classes, scores.iou, strict=True)
    return named | {f"test/iou/{name}": iou for name, iou in classes if iou is not None}


def panels_of(folder: Path) -> dict[str, "Image"]:
    """`00`, `01`, ...: image, truth and prediction side by side, as far as the trial has any."""
    from PIL import Image  # here, since the driver imports this module too and has no use for pictures

    panels = {}
    for index in range(records.PANEL_COUNT):
        paths = [folder / records.PANELS_DIR / records.panel_file(index, kind) for kind in records.PANEL_KINDS]
        if not all(path.exists() for path in paths):
            break
        parts = [Image.open(path).convert("RGB") for path in paths]
        joined = Image.new("RGB", (sum(part.width for part in parts), parts[0].height))
        for position, part in enumerate(parts):
            joined.paste(part, (position * part.width, 0))
        panels[f"{index:02d}"] = joined
    return panels

"""TensorBoard: a folder of event files for each trial, `<out>/tensorboard/<study>/<run>-<end of the trial's id>/`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from segtrain import records
from sweeps.engine.run.tracking.tracked_run import PANELS, Line, TrackedRun, numbers_of

if TYPE_CHECKING:
    from PIL.Image import Image

FOLDER = "tensorboard"
COMPARED = (records.VAL_MEAN_IOU, records.TEST_MEAN_IOU)
"""Columns of the HParams page, beside those of the recipe."""


class TensorboardTracker:
    """A trial that goes on writes all its epochs anew in place of its earlier events."""

    def __init__(self, run: TrackedRun) -> None:
        self.run = run
        self.folder = run.out / FOLDER / run.study / f"{run.name}-{run.config.trial_id.rpartition('-')[2]}"
        self.writer: Any = None
        self.epoch = 0

    def start(self, lines: Sequence[Line]) -> None:
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        self.stop()
        for earlier in self.folder.glob("events.out.tfevents.*"):
            earlier.unlink()
        # A TensorBoard that is looking drops what it has from the step to purge on, and reads the new file.
        self.writer = SummaryWriter(str(self.folder), purge_step=0)
        recipe = {
            name: value if isinstance(value, bool | int | float | str) else str(value)
            for name, value in self.run.config.to_dict().items()
        }
        # `add_hparams` of the writer would make a run of its own, and only knows trials that have ended.
        *begin, self.ended = hparams(recipe, dict.fromkeys(COMPARED, 0.0))
        for summary in begin:
            self.writer.file_writer.add_summary(summary)
        for line in lines:
            self._add(line)
        self.writer.flush()

    def log(self, line: Line) -> None:
        self._add(line)
        self.writer.flush()

    def _add(self, line: Line) -> None:
        self.epoch = line[records.EPOCH]
        for name, value in numbers_of(line).items():
            self.writer.add_scalar(name, value, self.epoch)

    def finish(self, scores: Mapping[str, float], panels: Mapping[str, "Image"]) -> None:
        import numpy as np

        for name, value in scores.items():
            self.writer.add_scalar(name, value, self.epoch)
        for name, image in panels.items():
            self.writer.add_image(f"{PANELS}/{name}", np.asarray(image), self.epoch, dataformats="HWC")
        self.writer.file_writer.add_summary(self.ended)
        self.writer.flush()

    def stop(self) -> None:
        if self.writer is not None:
            self.writer.close()
            self.writer = None

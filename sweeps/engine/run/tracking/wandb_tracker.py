"""Weights & Biases: a run whose id is the trial's, its group the study."""

import os
import shutil
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from segtrain import records
from sweeps.engine.ask.options import WandbMode
from sweeps.engine.run.tracking.tracked_run import PANELS, Line, TrackedRun, numbers_of

if TYPE_CHECKING:
    from PIL.Image import Image

PROJECT = "segmentation-sweeps"


class WandbTracker:
    """A trial that goes on replaces its own earlier offline folder. So there is one folder a trial, it holds the whole
    history, and `wandb sync` needs no special order; an online run ignores the steps that it already has.

    wandb itself reads entity and tags from WANDB_ENTITY and WANDB_TAGS.
    """

    def __init__(self, run: TrackedRun, mode: WandbMode) -> None:
        self.run, self.mode = run, mode
        self.begun: Any = None
        self.epoch = 0

    def start(self, lines: Sequence[Line]) -> None:
        import wandb

        for earlier in (self.run.folder / "wandb").glob("offline-run-*"):
            shutil.rmtree(earlier)
        self.begun = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            group=self.run.study,
            name=self.run.name,
            id=self.run.config.trial_id,
            resume="allow" if self.mode == "online" else None,
            config=self.run.config.to_dict(),
            dir=self.run.folder,
            mode=self.mode,
            reinit="finish_previous",
            settings=wandb.Settings(console="off", x_disable_stats=True, silent=True),
        )
        for line in lines:
            self.log(line)

    def log(self, line: Line) -> None:
        self.epoch = line[records.EPOCH]
        self.begun.log({records.EPOCH: self.epoch, **numbers_of(line)}, step=self.epoch)

    def finish(self, scores: Mapping[str, float], panels: Mapping[str, "Image"]) -> None:
        import wandb

        if panels:
            images = [wandb.Image(image, caption=name) for name, image in panels.items()]
            self.begun.log({PANELS: images}, step=self.epoch)
        self.begun.summary.update(scores)

    def stop(self) -> None:
        if self.begun is not None:
            self.begun.finish()
            self.begun = None

"""wandb, one run a trial, inside the worker. Its failure never stops a trial; `problem` says what it was."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

from segtrain import records
from segtrain.config import TrialConfig
from sweeps.engine.ask.options import WandbMode

PROJECT = "segmentation-sweeps"
P = ParamSpec("P")


def _never_raises(method: Callable[Concatenate["Tracker", P], None]) -> Callable[Concatenate["Tracker", P], None]:
    def guarded(self: "Tracker", /, *args: P.args, **kwargs: P.kwargs) -> None:
        if self.off:
            return
        try:
            method(self, *args, **kwargs)
        except Exception as error:  # wandb raises what it likes: a full disk, a refused login, its own bugs
            self.off = True
            self.problem = f"wandb is off for {self.run_name}: {type(error).__name__}: {error}"

    return guarded


class Tracker:
    """The wandb run of one trial; its id is the trial's.

    A resumed trial begins by logging every epoch on disk again and replaces its own earlier offline folder. So
    there is one folder a trial, it holds the whole history, and `wandb sync` needs no special order; an online
    run ignores the steps that it already has.
    """

    def __init__(self, mode: WandbMode, study: str, run_name: str, config: TrialConfig, folder: Path) -> None:
        self.mode, self.study, self.run_name, self.config, self.folder = mode, study, run_name, config, folder
        self.run: Any = None
        self.off = mode == "disabled"
        self.problem: str | None = None

    @_never_raises
    def log(self, record: Mapping[str, Any]) -> None:
        """Logs one line of metrics.jsonl at its epoch."""
        if self.run is None:
            self._start()
        else:
            self._log(record)

    @_never_raises
    def finish(self) -> None:
        """Adds the test scores, when there are any, to the run of a trial that has ended, and ends it."""
        if (self.folder / records.TEST_FILE).exists():
            if self.run is None:
                self._start()  # killed between its last epoch and its test, the trial had nothing more to log
            scores = records.read_test_scores(self.folder)
            self.run.summary.update(
                {f"test/{k}": v for k, v in vars(scores).items() if isinstance(v, float)}
                | {f"test/iou/{name}": iou for name, iou in zip(scores.classes, scores.iou, strict=True)}
            )
        self.stop()

    @_never_raises
    def stop(self) -> None:
        """Ends the run, if one was begun, as it is. Safe to call twice."""
        if self.run is not None:
            self.run.finish()
            self.run = None

    def _start(self) -> None:
        import wandb  # here, so that a missing wandb is a failure like any other

        for earlier in (self.folder / "wandb").glob("offline-run-*"):
            shutil.rmtree(earlier)
        self.run = wandb.init(
            project=PROJECT,
            group=self.study,
            name=self.run_name,
            id=self.config.trial_id,
            resume="allow" if self.mode == "online" else None,
            config=self.config.to_dict(),
            dir=self.folder,
            mode=self.mode,
            reinit="finish_previous",
            settings=wandb.Settings(console="off", x_disable_stats=True, silent=True),
        )
        for line in records.read_metrics(self.folder):
            self._log(line)

    def _log(self, record: Mapping[str, Any]) -> None:
        values = {key: value for key, value in record.items() if isinstance(value, int | float)}
        for index, iou in enumerate(record.get(records.VAL_IOU, ())):
            if iou is not None:
                values[f"{records.VAL_IOU}/{index}"] = iou
        self.run.log(values, step=record[records.EPOCH])

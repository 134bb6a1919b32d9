"""The trackers of one trial, inside its worker. The failure of one never stops the trial, nor another tracker."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from segtrain import records
from sweeps.engine.ask.options import Options, TrackerName
from sweeps.engine.ask.passwords import hide_passwords
from sweeps.engine.run.tracking.mlflow_tracker import MlflowTracker
from sweeps.engine.run.tracking.tensorboard_tracker import TensorboardTracker
from sweeps.engine.run.tracking.tracked_run import Line, TrackedRun, Tracker, panels_of, test_scores_of
from sweeps.engine.run.tracking.wandb_tracker import WandbTracker

CARRIED = ("WANDB_PROJECT", "WANDB_ENTITY", "WANDB_TAGS", "WANDB_BASE_URL", "MLFLOW_TRACKING_URI")
"""Variables of the command that its workers on other machines get too, since they say where runs go. None that holds a
password: what a worker gets lies on the disk for a while."""


def tracking_of(options: Options) -> dict[str, Any]:
    """What a worker needs to know: {"trackers", "wandb": its mode, "variables"}."""
    trackers = [name for name in options.track if name != "wandb" or options.wandb != "disabled"]
    given = {name: os.environ[name] for name in CARRIED if name in os.environ}
    variables = {name: value for name, value in given.items() if hide_passwords(value) == value}
    return {"trackers": trackers, "wandb": options.wandb, "variables": variables}


class TrialTrackers:
    """`problems` says of each tracker that failed what it was."""

    def __init__(self, tracking: Mapping[str, Any], run: TrackedRun) -> None:
        os.environ.update(tracking["variables"])
        makers: dict[TrackerName, Callable[[], Tracker]] = {
            "wandb": lambda: WandbTracker(run, tracking["wandb"]),
            "tensorboard": lambda: TensorboardTracker(run),
            "mlflow": lambda: MlflowTracker(run),
        }
        self.trackers = {name: SafeTracker(makers[name](), run) for name in tracking["trackers"]}

    @property
    def problems(self) -> dict[str, str]:
        return {name: tracker.problem for name, tracker in self.trackers.items() if tracker.problem is not None}

    def log(self, line: Line) -> None:
        """Logs one line of metrics.jsonl, which is on disk, at its epoch."""
        for tracker in self.trackers.values():
            tracker.log(line)

    def finish(self) -> None:
        """Adds the test scores and panels, when there are any, to the runs of a trial that has ended, and ends them."""
        for tracker in self.trackers.values():
            tracker.finish()

    def stop(self) -> None:
        """Ends the runs, if any were begun, as they are. Safe to call twice."""
        for tracker in self.trackers.values():
            tracker.stop()


class SafeTracker:
    """A tracker that raises nothing. One that failed is tried once more at the end of its trial, with all that it has
    missed: a disk may have room again by then, and a server be back."""

    def __init__(self, tracker: Tracker, run: TrackedRun) -> None:
        self.tracker, self.run = tracker, run
        self.open = False
        self.problem: str | None = None

    def log(self, line: Line) -> None:
        if self.problem is None:
            with self._kept_from_the_trial():
                if self.open:
                    self.tracker.log(line)
                else:
                    self._open()

    def finish(self) -> None:
        folder, failed_before = self.run.folder, self.problem is not None
        tested = (folder / records.TEST_FILE).exists()
        self.problem = None
        with self._kept_from_the_trial():
            if not self.open and (tested or failed_before):
                self._open()  # killed between its last epoch and its test, the trial had nothing more to log
            if tested:
                self.tracker.finish(test_scores_of(folder), panels_of(folder))
        self.stop()

    def stop(self) -> None:
        if self.open:
            self.open = False
            with self._kept_from_the_trial():
                self.tracker.stop()

    def _open(self) -> None:
        self.tracker.start(records.read_metrics(self.run.folder))
        self.open = True

    @contextmanager
    def _kept_from_the_trial(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # what libraries raise: a full disk, a refused login, their own bugs
            self.problem = f"{type(error).__name__}: {' '.join(str(error).split())}"
            self.open = False
            with suppress(Exception):
                self.tracker.stop()

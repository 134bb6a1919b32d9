"""One trial as Ray Tune sees it: `step()` is `next()` on the training generator."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from ray import tune

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.data.by_name import remember_places
from segtrain.training.trial import TrialLocked, reason_of, train
from sweeps.engine.run.tracking import Tracker

OUTCOME = "outcome"
REASON = "reason"  # of an error
TRACKING_PROBLEM = "tracking_problem"
Outcome = Literal["ended", "locked"]
"""Of a trial that is done: its status on disk says how it ended, unless another process has it locked."""


class TrialTrainable(tune.Trainable):
    """Runs one trial after another in one process, so that torch is imported and started once.

    `config`: {"trial": TrialConfig fields, "run_name", "study", "out", "data_root", "data_places", "wandb", "cpus",
    "gpus"}. Nothing that happens in a trial is raised into Tune: only the death of the process is an error there.
    """

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        return tune.PlacementGroupFactory([{"CPU": config["cpus"], "GPU": config["gpus"]}])

    def setup(self, config: dict[str, Any]) -> None:
        remember_places(config["data_places"])
        trial = TrialConfig.from_dict(config["trial"])
        folder = records.trial_dir(Path(config["out"]), trial.trial_id)
        self.epochs: Iterator[dict[str, Any]] = train(
            trial, folder, Path(config["data_root"]), max(1, int(config["cpus"])), use_gpu=config["gpus"] > 0
        )
        self.broken = False
        self.tracker = Tracker(config["wandb"], config["study"], config["run_name"], trial, folder)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.cleanup()
        if self.broken:
            os._exit(1)  # the queue hands the new trial to a new process
        self.config = new_config
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        try:
            record = next(self.epochs)
        except StopIteration:
            self.tracker.finish()
            return self._done("ended")
        except TrialLocked:
            return self._done("locked")
        except Exception as error:
            # Whatever it was, the sweep goes on and reports it. An error of CUDA stays with its process, though.
            self.broken = self.config["gpus"] > 0
            self.tracker.stop()
            return self._done("ended", reason_of(error))
        self.tracker.log(record)
        return record

    def cleanup(self) -> None:
        self.epochs.close()  # type: ignore[attr-defined]  # a generator; closing lets go of the trial's lock
        self.tracker.stop()

    def _done(self, outcome: Outcome, reason: str | None = None) -> dict[str, Any]:
        return {"done": True, OUTCOME: outcome, REASON: reason, TRACKING_PROBLEM: self.tracker.problem}

"""One trial as Ray Tune sees it: `step()` is `next()` on the training generator."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from ray import tune

from segtrain import own_code, records
from segtrain.config import TrialConfig
from segtrain.data.by_name import remember_places
from sweeps.engine.run.tracking.tracked_run import TrackedRun
from sweeps.engine.run.tracking.trial_trackers import TrialTrackers

OUTCOME = "outcome"
REASON = "reason"  # of an error
TRACKING_PROBLEMS = "tracking_problems"  # name of a tracker -> what it failed of
Outcome = Literal["ended", "locked", "out of memory"]
"""Of a trial that is done: its status on disk says how it ended, unless another process has it locked, or it ran out of
memory and may run again."""


class TrialTrainable(tune.Trainable):
    """Runs one trial after another in one process, so that torch is imported and started once; in the driver, which
    knows this class too, it is not imported at all.

    `config`: {"trial": TrialConfig fields, "trial_id", "run_name", "study", "out", "data_root", "data_places",
    "import_path", "directory", "tracking", "cpus", "gpus", "bundle", "shorter": the folder of a trial that it goes on
    from, or None, "extendable"}. Nothing that happens in a trial is raised into Tune: only the death of the process is
    an error there.
    """

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        return tune.PlacementGroupFactory([config["bundle"]])

    def setup(self, config: dict[str, Any]) -> None:
        self.broken = False
        self.refused: str | None = None  # raised here, an error would count as a death, and be tried again
        try:
            self._begin(config)
        except Exception as error:
            self.refused = own_code.describe_error(error)
            folder = records.trial_dir(Path(config["out"]), config["trial_id"])
            with suppress(OSError):  # then the reason that the last step gives is all there is
                folder.mkdir(parents=True, exist_ok=True)
                status = records.ended("failed", None, config["trial"]["epochs"], self.refused)
                records.write_status(folder, status)

    def _begin(self, config: dict[str, Any]) -> None:
        from segtrain.training.trial import train

        own_code.make_importable(config["import_path"])
        with suppress(OSError):  # of a cluster, this node may lack it
            os.chdir(config["directory"])  # where a relative path means what it meant on the command line
        remember_places(config["data_places"])
        trial = TrialConfig.from_dict(config["trial"])
        folder = records.trial_dir(Path(config["out"]), trial.trial_id)
        self.epochs: Iterator[dict[str, Any]] = train(
            trial,
            folder,
            Path(config["data_root"]),
            max(1, int(config["cpus"])),
            use_gpu=config["gpus"] > 0,
            shorter=None if config["shorter"] is None else Path(config["shorter"]),
            extendable=config["extendable"],
        )
        run = TrackedRun(config["study"], config["run_name"], trial, folder, Path(config["out"]))
        self.trackers = TrialTrackers(config["tracking"], run)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.cleanup()
        if self.broken:
            os._exit(1)  # the queue hands the new trial to a new process
        self.config = new_config
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        if self.refused is not None:
            return {"done": True, OUTCOME: "ended", REASON: self.refused, TRACKING_PROBLEMS: {}}
        from segtrain.machine.device import is_out_of_memory
        from segtrain.training.trial import TrialLocked, reason_of

        try:
            record = next(self.epochs)
        except StopIteration:
            self.trackers.finish()
            return self._done("ended")
        except TrialLocked:
            return self._done("locked")
        except Exception as error:
            # Whatever it was, the sweep goes on and reports it. An error of CUDA stays with its process, though.
            # And memory that was hard to get is given back by the end of the process alone.
            out_of_memory = is_out_of_memory(error)
            self.broken = self.config["gpus"] > 0 or out_of_memory
            self.trackers.stop()
            return self._done("out of memory" if out_of_memory else "ended", reason_of(error))
        self.trackers.log(record)
        return record

    def cleanup(self) -> None:
        if self.refused is not None:
            return
        self.epochs.close()  # type: ignore[attr-defined]  # a generator; closing lets go of the trial's lock
        self.trackers.stop()

    def _done(self, outcome: Outcome, reason: str | None = None) -> dict[str, Any]:
        return {"done": True, OUTCOME: outcome, REASON: reason, TRACKING_PROBLEMS: self.trackers.problems}

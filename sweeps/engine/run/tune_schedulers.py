"""When Tune starts what the queue has handed out, and what it stops."""

from typing import Any

from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler

from segtrain import records
from sweeps.engine.run.queue.trial_source import Source


class NewestFirst(FIFOScheduler):
    """Starts the trial that was added last. The queue only hands out what may start at once, so order is no concern;
    but Tune gives an idle worker to the trial it picks, stopping any worker being started for that trial. Picking
    the oldest would take the worker from a trial whose own is still starting after a death, again and again: a
    sweep of short trials would then go on with one worker less to its end."""

    def choose_trial_to_run(self, tune_controller: Any) -> TuneTrial | None:
        # Few are live, and all that there were are looked at only when one of those may start.
        if not any(trial.status == TuneTrial.PENDING for trial in tune_controller.get_live_trials()):
            return None
        return next(t for t in reversed(tune_controller.get_trials()) if t.status == TuneTrial.PENDING)


class Pruning(NewestFirst):
    """Stops the trials that the source of a search has no more hope for."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles this into a snapshot that nobody restores

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        trial_id, value = trial.config["trial_id"], result.get(records.VAL_MEAN_IOU)
        if value is not None and self.source.report(trial_id, result[records.EPOCH], value):
            # Here, while the trial waits for its next step, and not when Tune gets to stopping it.
            self.source.prune(trial_id)
            return str(FIFOScheduler.STOP)
        return str(FIFOScheduler.CONTINUE)

"""What Tune calls at the events of a sweep, beside the table and those who watch the workers."""

import signal
from typing import Any

from ray import tune

from sweeps.engine.run.mirroring import Mirror


class KeptSignal(tune.Callback):
    """Gives SIGUSR1 back to whoever had it when this was made: Tune takes it, to end the sweep in its own way."""

    def __init__(self) -> None:
        self.handler = signal.getsignal(signal.SIGUSR1)

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles this into a snapshot that nobody restores

    def setup(self, **info: Any) -> None:
        signal.signal(signal.SIGUSR1, self.handler)


class MirrorEvents(tune.Callback):
    """Tells the mirror of the trials."""

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles this into a snapshot that nobody restores

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Any, **info: Any) -> None:
        self.mirror.runs(trial.config["trial_id"])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.mirror.ended(trial.config["trial_id"])

"""When a running sweep needs somebody: what it cannot mend by trying again."""

import time
from collections.abc import Callable
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial as TuneTrial

from segtrain import records
from segtrain.machine.disk import NO_SPACE_LEFT
from sweeps.engine.run.notifying import Need

LOOK_EVERY_S = 5.0


class CallsForHelp(Callback):
    """Tells of trials that have failed for good, and of a cluster that has no room for a trial any more.

    `why_again(trial_id)` is why a trial that was lost is tried again, None when it is not; `slots()` is how many trials
    may run now.
    """

    def __init__(
        self,
        tell: Callable[[Need, str], None],
        read_status: Callable[[str], records.Status | None],
        why_again: Callable[[str], str | None],
        slots: Callable[[], int],
    ) -> None:
        self.tell, self.read_status, self.why_again, self.slots = tell, read_status, why_again, slots
        self.looked = time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles this into a snapshot that nobody restores

    def on_trial_complete(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        self._look_at(trial)

    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        self._look_at(trial)

    def _look_at(self, trial: TuneTrial) -> None:
        trial_id = trial.config["trial_id"]
        try:
            status = self.read_status(trial_id)
        except (records.RecordError, OSError):  # told when the command is given again
            return
        if status is None or status.state != "failed" or self.why_again(trial_id) is not None:
            return
        reason = status.reason or "it gave no reason"
        self.tell("full disk" if reason.startswith(NO_SPACE_LEFT) else "failed trial", f"{trial_id}: {reason}")

    def on_step_end(self, iteration: int, trials: list[TuneTrial], **info: Any) -> None:
        if time.monotonic() - self.looked > LOOK_EVERY_S:
            self.looked = time.monotonic()
            if self.slots() == 0:
                self.tell("no machine", "no machine is left that has room for a trial; the sweep waits for one")

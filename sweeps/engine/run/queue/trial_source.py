"""Where trials come from that are not all known when a sweep begins."""

from typing import Protocol

from segtrain import records
from sweeps.engine.ask.study import Trial


class Source(Protocol):
    """Where trials come from that depend on how others ended, such as those of a search."""

    @property
    def unasked(self) -> int:
        """How many more trials `next_trial` will give."""

    def next_trial(self) -> Trial | None:
        """A trial that may start when its parent has finished, which has been given before or is in the plan, or that
        has ended already; None when there is none now."""

    def report(self, trial_id: str, epoch: int, value: float) -> bool:
        """Takes a validation mean IoU of a running trial; whether the trial should stop there."""

    def prune(self, trial_id: str) -> None:
        """Writes down that the trial was stopped."""

    def ended(self, trial: Trial, outcome: records.State) -> None:
        """Is told once how each trial ended, of `next_trial` or of the plan."""

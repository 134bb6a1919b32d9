"""Hands the queue the next seeds, in the same run, as soon as those before them have ended."""

from collections import deque
from collections.abc import Callable, Sequence

from segtrain import records
from segtrain.config import TrialConfig
from sweeps.engine.ask.options import Options
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.actions import PlannedTrial, check_decided
from sweeps.engine.plan.earlier.restart import clear_restarted
from sweeps.engine.plan.replication import Replication


class ReplicateSource:
    """The trials that follow from how others ended, as a Source. `write` is called whenever trials or looks have been
    added, before any of them starts; `epoch_flops` is what an epoch costs, and the costliest trials go first.

    `ended` raises PlanError on folders that cannot be gone on with.
    """

    def __init__(
        self,
        replication: Replication,
        options: Options,
        write: Callable[[], None],
        epoch_flops: Callable[[TrialConfig], float],
    ) -> None:
        self.replication, self.options, self.write, self.epoch_flops = replication, options, write, epoch_flops
        self.waiting: deque[Trial] = deque()

    @property
    def unasked(self) -> int:
        return len(self.waiting)

    def next_trial(self) -> Trial | None:
        return self.waiting.popleft() if self.waiting else None

    def report(self, trial_id: str, epoch: int, value: float) -> bool:
        return False

    def prune(self, trial_id: str) -> None:
        raise AssertionError("nothing is stopped early: `report` never asks for it")

    def ended(self, trial: Trial, outcome: records.State) -> None:
        rounds = self.replication.rounds, self.replication.over
        found = self.replication.end(trial.trial_id, outcome)
        if (self.replication.rounds, self.replication.over) != rounds:
            self._prepare(found)

    def _prepare(self, found: Sequence[PlannedTrial]) -> None:
        check_decided(found, self.options.out)
        clear_restarted(found, self.options.out)
        self.write()
        costs = {p.trial.trial_id: p.epochs_left * self.epoch_flops(p.trial.config) for p in found}
        ordered = sorted((p.trial for p in found), key=lambda t: (len(t.ancestors), -costs[t.trial_id]))
        self.waiting.extend(ordered)

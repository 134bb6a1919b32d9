"""The rows of the live table, and sums over them that are kept as they change."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.engine.plan.actions import PlannedTrial
from sweeps.engine.plan.cost import makespan

MOST_IN_ORDER = 100
"""So many open trials at most are scheduled one by one for the time that is left."""


@dataclass
class Row:
    planned: PlannedTrial
    epoch_flops: float
    state: str
    epoch: int
    val_mean_iou: float | None = None  # the best so far
    val_iou: Sequence[float | None] | None = None  # of each class, there
    images_per_s: float | None = None
    flops_per_s: float | None = None

    @property
    def open(self) -> bool:
        return self.state in ("pending", "running", "waiting")

    @property
    def flops_left(self) -> float:
        return (self.planned.trial.config.epochs - self.epoch) * self.epoch_flops


class Totals:
    """Sums over the rows of a sweep, kept as they change: with thousands of rows nothing may look at all of them for
    every epoch. `states` counts rows, `open` are those that have not ended, by trial id and in order."""

    def __init__(self) -> None:
        self.states: Counter[str] = Counter()
        self.open: dict[str, Row] = {}
        self.rates = self.flops_spent = self.flops_left = self.seconds_left = 0.0
        self.rates_at: dict[float, list[float]] = defaultdict(lambda: [0.0, 0.0])  # epoch's cost -> sum, and how many
        self.rated = self.spent = 0  # rows that have a rate, and rows that ended after an epoch

    def change(self, row: Row, **values: Any) -> None:
        self._count(row, -1)
        for name, value in values.items():
            setattr(row, name, value)
        self.add(row)

    def add(self, row: Row) -> None:
        self._count(row, 1)
        if row.open:
            self.open.setdefault(row.planned.trial.trial_id, row)
        else:
            self.open.pop(row.planned.trial.trial_id, None)

    def _count(self, row: Row, sign: int) -> None:
        self.states[row.state] += sign
        if row.flops_per_s:
            self.rates += sign * row.flops_per_s
            self.rates_at[row.epoch_flops][0] += sign * row.flops_per_s
            self.rates_at[row.epoch_flops][1] += sign
            self.rated += sign
        if row.open and row.flops_per_s:
            self.seconds_left += sign * row.flops_left / row.flops_per_s
        elif row.open:
            self.flops_left += sign * row.flops_left
        elif row.epoch:
            self.flops_spent += sign * row.epoch * row.epoch_flops
            self.spent += sign

    def seconds_of(self, row: Row) -> float | None:
        """What is left of a trial: at its own rate, or at that of trials whose epochs cost the same, or of all that
        have shown one."""
        if not self.rated:
            return None
        total, count = self.rates_at.get(row.epoch_flops, (0.0, 0.0))
        return row.flops_left / (row.flops_per_s or (total / count if count else self.rates / self.rated))

    def eta_s(self, slots: int, unasked: int, within: float = math.inf) -> float | None:
        """Seconds until the last trial ends, at the rates that trials have shown; None before the first epoch. Trials
        that are not known yet, `unasked` of them, are taken to be like those that have ended, so before one has, they
        are left out. With many trials their order no longer matters, and they share the slots evenly. What would not
        end `within` so many seconds will not be started."""
        if not self.rated:
            return None
        rate = self.rates / self.rated
        unknown = unasked * self.flops_spent / rate / self.spent / max(1, slots) if self.spent else 0.0
        if len(self.open) > MOST_IN_ORDER:
            return self._until(within, unknown + (self.seconds_left + self.flops_left / rate) / max(1, slots))
        durations = [
            (trial_id, self.seconds_of(row) or 0.0, row.planned.trial.config.parent)
            for trial_id, row in self.open.items()
        ]
        return self._until(within, unknown + makespan(durations, slots, within))

    def _until(self, within: float, seconds: float) -> float:
        """No more than `within`, but for trials that run on: they were slower than was thought."""
        return seconds if within == math.inf else max(min(seconds, within), self._longest_running())

    def _longest_running(self) -> float:
        running = (row for row in self.open.values() if row.state == "running")
        return max((self.seconds_of(row) or 0.0 for row in running), default=0.0)

"""What a running sweep shows: a live table on a terminal, one line an event elsewhere."""

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial as TuneTrial
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.fields import printable
from sweeps.engine.ask.options import Budget
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.actions import PlannedTrial
from sweeps.engine.plan.cost import duration, percent
from sweeps.engine.plan.rates import SHORTEST_S
from sweeps.engine.run.progress.sweep_totals import Row, Totals
from sweeps.engine.run.queue.trial_source import Source
from sweeps.engine.run.trainable import OUTCOME, TRACKING_PROBLEMS
from sweeps.engine.say import say

REFRESH_S = 0.5
LOOK_AT = 50
"""Folders that are looked into at every refresh."""
FRAME_LINES = 8
"""Of a terminal, that the table takes beside its rows."""


class SweepTable(Callback):
    """Follows a sweep through Tune's callbacks. `epoch_flops(config)` is what an epoch of a trial costs, `slots()` how
    many trials run at once; `source` gives trials beyond the plan. `why_again(trial_id)` is
    why one that was lost is tried again. With a `budget`, `planned_rate(config)` is how many operations a second a
    trial is taken to do while none of this sweep has shown its own."""

    def __init__(
        self,
        console: Console,
        plan: Sequence[PlannedTrial],
        epoch_flops: Callable[[TrialConfig], float],
        slots: Callable[[], int],
        read_status: Callable[[str], records.Status | None],
        source: Source | None,
        why_again: Callable[[str], str | None],
        budget: Budget | None = None,
        planned_rate: Callable[[TrialConfig], float] | None = None,
    ) -> None:
        self.console, self.epoch_flops, self.slots, self.read_status = console, epoch_flops, slots, read_status
        self.source, self.why_again = source, why_again
        self.budget, self.planned_rate = budget, planned_rate
        self.rows: dict[str, Row] = {}
        self.totals = Totals()
        self.unseen: deque[str] = deque()  # trials that have not begun, the one looked at longest ago first
        for planned in plan:
            flops = epoch_flops(planned.trial.config) if planned.epochs_left else 0.0
            self._enter(Row(planned, flops, _first_state(planned), planned.epoch))
        self.live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self.refreshed = 0.0
        self.untracked: Counter[str] = Counter()  # trials that a tracker lacks, in whole or in part

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles this into a snapshot that nobody restores

    def __enter__(self) -> "SweepTable":
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._look(len(self.unseen))
        if self.live:
            self.live.update(self.render(), refresh=True)
            self.live.stop()
        for tracker, count in self.untracked.items():
            if count > 1:
                say(self.console, f"{tracker} lacks {count} trials of this sweep, in whole or in part")

    def add(self, trial: Trial) -> None:
        """Takes up a trial that was not in the plan."""
        if trial.trial_id not in self.rows:
            status = self._status(trial.trial_id)
            epoch = status.epoch if status is not None and status.state == "running" else 0
            planned = PlannedTrial(trial, "run", epoch, status)
            self._enter(Row(planned, self.epoch_flops(trial.config), "pending", epoch))

    def seconds_of(self, trial: Trial) -> float:
        """How long what is left of a trial will take; 0 where nothing is known of any."""
        self.add(trial)
        row = self.rows[trial.trial_id]
        measured = self.totals.seconds_of(row)
        if measured is not None or self.planned_rate is None:
            return measured or 0.0
        return row.flops_left / self.planned_rate(trial.config)

    def fits(self, trial: Trial) -> bool:
        """Whether a trial that starts now would end within the budget."""
        return self.budget is None or self.seconds_of(trial) <= self.budget.left_s

    def _enter(self, row: Row) -> None:
        self.rows[row.planned.trial.trial_id] = row
        self.totals.add(row)
        if row.open:
            self.unseen.append(row.planned.trial.trial_id)

    def on_trial_start(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        row = self._row(trial)
        self.totals.change(row, state="running")
        self._line(row, f"running on {trial.config['cpus']:g} CPUs, {trial.config['gpus']:g} GPUs")

    def on_trial_result(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, result: dict[str, Any], **info: Any
    ) -> None:
        row = self._row(trial)
        if OUTCOME in result:
            return
        val, val_iou = result.get(records.VAL_MEAN_IOU), result.get(records.VAL_IOU)
        if val is not None and (row.val_mean_iou is None or val > row.val_mean_iou):
            self.totals.change(row, val_mean_iou=val, val_iou=val_iou)
        self.totals.change(
            row,
            epoch=result[records.EPOCH],
            images_per_s=result[records.IMAGES_PER_S],
            flops_per_s=row.epoch_flops / max(result[records.EPOCH_S], SHORTEST_S),
        )
        self._line(
            row,
            f"epoch {row.epoch}/{row.planned.trial.config.epochs}  val mIoU {percent(val, val_iou)}  "
            f"{row.images_per_s:.0f} images/s  ETA {duration(self.eta_s())}",
        )

    def on_trial_complete(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        row = self._row(trial)
        for tracker, problem in trial.last_result.get(TRACKING_PROBLEMS, {}).items():
            self._untracked(tracker, row.planned.trial.run_name, problem)
        if trial.last_result.get(OUTCOME) == "locked":
            self._reopen(row)
            self._line(row, "another process runs it")
            return
        why = self.why_again(row.planned.trial.trial_id)
        if trial.last_result.get(OUTCOME) == "out of memory" and why is not None:
            self._reopen(row)
            self._line(row, why)
            return
        status = self._status(row.planned.trial.trial_id)
        self.totals.change(row, state=status.state if status else "pending")
        self._line(row, row.state + (f": {status.reason}" if status and status.reason else ""))

    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        row = self._row(trial)
        trial_id = row.planned.trial.trial_id
        status, why = self._status(trial_id), self.why_again(trial_id)
        if why is not None or status is None or status.state != "failed" or status == row.planned.status:
            self._reopen(row)
        else:
            self.totals.change(row, state="failed")
        died = "its process died" + (f" ({why})" if why else "")
        self._line(row, died + ("; it has been tried often enough" if row.state == "failed" else "; trying again"))

    def _untracked(self, tracker: str, run_name: str, problem: str) -> None:
        """Tells the first failure of each tracker; the others are counted."""
        self.untracked[tracker] += 1
        if self.untracked[tracker] == 1:
            say(self.console, f"{tracker} is off for {run_name}: {problem}; its training goes on")

    def _reopen(self, row: Row) -> None:
        self.totals.change(row, state="pending")
        self.unseen.append(row.planned.trial.trial_id)

    def _look(self, most: int) -> None:
        """Trials that ended without a worker of this sweep: skipped, or finished by another command. Looks at so many
        of those that have not begun, in turn."""
        for _ in range(min(most, len(self.unseen))):
            trial_id = self.unseen.popleft()
            row = self.rows[trial_id]
            if row.state not in ("pending", "waiting"):
                continue
            status = self._status(trial_id)
            if status is not None and status != row.planned.status and status.state != "running":
                self.totals.change(row, state=status.state, epoch=status.epoch)
                self._line(row, row.state + (f": {status.reason}" if status.reason else ""))
            else:
                self.unseen.append(trial_id)

    def _status(self, trial_id: str) -> records.Status | None:
        try:
            return self.read_status(trial_id)
        except (records.RecordError, OSError):  # told when the command is given again
            return None

    def on_step_end(self, iteration: int, trials: list[TuneTrial], **info: Any) -> None:
        if time.monotonic() - self.refreshed > REFRESH_S:
            self.refreshed = time.monotonic()
            self._look(LOOK_AT)
            if self.live:
                self.live.update(self.render(), refresh=True)

    def eta_s(self) -> float | None:
        within = math.inf if self.budget is None else self.budget.left_s
        return self.totals.eta_s(self.slots(), self._unasked(), within)

    def render(self) -> Table:
        """As many rows as the terminal has lines for: what runs, then what waits, then what ended last; a line of
        counts says what is not shown."""
        states, eta = self.totals.states, duration(self.eta_s())
        waiting = states["pending"] + states["waiting"] + self._unasked()
        budget = "" if self.budget is None else f", {duration(self.budget.left_s)} left of {self.budget.text}"
        title = f"{self._progress()} ended, {states['running']} running, {waiting} waiting, ETA {eta}{budget}"
        table = Table(title=title)
        for name in ("run", "state", "epoch", "val mIoU %", "images/s"):
            table.add_column(name, justify="left" if name in ("run", "state") else "right", no_wrap=True)
        shown = self._first_rows(max(1, self.console.height - FRAME_LINES))
        for row in shown:
            table.add_row(
                Text(printable(row.planned.trial.run_name)),
                row.state if row.state == "running" or not row.open or self.fits(row.planned.trial) else "no time left",
                f"{row.epoch}/{row.planned.trial.config.epochs}",
                percent(row.val_mean_iou, row.val_iou),
                "" if row.images_per_s is None else f"{row.images_per_s:.0f}",
            )
        if len(shown) < len(self.rows):
            hidden = self.totals.states - Counter(row.state for row in shown)
            table.caption = "and " + ", ".join(f"{count} {state}" for state, count in hidden.items())
        return table

    def _first_rows(self, most: int) -> list[Row]:
        if len(self.rows) <= most:
            return list(self.rows.values())
        open_rows = list(self.totals.open.values())
        running = [row for row in open_rows if row.state == "running"]
        waiting = [row for row in open_rows if row.state != "running"]
        ended = (row for row in reversed(self.rows.values()) if not row.open)
        found = [*running, *waiting][:most]
        return [*found, *islice(ended, most - len(found))]

    def _progress(self) -> str:
        return f"{len(self.rows) - len(self.totals.open)}/{len(self.rows) + self._unasked()}"

    def _unasked(self) -> int:
        return 0 if self.source is None else self.source.unasked

    def _row(self, trial: TuneTrial) -> Row:
        return self.rows[trial.config["trial_id"]]

    def _line(self, row: Row, text: str) -> None:
        if not self.live:
            say(self.console, f"[{self._progress()}] {row.planned.trial.run_name}  {text}")


def _first_state(planned: PlannedTrial) -> str:
    if planned.action == "skip" and planned.status is not None:
        return planned.status.state
    return "waiting" if planned.action == "wait" else "pending"

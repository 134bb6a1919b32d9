"""What a running sweep shows: a live table on a terminal, one line an event elsewhere."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial as TuneTrial
from rich.console import Console
from rich.live import Live
from rich.table import Table

from segtrain import records
from segtrain.config import TrialConfig
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.actions import PlannedTrial
from sweeps.engine.plan.cost import duration, makespan, percent
from sweeps.engine.run.trainable import OUTCOME, TRACKING_PROBLEM
from sweeps.engine.run.trial_queue import Source

REFRESH_S = 0.5


@dataclass
class Row:
    planned: PlannedTrial
    epoch_flops: float
    state: str
    epoch: int
    val_mean_iou: float | None = None  # the best so far
    images_per_s: float | None = None
    flops_per_s: float | None = None

    @property
    def open(self) -> bool:
        return self.state in ("pending", "running", "waiting")


class SweepTable(Callback):
    """Follows a sweep through Tune's callbacks. `epoch_flops(config)` is what an epoch of a trial costs, `slots()` how
    many trials run at once; `source` gives trials beyond the plan."""

    def __init__(
        self,
        console: Console,
        plan: Sequence[PlannedTrial],
        epoch_flops: Callable[[TrialConfig], float],
        slots: Callable[[], int],
        read_status: Callable[[str], records.Status | None],
        source: Source | None,
    ) -> None:
        self.console, self.epoch_flops, self.slots, self.read_status = console, epoch_flops, slots, read_status
        self.source = source
        self.rows: dict[str, Row] = {}
        for planned in plan:
            flops = epoch_flops(planned.trial.config) if planned.epochs_left else 0.0
            self.rows[planned.trial.trial_id] = Row(planned, flops, _first_state(planned), planned.epoch)
        self.live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self.refreshed = 0.0

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles this into a snapshot that nobody restores

    def __enter__(self) -> "SweepTable":
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._look()
        if self.live:
            self.live.update(self.render(), refresh=True)
            self.live.stop()

    def add(self, trial: Trial) -> None:
        """Takes up a trial that was not in the plan."""
        if trial.trial_id not in self.rows:
            planned = PlannedTrial(trial, "run", 0, self.read_status(trial.trial_id))
            self.rows[trial.trial_id] = Row(planned, self.epoch_flops(trial.config), "pending", 0)

    def on_trial_start(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        row = self._row(trial)
        row.state = "running"
        self._line(row, f"running on {trial.config['cpus']:g} CPUs, {trial.config['gpus']:g} GPUs")

    def on_trial_result(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, result: dict[str, Any], **info: Any
    ) -> None:
        row = self._row(trial)
        if OUTCOME in result:
            return
        row.epoch, row.images_per_s = result[records.EPOCH], result[records.IMAGES_PER_S]
        row.flops_per_s = row.epoch_flops / result[records.EPOCH_S]
        val = result.get(records.VAL_MEAN_IOU)
        if val is not None:
            row.val_mean_iou = max(val, row.val_mean_iou or 0.0)
        self._line(
            row,
            f"epoch {row.epoch}/{row.planned.trial.config.epochs}  val mIoU {percent(val)}  "
            f"{row.images_per_s:.0f} images/s  ETA {duration(self.eta_s())}",
        )

    def on_trial_complete(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        row = self._row(trial)
        if trial.last_result.get(TRACKING_PROBLEM):
            self.console.print(trial.last_result[TRACKING_PROBLEM], markup=False, highlight=False, soft_wrap=True)
        if trial.last_result.get(OUTCOME) == "locked":
            row.state = "pending"
            self._line(row, "another process runs it")
            return
        status = self.read_status(row.planned.trial.trial_id)
        row.state = status.state if status else "pending"
        self._line(row, row.state + (f": {status.reason}" if status and status.reason else ""))

    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        row = self._row(trial)
        status = self.read_status(row.planned.trial.trial_id)
        again = status is None or status.state != "failed" or status == row.planned.status
        row.state = "pending" if again else "failed"
        self._line(
            row, "its process died; " + ("it has been tried often enough" if row.state == "failed" else "trying again")
        )

    def _look(self) -> None:
        """Trials that ended without a worker of this sweep: skipped, or finished by another command."""
        for trial_id, row in self.rows.items():
            if row.state not in ("pending", "waiting"):
                continue
            status = self.read_status(trial_id)
            if status is not None and status != row.planned.status and status.state != "running":
                row.state, row.epoch = status.state, status.epoch
                self._line(row, row.state + (f": {status.reason}" if status.reason else ""))

    def on_step_end(self, iteration: int, trials: list[TuneTrial], **info: Any) -> None:
        if time.monotonic() - self.refreshed > REFRESH_S:
            self.refreshed = time.monotonic()
            self._look()
            if self.live:
                self.live.update(self.render(), refresh=True)

    def eta_s(self) -> float | None:
        """Seconds until the last trial ends, at the rates that trials have shown; None before the first epoch. Trials
        that are not known yet are taken to be like those that have ended, so before one has, they are left out."""
        rates = [row.flops_per_s for row in self.rows.values() if row.flops_per_s]
        if not rates:
            return None
        rate, slots = sum(rates) / len(rates), self.slots()
        spent = [row.epoch * row.epoch_flops / rate for row in self.rows.values() if not row.open and row.epoch]
        unknown = self._unasked() * sum(spent) / len(spent) / max(1, slots) if spent else 0.0
        return unknown + makespan(
            [
                (
                    trial_id,
                    (row.planned.trial.config.epochs - row.epoch) * row.epoch_flops / (row.flops_per_s or rate),
                    row.planned.trial.config.parent,
                )
                for trial_id, row in self.rows.items()
                if row.open
            ],
            slots,
        )

    def render(self) -> Table:
        table = Table(title=f"{self._progress()} ended, ETA {duration(self.eta_s())}")
        for name in ("run", "state", "epoch", "val mIoU %", "images/s"):
            table.add_column(name, justify="left" if name in ("run", "state") else "right")
        for row in self.rows.values():
            table.add_row(
                row.planned.trial.run_name,
                row.state,
                f"{row.epoch}/{row.planned.trial.config.epochs}",
                percent(row.val_mean_iou),
                "" if row.images_per_s is None else f"{row.images_per_s:.0f}",
            )
        return table

    def _progress(self) -> str:
        ended = sum(not row.open for row in self.rows.values())
        return f"{ended}/{len(self.rows) + self._unasked()}"

    def _unasked(self) -> int:
        return 0 if self.source is None else self.source.unasked

    def _row(self, trial: TuneTrial) -> Row:
        return self.rows[trial.config["trial_id"]]

    def _line(self, row: Row, text: str) -> None:
        if not self.live:
            self.console.print(
                f"[{self._progress()}] {row.planned.trial.run_name}  {text}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )


def _first_state(planned: PlannedTrial) -> str:
    if planned.action == "skip" and planned.status is not None:
        return planned.status.state
    return "waiting" if planned.action == "wait" else "pending"

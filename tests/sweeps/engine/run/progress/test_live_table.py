"""What a running sweep says: its lines, how far it is, and how long it will take."""

import io
import random
import time
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from segtrain import records
from segtrain.config import TrialConfig
from sweeps.engine.ask.options import Budget
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.actions import PlannedTrial
from sweeps.engine.run.progress.live_table import SweepTable
from sweeps.engine.run.trainable import TRACKING_PROBLEMS

BASE = TrialConfig(arch="fcn8s", dataset="scenes", init="scratch", epochs=4)
FLOPS = 100.0


def planned(name: str, lr: float) -> PlannedTrial:
    return PlannedTrial(Trial(BASE.edit(lr=lr), name, "trial"), "run", 0, None)


FIRST, SECOND = planned("first", 0.1), planned("second", 0.2)


class Sweep:
    """A table that is told what Tune would tell it; `statuses` is what stands on disk."""

    def __init__(self, *plan: PlannedTrial, slots: int = 1, source: Any = None) -> None:
        self.output = io.StringIO()
        self.statuses: dict[str, records.Status] = {}
        self.again: dict[str, str] = {}
        console = Console(file=self.output, width=200)
        self.table = SweepTable(
            console, plan, lambda _: FLOPS, lambda: slots, self.statuses.get, source, self.again.get
        )

    def epoch(self, trial: PlannedTrial, epoch: int, epoch_s: float, val: float | None = None) -> None:
        result = {records.EPOCH: epoch, records.EPOCH_S: epoch_s, records.IMAGES_PER_S: 9.0, records.VAL_MEAN_IOU: val}
        self.table.on_trial_result(0, [], self.tune(trial), result)

    def end(self, trial: PlannedTrial, state: records.State) -> None:
        self.statuses[trial.trial.trial_id] = records.Status(state=state, epoch=4, epochs=4, runtime_s=1.0)
        self.table.on_trial_complete(0, [], self.tune(trial))

    def tune(self, trial: PlannedTrial) -> Any:
        config = {"trial_id": trial.trial.trial_id, "cpus": 1.0, "gpus": 0.0}
        return SimpleNamespace(config=config, last_result={})


def test_a_tracker_that_fails_again_and_again_is_told_once_and_counted() -> None:
    sweep = Sweep(FIRST, SECOND)
    with sweep.table:
        for trial in (FIRST, SECOND):
            ended = sweep.tune(trial)
            ended.last_result[TRACKING_PROBLEMS] = {"mlflow": "ConnectionError: gone"}
            sweep.table.on_trial_complete(0, [], ended)
    text = sweep.output.getvalue()
    assert [line for line in text.splitlines() if "mlflow" in line] == [
        "mlflow is off for first: ConnectionError: gone; its training goes on",
        "mlflow lacks 2 trials of this sweep, in whole or in part",
    ]


def test_lines_say_how_many_have_ended_and_the_score_of_the_epoch() -> None:
    sweep = Sweep(FIRST, SECOND)
    sweep.table.on_trial_start(0, [], sweep.tune(FIRST))
    sweep.epoch(FIRST, 1, 2.0)
    sweep.epoch(FIRST, 2, 2.0, val=0.25)
    sweep.end(FIRST, "diverged")
    assert sweep.output.getvalue().splitlines() == [
        "[0/2] first  running on 1 CPUs, 0 GPUs",
        "[0/2] first  epoch 1/4  val mIoU -  9 images/s  ETA 14 s",
        "[0/2] first  epoch 2/4  val mIoU 25.00  9 images/s  ETA 12 s",
        "[1/2] first  diverged",
    ]


def test_the_time_left_is_that_of_the_epochs_left_on_the_slots() -> None:
    assert Sweep(FIRST).table.eta_s() is None
    for slots, seconds in ((1, 3 * 2.0 + 4 * 2.0), (2, 4 * 2.0)):
        sweep = Sweep(FIRST, SECOND, slots=slots)
        sweep.epoch(FIRST, 1, 2.0)
        assert sweep.table.eta_s() == pytest.approx(seconds)


def test_trials_that_a_source_still_gives_are_taken_to_be_like_those_that_ended() -> None:
    sweep = Sweep(FIRST, slots=2, source=SimpleNamespace(unasked=6))
    sweep.epoch(FIRST, 4, 2.0)
    assert sweep.table.eta_s() == 0.0, "none has ended, so nothing is known of them"
    sweep.end(FIRST, "finished")
    assert sweep.table.eta_s() == pytest.approx(6 * 4 * 2.0 / 2)
    sweep.table.add(SECOND.trial)
    assert "1/8" in str(sweep.table.render().title)


def test_what_ended_without_a_worker_of_this_sweep_is_noticed_once() -> None:
    sweep = Sweep(FIRST, SECOND)
    status = records.Status(state="skipped", epoch=0, epochs=4, runtime_s=0.0, reason="its parent x failed")
    sweep.statuses[SECOND.trial.trial_id] = status
    for _ in range(2):
        sweep.table.refreshed = float("-inf")
        sweep.table.on_step_end(0, [])
    assert sweep.output.getvalue() == "[1/2] second  skipped: its parent x failed\n"


def test_a_dead_process_is_said_and_the_trial_is_open_again() -> None:
    sweep = Sweep(FIRST)
    sweep.table.on_trial_error(0, [], sweep.tune(FIRST))
    assert sweep.output.getvalue() == "[0/1] first  its process died; trying again\n"
    assert sweep.table.rows[FIRST.trial.trial_id].open


def test_a_trial_that_is_tried_again_says_why_whatever_its_folder_says() -> None:
    sweep = Sweep(FIRST)
    trial_id, trial = FIRST.trial.trial_id, sweep.tune(FIRST)
    sweep.statuses[trial_id] = records.Status(state="failed", epoch=1, epochs=4, runtime_s=1.0, reason="no memory")
    sweep.again[trial_id] = "no memory; runs again"
    trial.last_result["outcome"] = "out of memory"
    sweep.table.on_trial_complete(0, [], trial)
    sweep.table.on_trial_error(0, [], trial)
    assert sweep.table.rows[trial_id].open
    del sweep.again[trial_id]
    sweep.table.on_trial_complete(0, [], trial)
    assert sweep.output.getvalue().splitlines() == [
        "[0/1] first  no memory; runs again",
        "[0/1] first  its process died (no memory; runs again); trying again",
        "[1/1] first  failed: no memory",
    ]


def test_a_failure_of_an_earlier_command_is_no_news() -> None:
    status = records.Status(state="failed", epoch=1, epochs=4, runtime_s=1.0)
    sweep = Sweep(PlannedTrial(FIRST.trial, "resume", 1, status))
    sweep.statuses[FIRST.trial.trial_id] = status
    sweep.table.refreshed = float("-inf")
    sweep.table.on_step_end(0, [])
    assert sweep.output.getvalue() == ""


def many(count: int) -> list[PlannedTrial]:
    return [planned(f"run{index}", 0.001 * (index + 1)) for index in range(count)]


def test_the_table_shows_what_fits_the_screen_running_trials_first() -> None:
    trials = many(100)
    sweep = Sweep(*trials)
    sweep.table.console.height = 20
    for trial in trials[:30]:
        sweep.end(trial, "finished")
    for trial in trials[50:53]:
        sweep.table.on_trial_start(0, [], sweep.tune(trial))
    table = sweep.table.render()
    names = [str(cell) for cell in table.columns[0].cells]
    assert names == ["run50", "run51", "run52", *(f"run{index}" for index in range(30, 39))]
    assert table.caption == "and 58 pending, 30 finished"
    for trial in trials[30:]:
        sweep.end(trial, "finished")
    assert [str(cell) for cell in sweep.table.render().columns[0].cells][:2] == ["run99", "run98"]


def test_sums_that_are_kept_are_those_of_the_rows() -> None:
    """Through everything that can become of a trial, in an order drawn at random."""
    trials = many(150)
    sweep = Sweep(*trials, slots=4)
    rng = random.Random(0)
    for _ in range(600):
        trial = rng.choice(trials)
        match rng.randrange(4):
            case 0:
                sweep.table.on_trial_start(0, [], sweep.tune(trial))
            case 1:
                sweep.epoch(trial, rng.randint(1, 4), rng.random() + 0.1)
            case 2:
                sweep.end(trial, "finished")
            case _:
                sweep.table.on_trial_error(0, [], sweep.tune(trial))
    totals, rows = sweep.table.totals, list(sweep.table.rows.values())
    rated = [row.flops_per_s for row in rows if row.flops_per_s]
    assert set(totals.open) == {row.planned.trial.trial_id for row in rows if row.open}
    assert totals.states == Counter(row.state for row in rows)
    assert (totals.rated, totals.rates) == (len(rated), pytest.approx(sum(rated)))
    known = [row.flops_left / row.flops_per_s for row in rows if row.open and row.flops_per_s]
    assert totals.seconds_left == pytest.approx(sum(known))
    unknown = [row.flops_left for row in rows if row.open and not row.flops_per_s]
    assert totals.flops_left == pytest.approx(sum(unknown))


def test_many_trials_share_the_slots_for_the_time_that_is_left() -> None:
    sweep = Sweep(*many(200), slots=4)
    sweep.epoch(many(1)[0], 1, 2.0)
    assert sweep.table.eta_s() == pytest.approx((3 * 2.0 + 199 * 4 * 2.0) / 4)


def test_folders_are_looked_into_in_turn_and_all_at_the_end() -> None:
    trials = many(120)
    sweep = Sweep(*trials)
    looked: list[str] = []
    sweep.table.read_status = lambda trial_id: looked.append(trial_id)
    for _ in range(3):
        sweep.table.refreshed = float("-inf")
        sweep.table.on_step_end(0, [])
    order = [trial.trial.trial_id for trial in trials]
    assert looked == [*order, *order[:30]]
    with sweep.table:
        looked.clear()
    assert sorted(looked) == sorted(order)


def test_a_reason_cannot_write_over_the_terminal() -> None:
    sweep = Sweep(FIRST)
    status = records.Status(state="failed", epoch=0, epochs=4, runtime_s=0.0, reason="\x1b[2J\rgone")
    sweep.statuses[FIRST.trial.trial_id] = status
    sweep.table.on_trial_complete(0, [], sweep.tune(FIRST))
    assert sweep.output.getvalue() == "[1/1] first  failed: \ufffd[2J\ufffdgone\n"


def test_a_trial_is_judged_by_epochs_that_were_measured_and_before_by_the_plan() -> None:
    sweep = Sweep(FIRST, SECOND)
    sweep.table.budget, sweep.table.planned_rate = Budget("1h", 3600.0, time.monotonic() + 50.0), lambda config: 5.0
    assert sweep.table.seconds_of(SECOND.trial) == 4 * FLOPS / 5.0
    assert not sweep.table.fits(SECOND.trial)
    sweep.epoch(FIRST, 1, epoch_s=2.0)
    assert sweep.table.seconds_of(SECOND.trial) == pytest.approx(4 * 2.0)
    assert sweep.table.fits(SECOND.trial)
    sweep.table.totals.change(sweep.table.rows[FIRST.trial.trial_id], state="running")
    sweep.table.budget = Budget("1h", 3600.0, time.monotonic())
    assert str(sweep.table.render().title) == "0/2 ended, 1 running, 1 waiting, ETA 6 s, 0 s left of 1h"
    assert list(sweep.table.render().columns[1].cells) == ["running", "no time left"]

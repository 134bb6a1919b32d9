"""A budget of time: what is handed out, what is left, and what is said of it."""

import time
from pathlib import Path

import pytest
from ray.tune.search import Searcher

from segtrain import records
from sweeps.engine.ask.options import Budget
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.actions import make_plan
from sweeps.engine.run.queue.out_of_time import OutOfTime
from sweeps.engine.run.queue.trial_queue import TrialQueue
from tests.sweeps.engine.run.queue.test_trial_queue import (
    CHILDREN,
    COSTS,
    ORPHAN,
    PARENT,
    TRIALS,
    Given,
    end,
    suggested,
)


class Clock:
    """Trials take their COSTS in seconds, of `left`."""

    def __init__(self, left: float) -> None:
        self.left = left

    def fits(self, trial: Trial) -> bool:
        return COSTS[trial.trial_id] <= self.left


def make_queue(out: Path, clock: Clock, trials: list[Trial] = TRIALS, source: Given | None = None) -> TrialQueue:
    plan = make_plan(trials, out)
    return TrialQueue(plan, COSTS, out, lambda: 4, lambda trial: {"name": trial.run_name}, source, clock.fits)


def test_a_smaller_trial_goes_before_one_that_does_not_fit_and_the_rest_is_left(tmp_path: Path) -> None:
    clock = Clock(4.0)
    queue = make_queue(tmp_path, clock)
    assert suggested(queue, "a", "b") == ["parent", None]
    clock.left = 2.0
    end(queue, "a", PARENT)
    assert suggested(queue, "b", "c") == ["fcn32s", None], "the orphan takes 5, fcn8s 3"
    clock.left = 0.0
    assert suggested(queue, "c") == [None], "what runs goes on to its end"
    end(queue, "b", CHILDREN[0])
    assert suggested(queue, "c") == [Searcher.FINISHED]
    assert (queue.out_of_time, queue.complete) == (True, False)
    assert [entry.trial for entry in queue.pending] == [ORPHAN, CHILDREN[1]]
    assert not (records.trial_dir(tmp_path, ORPHAN.trial_id) / records.STATUS_FILE).exists()


def test_children_of_what_does_not_fit_wait_too(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, Clock(2.0), [PARENT, *CHILDREN])
    assert suggested(queue, "a") == [Searcher.FINISHED]
    assert {entry.trial.trial_id for entry in queue.pending} == {t.trial_id for t in [PARENT, *CHILDREN]}


def test_a_source_gives_no_more_while_one_of_its_trials_does_not_fit(tmp_path: Path) -> None:
    source, clock = Given([ORPHAN, PARENT]), Clock(3.0)
    queue = make_queue(tmp_path, clock, [], source)
    assert suggested(queue, "a", "b") == [Searcher.FINISHED, Searcher.FINISHED]
    assert source.unasked == 1
    clock.left = 9.0  # it was slower than it is
    assert suggested(queue, "c", "d") == ["orphan", "parent"]


def test_the_last_lines_say_what_was_left_and_why() -> None:
    budget = Budget("8h", 28800.0, time.monotonic() - 1.0)
    said = str(OutOfTime(budget, [PARENT, CHILDREN[0]], 2, lambda trial: 90.0))
    assert said == (
        "not started, since it would not end within --budget 8h (0 s left):\n"
        "  parent: about 1 min 30 s\n"
        "  fcn32s: its parent is not trained\n"
        "  and 2 that were not drawn yet\n"
        "out of time"
    )


@pytest.mark.parametrize("state", ["out of time", "complete"])
def test_a_sweep_whose_trials_all_ended_is_complete_however_late(tmp_path: Path, state: str) -> None:
    clock = Clock(9.0)
    queue = make_queue(tmp_path, clock, [ORPHAN])
    assert suggested(queue, "a") == ["orphan"]
    clock.left = 0.0
    if state == "complete":
        end(queue, "a", ORPHAN)
    else:
        queue.on_trial_complete(trial_id="a", error=True)  # its process died, and there is no time for another try
    assert suggested(queue, "b") == [Searcher.FINISHED]
    assert (queue.complete, queue.out_of_time) == (state == "complete", state == "out of time")

"""The order in which trials are handed out, and what their ends and deaths lead to."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.search import Searcher

from segtrain import records
from segtrain.config import TrialConfig
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.actions import make_plan
from sweeps.engine.run.queue import trial_queue
from sweeps.engine.run.queue.deaths import MAX_DEATHS
from sweeps.engine.run.queue.trial_queue import TrialQueue
from sweeps.engine.run.tune_schedulers import NewestFirst, Pruning
from tests.sweeps.harness import SCORES

BASE = TrialConfig(arch="fcn8s", dataset="scenes", init="scratch")
PARENT = Trial(BASE.edit(dataset="scenes_source"), "parent", "pretrain")
CHILDREN = [
    Trial(BASE.edit(init="parent", parent=PARENT.trial_id, arch=arch), arch, "trial") for arch in ("fcn32s", "fcn8s")
]
ORPHAN = Trial(BASE.edit(lr=0.5), "orphan", "trial")
TRIALS = [ORPHAN, *CHILDREN, PARENT]
COSTS = {ORPHAN.trial_id: 5.0, CHILDREN[0].trial_id: 1.0, CHILDREN[1].trial_id: 3.0, PARENT.trial_id: 3.0}


def make_queue(out: Path, slots: int = 4, trials: list[Trial] = TRIALS) -> TrialQueue:
    return TrialQueue(make_plan(trials, out), COSTS, out, lambda: slots, lambda trial: {"name": trial.run_name})


def write(out: Path, trial: Trial, state: records.State) -> None:
    folder = records.trial_dir(out, trial.trial_id)
    folder.mkdir(parents=True, exist_ok=True)
    records.write_status(folder, records.Status(state=state, epoch=0, epochs=30, runtime_s=0.0))


def suggested(queue: TrialQueue, *tune_ids: str) -> list[Any]:
    return [s["name"] if isinstance(s := queue.suggest(tune_id), dict) else s for tune_id in tune_ids]


def end(queue: TrialQueue, tune_id: str, trial: Trial, state: records.State = "finished") -> None:
    write(queue.out, trial, state)
    queue.on_trial_complete(trial_id=tune_id, result={"outcome": "ended"})


def test_parents_with_the_longest_way_to_the_end_go_first_and_children_wait(tmp_path: Path) -> None:
    queue = make_queue(tmp_path)
    # The parent's own cost is less than the orphan's, but its child comes after it: 3 + 3 > 5.
    assert suggested(queue, "a", "b", "c") == ["parent", "orphan", None]
    end(queue, "a", PARENT)
    assert suggested(queue, "d", "e", "f") == ["fcn8s", "fcn32s", None]
    for tune_id, trial in (("b", ORPHAN), ("d", CHILDREN[1]), ("e", CHILDREN[0])):
        assert suggested(queue, "x") == [None]
        end(queue, tune_id, trial)
    assert suggested(queue, "x") == [Searcher.FINISHED]


def test_no_more_than_the_slots_run(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, slots=1)
    assert suggested(queue, "a", "b") == ["parent", None]
    end(queue, "a", PARENT)
    assert suggested(queue, "c", "d") == ["orphan", None]


def test_what_is_finished_is_never_handed_out(tmp_path: Path) -> None:
    write(tmp_path, ORPHAN, "diverged")
    queue = make_queue(tmp_path, trials=[ORPHAN])
    assert suggested(queue, "a") == [Searcher.FINISHED]


@pytest.mark.parametrize(("state", "said"), [("failed", "failed"), ("diverged", "diverged")])
def test_children_of_a_parent_that_did_not_finish_are_skipped_with_the_reason(
    tmp_path: Path, state: records.State, said: str
) -> None:
    queue = make_queue(tmp_path)
    suggested(queue, "a", "b")
    end(queue, "a", PARENT, state)
    end(queue, "b", ORPHAN)
    assert suggested(queue, "c") == [Searcher.FINISHED]
    for child in CHILDREN:
        status = records.read_status(records.trial_dir(tmp_path, child.trial_id))
        assert status is not None
        assert (status.state, status.reason) == ("skipped", f"its parent {PARENT.trial_id} {said}")


GRANDCHILD = Trial(BASE.edit(init="parent", parent=CHILDREN[1].trial_id, lr=0.1), "grandchild", "trial")


def test_all_that_hangs_on_a_stage_that_failed_is_skipped(tmp_path: Path) -> None:
    trials = [GRANDCHILD, CHILDREN[1], PARENT]
    queue = TrialQueue(make_plan(trials, tmp_path), dict.fromkeys((t.trial_id for t in trials), 1.0), tmp_path,
                       lambda: 4, lambda trial: {"name": trial.run_name})  # fmt: skip
    assert suggested(queue, "a", "b") == ["parent", None]
    end(queue, "a", PARENT, "failed")
    assert suggested(queue, "b") == [Searcher.FINISHED]
    reasons = {t.run_name: records.read_status(records.trial_dir(tmp_path, t.trial_id)).reason for t in trials[:2]}  # type: ignore[union-attr]
    assert reasons == {
        "fcn8s": f"its parent {PARENT.trial_id} failed",
        "grandchild": f"its parent {CHILDREN[1].trial_id} was skipped",
    }


class Given:
    """A source that gives trials in their order, and is told how they ended."""

    def __init__(self, trials: list[Trial]) -> None:
        self.trials, self.told = trials, list[tuple[str, records.State]]()

    @property
    def unasked(self) -> int:
        return len(self.trials)

    def next_trial(self) -> Trial | None:
        return self.trials.pop(0) if self.trials else None

    def report(self, trial_id: str, epoch: int, value: float) -> bool:
        return False

    def prune(self, trial_id: str) -> None:
        raise AssertionError

    def ended(self, trial: Trial, outcome: records.State) -> None:
        self.told.append((trial.run_name, outcome))


@pytest.mark.parametrize(
    ("state", "then", "told"),
    [
        ("finished", ["fcn8s", None], [("parent", "finished")]),
        ("diverged", [Searcher.FINISHED], [("parent", "diverged"), ("fcn8s", "skipped"), ("grandchild", "skipped")]),
    ],
)
def test_children_that_a_source_gives_wait_for_parents_that_it_gave(
    tmp_path: Path, state: records.State, then: list[Any], told: list[Any]
) -> None:
    source = Given([PARENT, CHILDREN[1], GRANDCHILD, ORPHAN])
    queue = TrialQueue([], {}, tmp_path, lambda: 4, lambda trial: {"name": trial.run_name}, source)
    assert suggested(queue, "a", "b", "c") == ["parent", "orphan", None]
    end(queue, "b", ORPHAN)
    end(queue, "a", PARENT, state)
    assert suggested(queue, *"xy"[: len(then)]) == then
    assert source.told == [("orphan", "finished"), *told]
    # What comes later, from a parent that has failed, is not begun at all.
    source.trials.append(Trial(GRANDCHILD.config.edit(seed=9), "late", "trial"))
    assert suggested(queue, "z") == [None if state == "finished" else Searcher.FINISHED]
    assert (("late", "skipped") in source.told) == (state != "finished")


def test_a_trial_whose_process_dies_is_tried_again_and_then_failed(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, trials=[ORPHAN])
    for death in range(MAX_DEATHS):
        assert suggested(queue, f"try{death}") == ["orphan"]
        queue.on_trial_complete(trial_id=f"try{death}", error=True)
    assert suggested(queue, "x") == [Searcher.FINISHED]
    status = records.read_status(records.trial_dir(tmp_path, ORPHAN.trial_id))
    assert status is not None
    assert status.state == "failed"
    assert status.reason == f"its process died {MAX_DEATHS} times: killed, out of memory, or node lost"


def test_an_end_that_left_no_status_is_a_failure(tmp_path: Path) -> None:
    queue = make_queue(tmp_path)
    suggested(queue, "a", "b")
    queue.on_trial_complete(trial_id="a", result={"outcome": "ended"})
    end(queue, "b", ORPHAN)
    assert suggested(queue, "c") == [Searcher.FINISHED]
    assert {entry.outcome for entry in queue.entries.values()} == {"failed", "finished", "skipped"}


def test_a_trial_that_another_process_runs_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_queue, "ELSEWHERE_POLL_S", 0.0)
    queue = make_queue(tmp_path, trials=[ORPHAN])
    folder = records.trial_dir(tmp_path, ORPHAN.trial_id)
    folder.mkdir(parents=True)
    hold = "import sys, filelock; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); print('held'); input()"
    other = subprocess.Popen(
        [sys.executable, "-u", "-c", hold, str(folder / records.LOCK_FILE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout is not None
    other.stdout.readline()
    assert suggested(queue, "a") == [None]
    # The other one is killed: the lock of the dead is taken over.
    other.kill()
    other.communicate()
    assert suggested(queue, "b") == ["orphan"]
    # A worker that finds it locked after all gives it back, and what the other finished meanwhile counts.
    queue.on_trial_complete(trial_id="b", result={"outcome": "locked"})
    write(tmp_path, ORPHAN, "finished")
    assert suggested(queue, "c") == [Searcher.FINISHED]


def test_the_trial_that_was_added_last_is_started_first() -> None:
    trials = [SimpleNamespace(status=status) for status in (TuneTrial.PENDING, TuneTrial.PENDING, TuneTrial.RUNNING)]
    controller = SimpleNamespace(get_trials=lambda: trials, get_live_trials=lambda: trials)
    assert NewestFirst().choose_trial_to_run(controller) is trials[1]
    assert NewestFirst().choose_trial_to_run(SimpleNamespace(get_live_trials=lambda: trials[2:])) is None


class Draws:
    """A source of `count` trials, which notes what it is told."""

    def __init__(self, count: int, hopeless: str = "") -> None:
        self.left, self.hopeless = count, hopeless
        self.told: list[tuple[str, str]] = []
        self.stopped: list[str] = []

    @property
    def unasked(self) -> int:
        return self.left

    def next_trial(self) -> Trial | None:
        if self.left == 0:
            return None
        self.left -= 1
        return Trial(BASE.edit(lr=0.1 + self.left), f"draw{self.left}", "trial")

    def report(self, trial_id: str, epoch: int, value: float) -> bool:
        return trial_id == self.hopeless

    def prune(self, trial_id: str) -> None:
        self.stopped.append(trial_id)

    def ended(self, trial: Trial, outcome: records.State) -> None:
        self.told.append((trial.run_name, outcome))


def draw(number: int) -> Trial:
    return Trial(BASE.edit(lr=0.1 + number), f"draw{number}", "trial")


def drawing_queue(out: Path, source: Draws, trials: list[Trial], slots: int = 2) -> TrialQueue:
    plan = make_plan(trials, out)
    return TrialQueue(plan, COSTS, out, lambda: slots, lambda trial: {"name": trial.run_name}, source)


def test_a_source_gives_trials_when_the_plan_has_none_and_is_told_of_every_end_once(tmp_path: Path) -> None:
    write(tmp_path, PARENT, "finished")
    (records.trial_dir(tmp_path, PARENT.trial_id) / records.BEST_FILE).write_bytes(
        b"\x02\x00\x00\x00\x00\x00\x00\x00{}"
    )
    records.write_test_scores(records.trial_dir(tmp_path, PARENT.trial_id), SCORES)
    source = Draws(2)
    queue = drawing_queue(tmp_path, source, [PARENT, ORPHAN])
    assert source.told == [("parent", "finished")]
    assert suggested(queue, "a", "b", "c") == ["orphan", "draw1", None]
    end(queue, "a", ORPHAN, "diverged")
    assert suggested(queue, "d") == ["draw0"]
    assert not queue.complete
    queue.on_trial_complete(trial_id="d", error=True)  # died: handed out again, and not told
    assert suggested(queue, "e") == ["draw0"]
    end(queue, "b", draw(1), "pruned")
    end(queue, "e", draw(0))
    assert suggested(queue, "x") == [Searcher.FINISHED]
    assert source.told[1:] == [("orphan", "diverged"), ("draw1", "pruned"), ("draw0", "finished")]


def test_a_drawn_trial_that_has_been_trained_already_is_told_and_not_run(tmp_path: Path) -> None:
    write(tmp_path, draw(1), "finished")
    source = Draws(2)
    assert suggested(drawing_queue(tmp_path, source, []), "a", "b") == ["draw0", None]
    assert source.told == [("draw1", "finished")]


def test_a_hopeless_trial_is_stopped_where_it_was_validated(tmp_path: Path) -> None:
    source = Draws(2, hopeless="bad")
    scheduler = Pruning(source)

    def decide(trial_id: str, **result: Any) -> str:
        return scheduler.on_trial_result(None, SimpleNamespace(config={"trial_id": trial_id}), result)  # type: ignore[arg-type]

    assert decide("good", **{records.EPOCH: 1, records.VAL_MEAN_IOU: 0.5}) == "CONTINUE"
    assert decide("bad", **{records.EPOCH: 1}) == "CONTINUE"
    assert (decide("bad", outcome="ended", done=True), source.stopped) == ("CONTINUE", [])
    assert decide("bad", **{records.EPOCH: 2, records.VAL_MEAN_IOU: 0.1}) == "STOP"
    assert source.stopped == ["bad"]

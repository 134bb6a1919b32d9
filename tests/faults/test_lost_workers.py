"""Workers that hang or run out of memory: ended, told, tried again, and given up in the end."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ray.tune.search import Searcher

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.machine.device import is_out_of_memory
from segtrain.training import trial as trial_module
from segtrain.training.trial import reason_of
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.actions import make_plan
from sweeps.engine.run import lost_workers
from sweeps.engine.run.lost_workers import GAP_S, LEAST_S, SURROUNDINGS_S, HungWorkers
from sweeps.engine.run.queue.deaths import KILLED_FOR_MEMORY, MAX_DEATHS
from sweeps.engine.run.queue.trial_queue import TrialQueue
from sweeps.engine.run.trainable import TrialTrainable
from tests.sweeps.harness import NO_TRACKING

BASE = TrialConfig(arch="fcn8s", dataset="scenes", init="scratch", epochs=3)
BIG, SMALL = Trial(BASE, "big", "trial"), Trial(BASE.edit(lr=0.5), "small", "trial")
FLOPS = 1000.0


def make_queue(out: Path) -> TrialQueue:
    costs = {BIG.trial_id: 2.0, SMALL.trial_id: 1.0}
    return TrialQueue(make_plan([BIG, SMALL], out), costs, out, lambda: 2, lambda trial: {"name": trial.run_name})


def status_of(out: Path, trial: Trial) -> records.Status:
    status = records.read_status(records.trial_dir(out, trial.trial_id))
    assert status is not None
    return status


def finish(queue: TrialQueue, tune_id: str, trial: Trial) -> None:
    finished = records.Status(state="finished", epoch=3, epochs=3, runtime_s=1.0)
    records.write_status(records.trial_dir(queue.out, trial.trial_id), finished)
    queue.on_trial_complete(trial_id=tune_id, result={"outcome": "ended"})


class Watch:
    """A watch on one trial, with a clock that the test sets; `ended` are the reasons for which it was ended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: float = 10.0) -> None:
        self.now, self.ended, self.killed = 0.0, dict[str, str](), list[Any]()
        monkeypatch.setattr(lost_workers, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.watch = HungWorkers(times, lambda config: FLOPS, self.ended.__setitem__, self.killed.append)
        self.trial: Any = SimpleNamespace(trial_id="a", config={"trial": BASE.to_dict()})
        self.watch.on_trial_start(0, [], self.trial)

    def epoch(self, epoch: int, epoch_s: float) -> None:
        self.watch.on_trial_result(0, [], self.trial, {records.EPOCH: epoch, records.EPOCH_S: epoch_s})

    def wait(self, seconds: float) -> None:
        """As Tune does: it looks several times a second."""
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + GAP_S / 2)
            self.watch.on_step_end(0, [])


def test_no_epoch_in_ten_times_the_expected_time_ends_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Watch(monkeypatch)
    seen.epoch(1, 60.0)
    seen.wait(600.0)
    assert seen.ended == {}
    seen.wait(GAP_S)
    assert seen.ended == {"a": "ended: no epoch in 615 s, where 60.0 were expected"}
    assert seen.killed == [seen.trial]
    seen.wait(600.0)
    assert len(seen.killed) == 1


def test_short_epochs_and_what_surrounds_them_have_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding before the first epoch, the test set after the last; 300 s at least."""
    seen = Watch(monkeypatch)
    seen.wait(2 * SURROUNDINGS_S)  # no epoch of any trial yet: nothing to expect
    assert seen.ended == {}
    seen.epoch(1, 0.1)
    seen.wait(LEAST_S)
    seen.epoch(3, 0.1)
    seen.wait(SURROUNDINGS_S)
    assert seen.ended == {}
    seen.wait(GAP_S)
    assert list(seen.ended) == ["a"]


def test_a_sweep_that_was_stopped_itself_ends_nobody_and_zero_ends_none(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Watch(monkeypatch)
    seen.epoch(1, 1.0)
    seen.now += 100_000.0
    seen.watch.on_step_end(0, [])
    assert seen.ended == {}
    never = Watch(monkeypatch, times=0.0)
    never.epoch(1, 1.0)
    never.wait(10_000.0)
    assert never.ended == {}


def test_a_hung_trial_is_tried_again_and_failed_with_that_reason(tmp_path: Path) -> None:
    queue = make_queue(tmp_path)
    for death in range(MAX_DEATHS):
        assert queue.suggest(f"try{death}") == {"name": "big"}
        queue.ended_for[f"try{death}"] = "ended: no epoch in 300 s, where 2.0 were expected"
        queue.on_trial_complete(trial_id=f"try{death}", error=True)
        again = queue.why_again(BIG.trial_id)
        assert again == (None if death == MAX_DEATHS - 1 else "ended: no epoch in 300 s, where 2.0 were expected")
    reason = f"its process died {MAX_DEATHS} times: ended: no epoch in 300 s, where 2.0 were expected"
    assert status_of(tmp_path, BIG).reason == reason


@pytest.mark.parametrize("by_kernel", [True, False], ids=["killed", "raised"])
def test_out_of_memory_runs_alone_once_and_is_then_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_kernel: bool
) -> None:
    counter = tmp_path / "memory.events"
    counter.write_text("low 0\noom 7\noom_kill 2\n")
    monkeypatch.setattr(lost_workers, "KILL_COUNTERS", (tmp_path / "absent", counter))
    queue = make_queue(tmp_path / "out")
    raised = "out of memory: OutOfMemoryError: CUDA out of memory."

    def run_out(tune_id: str, kills: int) -> None:
        if by_kernel:
            counter.write_text(f"low 0\noom 9\noom_kill {kills}\n")
            queue.on_trial_complete(trial_id=tune_id, error=True)
        else:
            queue.on_trial_complete(trial_id=tune_id, result={"outcome": "out of memory", "reason": raised})

    said = KILLED_FOR_MEMORY if by_kernel else raised
    assert [queue.suggest("a"), queue.suggest("b")] == [{"name": "big"}, {"name": "small"}]
    run_out("a", kills=3)
    assert queue.why_again(BIG.trial_id) == f"{said}; runs again when no other trial does"
    assert queue.suggest("c") is None
    queue.on_trial_complete(trial_id="b", error=True)  # killed by hand: the kernel's count has not risen
    assert queue.suggest("d") == {"name": "small"}
    finish(queue, "d", SMALL)
    assert queue.suggest("e") == {"name": "big"}
    assert queue.suggest("f") is None
    run_out("e", kills=4)
    assert queue.suggest("g") == Searcher.FINISHED
    status = status_of(tmp_path / "out", BIG)
    assert status.state == "failed"
    area = f"{BASE.image_height // 2} x {BASE.image_width // 2} (now {BASE.image_height} x {BASE.image_width})"
    advice = f"try batch_size={BASE.batch_size // 2} or images of {area}"
    assert status.reason == f"{said}; no other trial of this sweep ran beside it; {advice}"


def test_nothing_runs_beside_a_trial_that_is_tried_alone(tmp_path: Path) -> None:
    queue = make_queue(tmp_path)
    queue.suggest("a")
    queue.on_trial_complete(trial_id="a", result={"outcome": "out of memory", "reason": "out of memory"})
    assert queue.suggest("b") == {"name": "small"}
    queue.on_trial_complete(trial_id="b", result={"outcome": "locked"})  # another process has it, for a while
    assert queue.suggest("c") == {"name": "big"}
    queue.entries[SMALL.trial_id].not_before = 0.0
    assert queue.suggest("d") is None


def test_errors_of_memory_are_known_as_such() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    for error in (caught.value, MemoryError(), torch.OutOfMemoryError("CUDA out of memory.\nmore")):
        assert is_out_of_memory(error), error
    assert not is_out_of_memory(RuntimeError("another"))
    assert reason_of(torch.OutOfMemoryError("none left.\nmore")) == "out of memory: OutOfMemoryError: none left."


def test_a_worker_tells_of_memory_and_leaves_its_process(
    tmp_path: Path, tiny: Callable[..., TrialConfig], roads_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny()
    monkeypatch.setattr(trial_module, "train_one_epoch", lambda run, epoch: torch.empty(2**60, dtype=torch.uint8))
    asked = {"trial": config.to_dict(), "trial_id": config.trial_id, "run_name": "big", "study": "study"}
    places = {
        "out": str(tmp_path),
        "data_root": str(roads_root),
        "data_places": {},
        "import_path": [],
        "directory": ".",
        "shorter": None,
        "extendable": False,
    }
    worker = TrialTrainable({**asked, **places, "tracking": NO_TRACKING, "cpus": 1, "gpus": 0})
    result = worker.step()
    worker.cleanup()
    assert (result["done"], result["outcome"], worker.broken) == (True, "out of memory", True)
    assert result["reason"].startswith("out of memory: RuntimeError: ")
    status = records.read_status(records.trial_dir(tmp_path, config.trial_id))
    assert status is not None
    assert (status.state, status.reason) == ("failed", result["reason"])


Call = Callable[..., tuple[int, str]]


@pytest.mark.parametrize("times", ["0.5", "-1", "nan", "inf"])
def test_an_odd_patience_is_a_line(call: Call, times: str) -> None:
    code, text = call("--demo", "--hung-after", times)
    assert (code, text) == (2, f"error: --hung-after is {float(times):g}; allowed: a number from 1, or 0 for never\n")

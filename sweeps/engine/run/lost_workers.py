"""Workers that are lost: ended by the kernel for their memory, or hung."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.tune import Callback
from ray.tune.experiment import Trial as TuneTrial

from segtrain import records
from segtrain.config import TrialConfig

KILL_COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))
"""Of this container, and of this machine."""
LEAST_S = 300.0
"""No worker is taken for hung before, however short its epochs are."""
SURROUNDINGS_S = 3600.0
"""Likewise before the first epoch, when data may have to be decoded, and after the last, when it is tested."""
GAP_S = 30.0
"""When this process itself did nothing for so long, such as while it was stopped, everybody begins anew."""


def memory_kills() -> int:
    """How many processes the kernel has ended here because memory ran out; 0 where it does not say."""
    for path in KILL_COUNTERS:
        if path.exists():
            counts = dict(line.split() for line in path.read_text().splitlines())
            return int(counts.get("oom_kill", 0))
    return 0


@dataclass
class Watched:
    trial: TuneTrial
    epoch_flops: float
    heard: float  # time.monotonic()
    at_edge: bool = True  # before its first epoch here, or after its last


class HungWorkers(Callback):
    """Ends the process of a trial that has given no epoch for `times` as long as one should take; 0 ends none.

    An epoch should take its floating-point operations at the slowest rate that any trial of this sweep has shown.
    `told(tune_id, why)` is called before Tune sees the death, and `end(trial)` makes it.
    """

    def __init__(
        self,
        times: float,
        epoch_flops: Callable[[TrialConfig], float],
        told: Callable[[str, str], None],
        end: Callable[[TuneTrial], None] | None = None,
    ) -> None:
        self.times, self.epoch_flops, self.told, self.end = times, epoch_flops, told, end or end_worker
        self.watched: dict[str, Watched] = {}
        self.s_per_flop: float | None = None
        self.looked = time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles this into a snapshot that nobody restores

    def on_trial_start(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        flops = self.epoch_flops(TrialConfig.from_dict(trial.config["trial"]))
        self.watched[trial.trial_id] = Watched(trial, flops, time.monotonic())

    def on_trial_result(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, result: dict[str, Any], **info: Any
    ) -> None:
        watched = self.watched.get(trial.trial_id)
        if watched is None or records.EPOCH_S not in result:
            return
        watched.heard = time.monotonic()
        watched.at_edge = result[records.EPOCH] == trial.config["trial"]["epochs"]
        self.s_per_flop = max(self.s_per_flop or 0.0, result[records.EPOCH_S] / max(watched.epoch_flops, 1.0))

    def on_trial_complete(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        self.watched.pop(trial.trial_id, None)

    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        self.watched.pop(trial.trial_id, None)

    def on_step_end(self, iteration: int, trials: list[TuneTrial], **info: Any) -> None:
        now, before = time.monotonic(), self.looked
        self.looked = now
        if now - before > GAP_S:
            for watched in self.watched.values():
                watched.heard = now
        if self.s_per_flop is None or self.times == 0:
            return
        for tune_id, watched in list(self.watched.items()):
            expected = self.s_per_flop * watched.epoch_flops
            limit = max(self.times * expected, SURROUNDINGS_S if watched.at_edge else LEAST_S)
            if now - watched.heard > limit:
                del self.watched[tune_id]
                self.told(
                    tune_id, f"ended: no epoch in {now - watched.heard:.0f} s, where {expected:.1f} were expected"
                )
                self.end(watched.trial)


def end_worker(trial: TuneTrial) -> None:
    """From any machine, and a process that is stopped too."""
    actor = trial.temporary_state.ray_actor
    if actor is not None:
        ray.kill(actor)

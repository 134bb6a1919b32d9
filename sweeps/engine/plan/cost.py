"""What a trial costs: operations counted without running any, seconds predicted from a measured rate. Needs no torch
where the operations have been counted before."""

import heapq
from collections import defaultdict
from collections.abc import Mapping, Sequence

from segtrain.config import TrialConfig
from segtrain.data.by_name import find_dataset
from segtrain.data.spec import Split
from segtrain.training.operation_counts import flops_per_image


def epoch_flops(config: TrialConfig, images: Mapping[Split, int]) -> float:
    """Of one epoch on average: training, and its share of the validations and test evaluations."""
    dataset = find_dataset(config.dataset)
    training, evaluation = flops_per_image(config, len(dataset.classes), dataset.streams)
    validations = -(-config.epochs // config.val_every)
    tests = 1 + (-(-config.epochs // config.test_every) if config.test_every else 0)
    evaluated = validations * images["val"] + tests * images["test"]
    return training * images["train"] + evaluation * evaluated / config.epochs


def makespan(durations: Sequence[tuple[str, float, str | None]], slots: int) -> float:
    """Seconds until the last of (id, seconds, parent's id) has ended on `slots` machines, each free one taking the
    longest trial whose parent, if it is in the list, has ended."""
    listed = {trial_id for trial_id, _, _ in durations}
    ready: list[tuple[float, str]] = []  # (minus seconds, id), a heap
    children: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for trial_id, seconds, parent in durations:
        (children[parent] if parent in listed else ready).append((-seconds, trial_id))
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []  # (end, id), a heap
    now = 0.0
    while ready or running:
        while ready and len(running) < max(1, slots):
            minus_seconds, trial_id = heapq.heappop(ready)
            heapq.heappush(running, (now - minus_seconds, trial_id))
        now, ended = heapq.heappop(running)
        for child in children[ended]:
            heapq.heappush(ready, child)
    return now


def duration(seconds: float | None) -> str:
    """`45 s`, `3 min 20 s`, `2 h 05 min`; `unknown` for None."""
    if seconds is None:
        return "unknown"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.2f}"

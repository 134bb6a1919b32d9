"""What a trial costs: operations counted without running any, seconds predicted from a measured rate. Needs no torch
where the operations have been counted before."""

import heapq
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from analysis.read.counted_classes import counted_of
from segtrain.config import TrialConfig
from segtrain.data.by_name import find_dataset
from segtrain.data.spec import Split
from segtrain.training.inference.geometry import views_of
from segtrain.training.operation_counts import flops_per_image

T = TypeVar("T")
MOST_SAMPLED = 16


def epoch_flops(config: TrialConfig, images: Mapping[Split, int], views: float = 1.0) -> float:
    """Of one epoch on average: training, and its share of the validations and test evaluations, where a network looks
    `views` times at an image."""
    dataset = find_dataset(config.dataset)
    training, evaluation = flops_per_image(config, sum(dataset.outputs), dataset.streams)
    validations = -(-config.epochs // config.val_every)
    tests = 1 + (-(-config.epochs // config.test_every) if config.test_every else 0)
    evaluated = views * (validations * images["val"] + tests * images["test"])
    return training * images["train"] + evaluation * evaluated / config.epochs


def mean_views(config: TrialConfig, sizes: Iterable[tuple[int, ...]]) -> float:
    """How often the network of a trial looks at an image of one of the `sizes`, height and width, when it is scored."""
    if config.resolution != "own":
        return 1.0
    return statistics.fmean(views_of(config, height, width) for height, width in sizes)


def spread(images: Sequence[T]) -> list[T]:
    """MOST_SAMPLED of them at most, from the first to the last: enough to know their sizes by."""
    return [*images[:: -(-len(images) // MOST_SAMPLED)]]


def makespan(durations: Sequence[tuple[str, float, str | None]], slots: int, within: float = math.inf) -> float:
    """Seconds until the last of (id, seconds, parent's id) has ended, as `end_times` has it; 0 for none."""
    return max(end_times(durations, slots, within).values(), default=0.0)


def end_times(
    durations: Sequence[tuple[str, float, str | None]], slots: int, within: float = math.inf
) -> dict[str, float]:
    """Seconds until each of (id, seconds, parent's id) has ended on `slots` machines, each free one taking the longest
    trial whose parent, if it is in the list, has ended. One that would not end `within` so many seconds is left out,
    and so is all that waits for it."""
    listed = {trial_id for trial_id, _, _ in durations}
    ready: list[tuple[float, str]] = []  # (minus seconds, id), a heap
    children: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for trial_id, seconds, parent in durations:
        (children[parent] if parent in listed else ready).append((-seconds, trial_id))
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []  # (end, id), a heap
    ends: dict[str, float] = {}
    now = 0.0
    while ready or running:
        while ready and len(running) < max(1, slots):
            minus_seconds, trial_id = heapq.heappop(ready)
            if now - minus_seconds > within:
                continue
            ends[trial_id] = now - minus_seconds
            heapq.heappush(running, (now - minus_seconds, trial_id))
        if not running:
            break
        now, ended = heapq.heappop(running)
        for child in children[ended]:
            heapq.heappush(ready, child)
    return ends


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


def percent(fraction: float | None, iou: Sequence[float | None] | None = None) -> str:
    """`81.25`, or `-`; `81.25 (12 of 13)` for a mean over `iou`, one a class, of which some are not defined and so not
    in it: it does not compare with one over all classes."""
    if fraction is None:
        return "-"
    counted = counted_of(iou)
    return f"{100 * fraction:.2f}" + (f" ({counted})" if counted else "")

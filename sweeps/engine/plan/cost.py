"""What a trial costs: operations counted without running any, seconds predicted from a measured rate."""

import heapq
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch

from segtrain.config import TrialConfig
from segtrain.data import DATASETS
from segtrain.data.spec import Split
from segtrain.machine.device import Hardware
from segtrain.models import build_model, set_trainable
from segtrain.models.operations import flops_per_image
from segtrain.training.evaluation import autocast, cross_entropy_sum
from segtrain.training.optimizer import build_optimizer

CALIBRATION_S = 1.0


def epoch_flops(config: TrialConfig, images: Mapping[Split, int]) -> float:
    """Of one epoch on average: training, and its share of the validations and test evaluations."""
    training, evaluation = flops_per_image(config, len(DATASETS[config.dataset].classes))
    validations = -(-config.epochs // config.val_every)
    tests = 1 + (-(-config.epochs // config.test_every) if config.test_every else 0)
    evaluated = validations * images["val"] + tests * images["test"]
    return training * images["train"] + evaluation * evaluated / config.epochs


def measure_rate(hardware: Hardware, config: TrialConfig) -> float:
    """Floating-point operations per second that this machine reaches in training `config`, from some steps on noise
    in the precision and threads of a trial. On CPUs two images will do; a GPU is only busy with a whole batch."""
    threads_before = torch.get_num_threads()
    torch.set_num_threads(hardware.threads)
    num_classes = len(DATASETS[config.dataset].classes)
    model = build_model(config, num_classes)
    set_trainable(model, config.freeze)
    model.to(hardware.device).to(memory_format=torch.channels_last)
    optimizer = build_optimizer(config, model)
    batch_size = 2 if hardware.device.type == "cpu" else config.batch_size
    size = (batch_size, config.image_height, config.image_width)
    images = torch.randn(size[0], 3, *size[1:], device=hardware.device).to(memory_format=torch.channels_last)
    target = torch.randint(num_classes, size, device=hardware.device)

    def step() -> None:
        with autocast(hardware):
            logits = model(images)
        loss_sum, pixels = cross_entropy_sum(logits, target)
        optimizer.zero_grad()
        (loss_sum / pixels).backward()
        optimizer.step()
        loss_sum.item()  # waits for a GPU

    step()  # the first one warms up
    steps, started = 0, time.perf_counter()
    while steps == 0 or time.perf_counter() - started < CALIBRATION_S:
        step()
        steps += 1
    elapsed = time.perf_counter() - started
    torch.set_num_threads(threads_before)
    return flops_per_image(config, num_classes)[0] * batch_size * steps / elapsed


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

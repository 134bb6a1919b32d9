"""What a trial costs: multiply-adds counted exactly on the meta device, seconds predicted from a measured rate."""

import functools
import heapq
import time
from collections.abc import Mapping, Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode

from segtrain.config import TrialConfig
from segtrain.data import DATASETS
from segtrain.data.spec import Split
from segtrain.device import Hardware
from segtrain.evaluate import autocast, cross_entropy_sum
from segtrain.models import build_model, set_trainable
from segtrain.optim import build_optimizer

CALIBRATION_S = 1.0


@functools.cache
def _flops_per_image(config: TrialConfig) -> tuple[int, int]:
    """(training, evaluation) floating-point operations; two per multiply-add. Frozen layers need no backward."""
    with torch.device("meta"):
        model = build_model(config, len(DATASETS[config.dataset].classes))
        set_trainable(model, config.freeze)
        image = torch.empty(1, 3, config.image_height, config.image_width)
    counts = []
    for backward in (True, False):
        with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(backward):
            logits = model(image)
            if backward:
                logits.sum().backward()
        counts.append(counter.get_total_flops())
    return counts[0], counts[1]


def epoch_flops(config: TrialConfig, images: Mapping[Split, int]) -> float:
    """Of one epoch on average: training, and its share of the validations and test evaluations."""
    training, evaluation = _flops_per_image(_shape(config))
    validations = -(-config.epochs // config.val_every)
    tests = 1 + (-(-config.epochs // config.test_every) if config.test_every else 0)
    evaluated = validations * images["val"] + tests * images["test"]
    return training * images["train"] + evaluation * evaluated / config.epochs


def _shape(config: TrialConfig) -> TrialConfig:
    """What the cost of one image depends on; everything else at one value, so that it is counted once."""
    return TrialConfig(
        arch=config.arch,
        dataset=config.dataset,
        image_height=config.image_height,
        image_width=config.image_width,
        width_mult=config.width_mult,
        freeze=config.freeze,
        init="parent",
        parent="any",
    )


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
    return _flops_per_image(_shape(config))[0] * batch_size * steps / elapsed


def makespan(durations: Sequence[tuple[str, float, str | None]], slots: int) -> float:
    """Seconds until the last of (id, seconds, parent's id) has ended on `slots` machines, each free one taking the
    longest trial whose parent, if it is in the list, has ended."""
    ends: dict[str, float] = {}
    listed = {trial_id for trial_id, _, _ in durations}
    waiting = sorted(durations, key=lambda item: -item[1])
    free = [0.0] * max(1, slots)
    while waiting:
        now = heapq.heappop(free)
        ready = [d for d in waiting if d[2] not in listed or (d[2] in ends and ends[d[2]] <= now)]
        if not ready:
            # Nothing may start before the next parent has ended.
            heapq.heappush(free, min(end for end in ends.values() if end > now))
            continue
        chosen = ready[0]
        waiting.remove(chosen)
        ends[chosen[0]] = now + chosen[1]
        heapq.heappush(free, ends[chosen[0]])
    return max(ends.values(), default=0.0)

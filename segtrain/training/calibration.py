"""What this machine takes: operations per second in a moment of training on noise, and the time of one image."""

import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from segtrain.config import TrialConfig
from segtrain.data.by_name import find_dataset
from segtrain.machine.device import Hardware
from segtrain.models import build_model, set_trainable
from segtrain.training.evaluation import cross_entropy_sum
from segtrain.training.inference.network import autocast
from segtrain.training.objective.optimizer import build_optimizer
from segtrain.training.operation_counts import flops_per_image

CALIBRATION_S = 1.0
TIMED_IMAGES = 5


def measure_rate(hardware: Hardware, config: TrialConfig) -> float:
    """Floating-point operations per second that this machine reaches in training `config`, from some steps on noise
    in the precision and threads of a trial. On CPUs two images will do; a GPU is only busy with a whole batch."""
    threads_before = torch.get_num_threads()
    torch.set_num_threads(hardware.threads)
    dataset = find_dataset(config.dataset)
    batch_size = 2 if hardware.device.type == "cpu" else config.batch_size
    step = noise_step(hardware, config, batch_size, sum(dataset.outputs), dataset.streams)
    step()  # the first one warms up
    rate = images_per_s(step, batch_size, CALIBRATION_S)
    torch.set_num_threads(threads_before)
    return flops_per_image(config, sum(dataset.outputs), dataset.streams)[0] * rate


def images_per_s(step: Callable[[], None], batch_size: int, seconds: float) -> float:
    """Over as many steps as fit into the time, and one at least."""
    steps, started = 0, time.perf_counter()
    while steps == 0 or time.perf_counter() - started < seconds:
        step()
        steps += 1
    return batch_size * steps / (time.perf_counter() - started)


def noise_step(
    hardware: Hardware, config: TrialConfig, batch_size: int, num_outputs: int, streams: tuple[int, ...]
) -> Callable[[], None]:
    """A training step of the trial on a batch of noise, to be called again and again."""
    model = build_model(config, num_outputs, streams)
    set_trainable(model, config.freeze)
    model.to(hardware.device).to(memory_format=hardware.memory_format)
    optimizer = build_optimizer(config, model)
    size = (batch_size, config.image_height, config.image_width)
    images = torch.randn(size[0], sum(streams), *size[1:], device=hardware.device).to(
        memory_format=hardware.memory_format
    )
    target = torch.randint(num_outputs, size, device=hardware.device)

    def step() -> None:
        with autocast(hardware):
            logits = model(images)
        loss_sum, pixels = cross_entropy_sum(logits, target)
        optimizer.zero_grad()
        (loss_sum / pixels).backward()
        optimizer.step()
        loss_sum.item()  # waits for a GPU

    return step


@torch.no_grad()
def image_seconds(model: nn.Module, config: TrialConfig, hardware: Hardware) -> float:
    """From an image of the trial's size, alone and on the device already, to its logits: the median of some, behind one
    that warms up. What is in the image changes nothing."""
    model.eval()
    size = (1, sum(find_dataset(config.dataset).streams), config.image_height, config.image_width)
    image = torch.zeros(size, device=hardware.device).to(memory_format=hardware.memory_format)
    seconds = []
    for _ in range(1 + TIMED_IMAGES):
        started = time.perf_counter()
        with autocast(hardware):
            logits = model(image)
        logits.flatten()[0].item()  # waits for a GPU
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])

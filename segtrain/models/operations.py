"""Floating-point operations of a model, counted on the meta device: no weights, no arithmetic. A model that cannot go
there, because its forward reads a number, is counted by running it once on the CPU."""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from segtrain.architectures import library_of
from segtrain.config import TrialConfig
from segtrain.models import build_model, set_trainable
from segtrain.models.stock.split import ArchError

T = TypeVar("T")


def count_flops(config: TrialConfig, num_classes: int, streams: Sequence[int] = (3,)) -> tuple[int, int]:
    """(training, evaluation) operations for one image; two per multiply-add. Frozen layers need no backward. Raises
    ArchError and CodeError for a model that cannot be built, or gives no logits."""
    return on_meta_or_cpu(config, lambda device: _count_on(device, config, num_classes, streams))


def on_meta_or_cpu(config: TrialConfig, run: Callable[[str], T]) -> T:
    """What `run` gives with the model of `config` on the meta device, or else on the CPU."""
    if library_of(config.arch) is None:
        return run("meta")
    try:
        return run("meta")
    except Exception:  # whatever a model that is not ours makes of tensors without values
        with torch.random.fork_rng(devices=[]):
            return run("cpu")


def _count_on(device: str, config: TrialConfig, num_classes: int, streams: Sequence[int]) -> tuple[int, int]:
    with torch.device(device):
        model = build_model(config, num_classes, streams)
        set_trainable(model, config.freeze)
        image = torch.zeros(1, sum(streams), config.image_height, config.image_width)
    counts = []
    for backward in (True, False):
        mapping = {torch.ops.aten.convolution_backward: _convolution_backward}
        with FlopCounterMode(display=False, custom_mapping=mapping) as counter, torch.set_grad_enabled(backward):
            logits, auxiliary = model.forward_with_auxiliary(image)
            _check_shape(config, num_classes, logits)
            if backward:
                sum((one.sum() for one in auxiliary), logits.sum()).backward()
        # One at least: of a model of operations that nobody counts, the measured rate is then in images a second.
        counts.append(max(1, counter.get_total_flops()))
    return counts[0], counts[1]


def _check_shape(config: TrialConfig, num_classes: int, logits: Tensor) -> None:
    wanted = (1, num_classes, config.image_height, config.image_width)
    if logits.shape != wanted:
        raise ArchError(
            f"arch is {config.arch!r} and gives logits of shape {tuple(logits.shape)} for an image; the data needs "
            f"{wanted}: give as many outputs as the function is asked for"
        )


def _convolution_backward(
    grad_shape: Sequence[int],
    x_shape: Sequence[int],
    weight_shape: Sequence[int],
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    output_mask: Sequence[bool],
    **_: Any,
) -> int:
    """The gradients of input and weight cost one forward pass each. torch's own formula takes the weights of grouped
    convolutions, SegFormer's depthwise ones, for dense ones."""
    pixels = math.prod((x_shape if transposed else grad_shape)[2:])
    forward = 2 * grad_shape[0] * pixels * math.prod(weight_shape)
    return forward * (output_mask[0] + output_mask[1])

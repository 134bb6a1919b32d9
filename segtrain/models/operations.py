"""Floating-point operations of a model, counted on the meta device: no weights, no arithmetic."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from segtrain.config import TrialConfig
from segtrain.models import build_model, set_trainable


def count_flops(config: TrialConfig, num_classes: int) -> tuple[int, int]:
    """(training, evaluation) operations for one image; two per multiply-add. Frozen layers need no backward."""
    with torch.device("meta"):
        model = build_model(config, num_classes)
        set_trainable(model, config.freeze)
        image = torch.empty(1, 3, config.image_height, config.image_width)
    counts = []
    for backward in (True, False):
        mapping = {torch.ops.aten.convolution_backward: _convolution_backward}
        with FlopCounterMode(display=False, custom_mapping=mapping) as counter, torch.set_grad_enabled(backward):
            logits = model(image)
            if backward:
                logits.sum().backward()
        counts.append(counter.get_total_flops())
    return counts[0], counts[1]


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

"""Scores brought to the size of the image."""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor


def upsample(scores: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, K, h, w) -> (N, K, H, W) float32, bilinear as F.interpolate with align_corners=False, and but for the
    rounding the same numbers. In float32 whatever the precision: bfloat16 logits tie often enough to leave blocks in
    the argmax.

    Where a gradient is wanted on a CPU it is two matrix products, over rows and over columns: torch's gradient of the
    interpolation takes ten times as long (docs/speed.md)."""
    scores = scores.float()
    if not (scores.requires_grad and scores.device.type == "cpu"):
        return F.interpolate(scores, size=size, mode="bilinear", align_corners=False)
    rows, columns = (weights(*sides) for sides in zip(scores.shape[-2:], size, strict=True))
    with torch.autocast("cpu", enabled=False):
        return rows @ (scores @ columns.T)


@cache
def weights(length: int, longer: int) -> Tensor:
    """(longer, length): how much each place of a line takes from each before it was interpolated."""
    return F.interpolate(torch.eye(length)[None], size=longer, mode="linear", align_corners=False)[0].T.contiguous()

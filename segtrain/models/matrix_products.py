"""What a decoder does on small maps, as matrix products: torch's own kernels take several times as long for it on a CPU
(docs/speed.md)."""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ProductConv2d(nn.Conv2d):
    """nn.Conv2d of stride 1, with the same parameters and, but for the rounding, the same numbers.

    On a map of at most half as many places as the kernel has, such as that of fc6 on small images, every output sees
    nearly all of it, and what there is to do is one matrix product with the weights as they lie in memory; with a
    kernel of one place, such as that of fc7, it is so on any map. While it trains on a CPU that is what is done."""

    def forward(self, x: Tensor) -> Tensor:
        height, width = self.kernel_size
        is_product = height * width == 1 or 2 * x.shape[-2] * x.shape[-1] <= height * width
        if not (self.training and x.device.type == "cpu" and is_product):
            return super().forward(x)
        vertical, horizontal = map(int, self.padding)
        padded = F.pad(x, (horizontal, horizontal, vertical, vertical))
        # (N, C, H', W', kernel height, kernel width); its last three are put in the order in which the weights lie.
        windows, weights = padded.unfold(2, height, 1).unfold(3, width, 1), self.weight
        if lies_channels_last(weights):
            windows, weights = windows.permute(0, 2, 3, 4, 5, 1), weights.permute(0, 2, 3, 1)
        else:
            windows = windows.permute(0, 2, 3, 1, 4, 5)
        return F.linear(windows.flatten(3), weights.flatten(1), self.bias).permute(0, 3, 1, 2)


def lies_channels_last(weight: Tensor) -> bool:
    return weight.permute(0, 2, 3, 1).is_contiguous()


def upsample(scores: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, K, h, w) -> (N, K, H, W) float32, bilinear as F.interpolate with align_corners=False, and but for the
    rounding the same numbers. In float32 whatever the precision: bfloat16 logits tie often enough to leave blocks in
    the argmax.

    Where a gradient is wanted on a CPU it is two products, over rows and over columns."""
    scores = scores.float()
    if not (scores.requires_grad and scores.device.type == "cpu"):
        return F.interpolate(scores, size=size, mode="bilinear", align_corners=False)
    rows, columns = (weights_along(*sides) for sides in zip(scores.shape[-2:], size, strict=True))
    with torch.autocast("cpu", enabled=False):
        return rows @ (scores @ columns.T)


@cache
def weights_along(length: int, longer: int) -> Tensor:
    """(longer, length): how much each place of a line takes from each before it was interpolated."""
    return F.interpolate(torch.eye(length)[None], size=longer, mode="linear", align_corners=False)[0].T.contiguous()

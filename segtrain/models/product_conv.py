"""A convolution that is one matrix product: with a kernel wider than the map that it slides over, such as fc6 of FCN on
small images, or with one of a single place, such as fc7."""

import torch.nn.functional as F
from torch import Tensor, nn


class ProductConv2d(nn.Conv2d):
    """nn.Conv2d of stride 1, with the same parameters and, but for the rounding, the same numbers.

    On a map of at most half as many places as the kernel has every output sees nearly all of it, and what there is to
    do is one matrix product with the weights as they lie in memory; with a kernel of one place it is so on any map.
    While it trains on a CPU that is what is done: oneDNN's convolution takes up to twice as long (docs/speed.md)."""

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

"""A convolution whose window is wider than the map that it slides over, such as fc6 of FCN on small images."""

import torch.nn.functional as F
from torch import Tensor, nn


class WideConv2d(nn.Conv2d):
    """nn.Conv2d of stride 1, with the same parameters and, but for the rounding, the same numbers.

    On a map of at most half as many places as the kernel has every output sees nearly all of it, and what there is to
    do is one matrix product with the weights as they lie in memory. While it trains on a CPU in the channels-last
    layout that is what is done: oneDNN's convolution takes up to twice as long for it (docs/speed.md)."""

    def forward(self, x: Tensor) -> Tensor:
        height, width = self.kernel_size
        is_small = 2 * x.shape[-2] * x.shape[-1] <= height * width
        if not (self.training and x.device.type == "cpu" and is_small and lies_channels_last(self.weight)):
            return super().forward(x)
        vertical, horizontal = map(int, self.padding)
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, horizontal, horizontal, vertical, vertical))
        windows = padded.unfold(1, height, 1).unfold(2, width, 1)  # (N, H', W', C, kernel height, kernel width)
        count, rows, columns = windows.shape[:3]
        flat = windows.permute(0, 1, 2, 4, 5, 3).reshape(count * rows * columns, -1)
        weights = self.weight.permute(0, 2, 3, 1).flatten(1)
        return F.linear(flat, weights, self.bias).view(count, rows, columns, -1).permute(0, 3, 1, 2)


def lies_channels_last(weight: Tensor) -> bool:
    return weight.permute(0, 2, 3, 1).is_contiguous()

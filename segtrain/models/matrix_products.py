"""What a decoder does on small maps, as matrix products: torch's own kernels take several times as long for it on a CPU
(docs/speed.md)."""

from functools import cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class ProductConv2d(nn.Conv2d):
    """nn.Conv2d of stride 1 whose output is as large as its input, with the same parameters and, but for the rounding,
    the same numbers.

    On a map of at most half as many places as the kernel has, such as that of fc6 on small images, every output sees
    nearly all of it, and what there is to do is one matrix product with the weights as they lie in memory; with a
    kernel of one place, such as that of fc7, it is so on any map. While it trains on a CPU that is what is done."""

    def forward(self, x: Tensor) -> Tensor:
        height, width = self.kernel_size
        is_product = height * width == 1 or 2 * x.shape[-2] * x.shape[-1] <= height * width
        if not (self.training and x.device.type == "cpu" and is_product):
            return super().forward(x)
        vertical, horizontal = map(int, self.padding)
        if height * width > 1 and self.bias is not None and lies_channels_last(self.weight):
            window = Window.meeting(x.shape[-2], (height, width), (vertical, horizontal))
            product: Tensor = _RowsProduct.apply(x, self.weight, self.bias, window)
            return product
        padded = F.pad(x, (horizontal, horizontal, vertical, vertical))
        # (N, C, H', W', kernel height, kernel width); its last three are put in the order in which the weights lie.
        windows = padded.unfold(2, height, 1).unfold(3, width, 1).permute(0, 2, 3, 1, 4, 5)
        return F.linear(windows.flatten(3), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


def lies_channels_last(weight: Tensor) -> bool:
    return weight.permute(0, 2, 3, 1).is_contiguous()


class Window(NamedTuple):
    """The rows of a kernel that meet a map at all, the others only its padding, and what they are padded with."""

    first_row: int
    height: int
    width: int
    vertical: int
    horizontal: int

    @classmethod
    def meeting(cls, map_height: int, kernel: tuple[int, int], padding: tuple[int, int]) -> "Window":
        assert 2 * padding[0] + 1 == kernel[0], "the output is as high as the input"
        first = max(0, padding[0] - map_height + 1)
        behind = min(kernel[0], padding[0] + map_height)
        return cls(first, behind - first, kernel[1], padding[0] - first, padding[1])

    def columns(self, channels: int) -> slice:
        """Where the weights of these rows are in `_matrix`."""
        row = self.width * channels
        return slice(self.first_row * row, (self.first_row + self.height) * row)


class _RowsProduct(torch.autograd.Function):
    """The convolution of weights that lie channels last, as a product with those rows of its kernel that meet the map.
    They lie side by side, so none are copied; a gradient by autograd would copy them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, window: Window) -> Tensor:
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        rows = _matrix(weight.to(dtype))[:, window.columns(weight.shape[1])]
        padded = F.pad(x.to(dtype), (window.horizontal,) * 2 + (window.vertical,) * 2)
        places = padded.unfold(2, window.height, 1).unfold(3, window.width, 1).permute(0, 2, 3, 4, 5, 1)
        windows = places.flatten(3).flatten(0, 2)  # (N H' W', rows x width x C)
        ctx.window, ctx.x_dtype = window, x.dtype
        ctx.save_for_backward(windows, rows, weight)
        return torch.addmm(bias.to(dtype), windows, rows.T).view(*places.shape[:3], -1).permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        windows, rows, weight = ctx.saved_tensors
        of_places = grad.permute(0, 2, 3, 1)
        of_outputs = of_places.flatten(0, 2)
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_x = _of_map((of_outputs @ rows).view(*of_places.shape[:3], -1), ctx.window).to(ctx.x_dtype)
        if ctx.needs_input_grad[1]:
            of_weight = _of_weight(of_outputs.T, windows, weight, ctx.window)
        if ctx.needs_input_grad[2]:
            of_bias = of_outputs.sum(0, dtype=torch.float32)
        return of_x, of_weight, of_bias, None


def _matrix(weight: Tensor) -> Tensor:
    """(O, C, height, width) of a kernel, channels last -> (O, height x width x C), the same memory."""
    return weight.permute(0, 2, 3, 1).flatten(1)


def _of_weight(of_outputs: Tensor, windows: Tensor, weight: Tensor, window: Window) -> Tensor:
    """The gradient, zero in the rows that meet only padding; it lies in memory as the weights do."""
    gradient, columns = torch.empty_like(weight), window.columns(weight.shape[1])
    matrix = _matrix(gradient)
    matrix[:, : columns.start] = 0
    matrix[:, columns.stop :] = 0
    if windows.dtype == weight.dtype:
        torch.mm(of_outputs, windows, out=matrix[:, columns])
    else:
        matrix[:, columns] = of_outputs @ windows
    return gradient


def _of_map(of_windows: Tensor, window: Window) -> Tensor:
    """(N, H', W', rows x width x C), a gradient for each window -> (N, C, H, W), where they overlap their sum."""
    images, height, width, _ = of_windows.shape
    of_places = of_windows.view(images, height, width, window.height, window.width, -1)
    high, wide = height + window.height - 1, width + window.width - 1
    padded = torch.zeros(images, high, wide, of_places.shape[-1])
    for y in range(height):
        for x in range(width):
            padded[:, y : y + window.height, x : x + window.width] += of_places[:, y, x]
    inner = padded[:, window.vertical : high - window.vertical, window.horizontal : wide - window.horizontal]
    return inner.permute(0, 3, 1, 2)


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

"""The convolution as a matrix product against torch's own."""

import pytest
import torch
from torch import nn

from segtrain.models.wide_conv import WideConv2d

CHANNELS, OUT = 5, 6


def pair() -> tuple[WideConv2d, nn.Conv2d]:
    """Both with the same parameters, channels last."""
    torch.manual_seed(0)
    reference = nn.Conv2d(CHANNELS, OUT, kernel_size=(7, 5), padding=(3, 2)).to(memory_format=torch.channels_last)
    wide = WideConv2d(CHANNELS, OUT, kernel_size=(7, 5), padding=(3, 2)).to(memory_format=torch.channels_last)
    wide.load_state_dict(reference.state_dict())
    return wide, reference


@pytest.mark.parametrize("size", [(3, 4), (1, 1), (6, 2), (8, 9)])
def test_output_and_gradients_are_the_convolutions(size: tuple[int, int]) -> None:
    image = torch.randn(2, CHANNELS, *size, generator=torch.Generator().manual_seed(1))
    found = []
    for layer in pair():
        x = image.clone().requires_grad_()
        y = layer(x)
        (y * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum().backward()
        found.append([y, x.grad, layer.weight.grad, layer.bias.grad])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_only_a_map_that_is_small_beside_the_kernel_takes_a_matrix_product(monkeypatch: pytest.MonkeyPatch) -> None:
    wide, _ = pair()
    convolved: list[tuple[int, ...]] = []
    monkeypatch.setattr(nn.Conv2d, "forward", lambda self, x: convolved.append(tuple(x.shape[-2:])))
    for size in ((3, 4), (6, 3), (7, 4), (3, 5)):
        wide(torch.zeros(1, CHANNELS, *size))
    assert convolved == [(6, 3), (7, 4)]
    wide.eval()(torch.zeros(1, CHANNELS, 3, 4))  # what is predicted and exported is the plain one
    wide.train().to(memory_format=torch.contiguous_format)(torch.zeros(1, CHANNELS, 3, 4))
    assert convolved[2:] == [(3, 4), (3, 4)]

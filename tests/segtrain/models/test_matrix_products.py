"""Matrix products against the kernels of torch that they stand for."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from segtrain.models.matrix_products import ProductConv2d, upsample

CHANNELS, OUT = 5, 6
LAYOUTS = [torch.channels_last, torch.contiguous_format]


def pair(kernel: tuple[int, int] = (7, 5), layout: torch.memory_format = torch.channels_last) -> list[nn.Conv2d]:
    """Ours and torch's, with the same parameters."""
    torch.manual_seed(0)
    padding = (kernel[0] // 2, kernel[1] // 2)
    layers = [kind(CHANNELS, OUT, kernel, padding=padding) for kind in (ProductConv2d, nn.Conv2d)]
    layers[0].load_state_dict(layers[1].state_dict())
    return [layer.to(memory_format=layout) for layer in layers]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("kernel", "size"), [((7, 5), (3, 4)), ((7, 5), (1, 1)), ((7, 5), (6, 2)), ((7, 5), (8, 9)), ((1, 1), (3, 4))]
)
def test_output_and_gradients_are_the_convolutions(
    kernel: tuple[int, int], size: tuple[int, int], layout: torch.memory_format
) -> None:
    image = torch.randn(2, CHANNELS, *size, generator=torch.Generator().manual_seed(1))
    found = []
    for layer in pair(kernel, layout):
        x = image.clone(memory_format=layout).requires_grad_()
        y = layer(x)
        (y * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum().backward()
        assert layer.weight.grad is not None
        assert layer.weight.grad.is_contiguous(memory_format=layout), "as the optimiser wants it"
        found.append([y, x.grad, *(parameter.grad for parameter in layer.parameters())])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("learns", ["everything", "only the layer", "only what is before it"])
def test_it_is_in_bfloat16_under_autocast_with_float32_gradients(learns: str, layout: torch.memory_format) -> None:
    found = []
    for layer in pair(layout=layout):
        x = torch.randn(2, CHANNELS, 3, 4, generator=torch.Generator().manual_seed(1)).to(memory_format=layout)
        x.requires_grad_(learns != "only the layer")
        layer.requires_grad_(learns != "only what is before it")
        with torch.autocast("cpu", torch.bfloat16):
            y = layer(x)
        assert y.dtype == torch.bfloat16
        (y.float() * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum().backward()
        found.append([y.float(), x.grad, *(parameter.grad for parameter in layer.parameters())])
    for ours, theirs in zip(*found, strict=True):
        assert (ours is None) == (theirs is None)
        if theirs is not None:
            assert ours.dtype == theirs.dtype == torch.float32
            torch.testing.assert_close(ours, theirs, rtol=0.02, atol=0.02)


def test_only_small_maps_or_kernels_of_one_place_take_a_matrix_product(monkeypatch: pytest.MonkeyPatch) -> None:
    wide, _ = pair()
    convolved: list[tuple[int, ...]] = []
    monkeypatch.setattr(nn.Conv2d, "forward", lambda self, x: convolved.append(tuple(x.shape[-2:])))
    for size in ((3, 4), (6, 3), (7, 4), (3, 5)):
        wide(torch.zeros(1, CHANNELS, *size))
    pair(kernel=(1, 1))[0](torch.zeros(1, CHANNELS, 7, 4))
    assert convolved == [(6, 3), (7, 4)]
    wide.eval()(torch.zeros(1, CHANNELS, 3, 4))  # what is predicted and exported is the plain one
    assert convolved[2:] == [(3, 4)]


def interpolate(scores: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(scores, size=size, mode="bilinear", align_corners=False)


@pytest.mark.parametrize("size", [(24, 56), (17, 30), (3, 7), (2, 5)])
def test_values_and_gradients_are_the_interpolations(size: tuple[int, int]) -> None:
    scores = torch.randn(2, 5, 3, 7, generator=torch.Generator().manual_seed(0))
    found = []
    for kind in (upsample, interpolate):
        x = scores.clone(memory_format=torch.channels_last).requires_grad_()
        y = kind(x, size)
        (y * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum().backward()
        found.append([y, x.grad])
    for ours, theirs in zip(*found, strict=True):
        assert ours is not None
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_it_is_in_float32_under_bfloat16() -> None:
    scores = torch.randn(1, 5, 3, 7, generator=torch.Generator().manual_seed(0)).bfloat16()
    expected = interpolate(scores.float(), (24, 56))
    with torch.autocast("cpu", torch.bfloat16):
        learning = upsample(scores.clone().requires_grad_(), (24, 56))
        judged = upsample(scores, (24, 56))
    torch.testing.assert_close(learning, expected)
    assert judged.equal(expected), "without a gradient it is torch's own, as in an export"

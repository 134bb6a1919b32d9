"""Upsampling by matrix products against torch's interpolation."""

import pytest
import torch
import torch.nn.functional as F

from segtrain.models.upsampling import upsample


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

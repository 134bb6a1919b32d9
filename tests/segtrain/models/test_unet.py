"""U-Net and its variants: parameters counted by hand, blocks and gates written out, what a skip carries."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segtrain.models.unet import CHANNELS, AttentionGate, DoubleConv, UpBlock, build_unet

Noise = Callable[..., Tensor]

TINY = 0.0625
VARIANTS: dict[str, dict[str, Any]] = {
    "unet": {},
    "unet_noskip": {"skips": False},
    "unet_residual": {"residual": True},
    "strided": {"residual": True, "gate": "strided"},
    "upsampled": {"residual": True, "gate": "upsampled"},
}


def double_conv(wide: int, wider: int) -> int:
    """Two 3x3 convolutions without bias, and the two parameters of batch norm a channel."""
    return 9 * wide * wider + 9 * wider * wider + 2 * 2 * wider


@pytest.mark.parametrize("variant", VARIANTS)
def test_parameters_by_hand(variant: str) -> None:
    downs = [(3, 64), (64, 128), (128, 256), (256, 512), (512, 1024)]
    ups = [(1024, 512), (512, 256), (256, 128), (128, 64)]
    entering = 1 if variant == "unet_noskip" else 2  # times the block's channels
    expected = sum(double_conv(*pair) for pair in downs)
    expected += sum(4 * below * c + c + double_conv(entering * c, c) for below, c in ups)
    expected += 64 * 3 + 3
    if variant not in ("unet", "unet_noskip"):
        expected += sum(a * b + 2 * b for a, b in downs) + sum(2 * c * c + 2 * c for _, c in ups)
    if variant == "strided":
        expected += sum(4 * c * (c // 2) + below * (c // 2) + c // 2 + c // 2 + 1 for below, c in ups)
    if variant == "upsampled":
        expected += sum(2 * c * (c // 2) + c // 2 + c // 2 + 1 for _, c in ups)
    with torch.device("meta"):
        model = build_unet(3, 1.0, **VARIANTS[variant])
    assert sum(p.numel() for p in model.parameters()) == expected
    if variant == "unet":
        assert expected == 31_037_763


def test_features_stand_at_strides_1_to_16(images: Noise) -> None:
    features = build_unet(3, TINY).encoder(images(1, 33, 64))
    assert [tuple(feature.shape[1:]) for feature in features] == [
        (4, 48, 64), (8, 24, 32), (16, 12, 16), (32, 6, 8), (64, 3, 4),
    ]  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_odd_size_is_padded_at_the_right_and_below(images: Noise, variant: str) -> None:
    """Padding the image by hand and cutting the logits gives the same."""
    model, x = build_unet(5, TINY, **VARIANTS[variant]).eval(), images(1, 33, 70)
    padded = F.pad(x, (0, 10, 0, 15))
    assert torch.equal(model(x), model(padded)[..., :33, :70])


@pytest.mark.parametrize("variant", VARIANTS)
def test_skips_reach_the_decoder_unless_left_out(images: Noise, variant: str) -> None:
    model = build_unet(5, TINY, **VARIANTS[variant]).eval()
    features = model.encoder(images(1, 32, 32))
    whole = model.decoder(features, (32, 32))
    for level in range(4):
        without = [torch.zeros_like(f) if at == level else f for at, f in enumerate(features)]
        assert torch.equal(model.decoder(without, (32, 32)), whole) == (variant == "unet_noskip")


def test_the_skip_comes_first(images: Noise) -> None:
    block, below, skip = UpBlock(3, 3, True, False, None).eval(), images(1, 4, 4), images(1, 8, 8, seed=2)
    expected = block.double_conv(torch.cat([skip, block.up(below)], 1))
    assert torch.equal(block(below, skip), expected)


def test_a_residual_block_is_a_plain_one_and_a_shortcut(images: Noise) -> None:
    plain, residual, x = DoubleConv(3, 6, False).eval(), DoubleConv(3, 6, True).eval(), images(2, 8, 8)
    residual.convolutions.load_state_dict(plain.convolutions.state_dict())
    expected = (plain.convolutions(x) + residual.shortcut(x)).relu()
    assert torch.equal(residual(x), expected)
    nn.init.zeros_(residual.shortcut[0].weight)
    assert torch.equal(residual(x), plain(x))
    assert not torch.equal(plain(x), expected)


def test_a_gate_at_equal_sizes_by_hand() -> None:
    """One channel: w_x 2, w_g 3, b -1, psi 0.5 and its bias 0.25."""
    gate = AttentionGate(1, 1, stride=1)
    for tensor, value in ((gate.w_x.weight, 2.0), (gate.w_g.weight, 3.0), (gate.w_g.bias, -1.0),
                          (gate.psi.weight, 0.5), (gate.psi.bias, 0.25)):  # fmt: skip
        nn.init.constant_(tensor, value)
    x, g = torch.tensor([[[[1.0, 4.0]]]]), torch.tensor([[[[2.0, -3.0]]]])
    # 2 * 1 + 3 * 2 - 1 = 7, halved, and 0.25; 2 * 4 - 9 - 1 = -2 is cut to 0.
    expected = torch.tensor([[[[1.0, 4.0]]]]) * torch.sigmoid(torch.tensor([[[[3.75, 0.25]]]]))
    torch.testing.assert_close(gate(x, g), expected)


def test_a_strided_gate_meets_the_signal_at_half_the_size(images: Noise) -> None:
    gate, x, g = AttentionGate(3, 3, stride=2), images(1, 8, 12), images(1, 4, 6, seed=2)
    together = F.conv2d(x, gate.w_x.weight, stride=2) + F.conv2d(g, gate.w_g.weight, gate.w_g.bias)
    assert gate.w_x.kernel_size == (2, 2)
    alpha = gate.psi(together.relu()).sigmoid()
    assert alpha.shape == (1, 1, 4, 6)
    torch.testing.assert_close(gate(x, g), x * F.interpolate(alpha, scale_factor=2, mode="bilinear"))


def test_where_the_gating_signal_comes_from(images: Noise) -> None:
    below, skip = images(1, 4, 4), images(1, 8, 8, seed=2)
    strided, upsampled = (UpBlock(3, 3, True, True, gate).eval() for gate in ("strided", "upsampled"))
    for block, signal in ((strided, below), (upsampled, upsampled.up(below))):
        seen = torch.cat([block.attention(skip, signal), block.up(below)], 1)
        assert torch.equal(block(below, skip), block.double_conv(seen))


def test_weights_start_at_he_s_width() -> None:
    """sqrt(2 / n): in a 3x3 convolution over 512 channels n is 4608, in an up-convolution of 512 channels 512."""
    model = build_unet(3, 0.5, residual=True, gate="strided")
    deepest, up = model.encoder.blocks[4].convolutions[3].weight, model.decoder.blocks[0].up.weight
    assert deepest.std().item() == pytest.approx((2 / 4608) ** 0.5, rel=0.01)
    assert up.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.01)
    assert all(not bias.any() for name, bias in model.named_parameters() if name.endswith("bias"))
    assert CHANNELS[-1] == 1024

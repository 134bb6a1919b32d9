"""FCN against its paper: parameter counts, bilinear upsampling, fusion, and torchvision's VGG16 inside."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from segtrain.architectures import Arch
from segtrain.config import TrialConfig
from segtrain.models.encoder_decoder import EncoderDecoder, scaled
from segtrain.models.fcn import VGG16Encoder, bilinear_kernel, build_fcn, load_vgg16
from segtrain.models.operations import count_flops

TINY = 0.0625
PARAMETERS: dict[Arch, int] = {"fcn32s": 134_313_805, "fcn16s": 134_320_474, "fcn8s": 134_323_815}
SKIPS: dict[Arch, tuple[str, ...]] = {"fcn32s": (), "fcn16s": ("pool4",), "fcn8s": ("pool4", "pool3")}
VGG16_CONVOLUTIONS = 14_714_688


def random_image(height: int, width: int) -> Tensor:
    return torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(1))


def speaking(model: EncoderDecoder) -> EncoderDecoder:
    """With scores other than zero."""
    for layer in model.decoder.score_layers():
        nn.init.normal_(layer.weight)
    return model.eval()


@pytest.mark.parametrize("arch", PARAMETERS)
def test_parameter_counts_of_the_paper(arch: Arch) -> None:
    with torch.device("meta"):
        model = build_fcn(13, SKIPS[arch])
    deconvolutions = sum(p.numel() for p in model.decoder.upscore2.parameters())
    assert sum(p.numel() for p in model.parameters()) - deconvolutions == PARAMETERS[arch]
    assert sum(p.numel() for p in model.encoder.parameters()) == VGG16_CONVOLUTIONS
    assert deconvolutions == 13 * 13 * 4 * 4 * {"fcn32s": 0, "fcn16s": 1, "fcn8s": 2}[arch]


@pytest.mark.parametrize(
    ("channels", "width_mult", "expected"), [(64, 1, 64), (64, 0.0625, 4), (512, 0.3, 154), (3, 0.1, 1)]
)
def test_scaled_channels(channels: int, width_mult: float, expected: int) -> None:
    assert scaled(channels, width_mult) == expected


def test_features_stand_at_stride_8_16_and_32() -> None:
    encoder = VGG16Encoder(TINY)
    features = encoder(random_image(64, 96))
    assert {name: tuple(feature.shape) for name, feature in features.items()} == {
        "pool3": (1, 16, 8, 12), "pool4": (1, 32, 4, 6), "pool5": (1, 32, 2, 3),
    }  # fmt: skip
    assert encoder.out_channels == {name: feature.shape[1] for name, feature in features.items()}


def test_an_odd_size_is_padded_at_the_right_and_below() -> None:
    """Padding the image by hand and cutting the logits gives the same."""
    model, x = speaking(build_fcn(5, SKIPS["fcn8s"], TINY)), random_image(33, 70)
    padded = torch.zeros(1, 3, 64, 96)
    padded[..., :33, :70] = x
    assert torch.equal(model(x), model(padded)[..., :33, :70])


def test_the_bilinear_kernel_by_hand() -> None:
    taps = torch.tensor([0.25, 0.75, 0.75, 0.25])
    kernel = bilinear_kernel(3, factor=2)
    assert kernel.shape == (3, 3, 4, 4)
    for row in range(3):
        for column in range(3):
            expected = torch.outer(taps, taps) if row == column else torch.zeros(4, 4)
            assert torch.equal(kernel[row, column], expected)


@pytest.mark.parametrize("factor", [2, 4, 8, 32])
def test_a_bilinear_deconvolution_is_interpolation_inside(factor: int) -> None:
    """At the border the deconvolution has nothing to average with and fades out."""
    x = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    ours = F.conv_transpose2d(x, bilinear_kernel(3, factor), stride=factor, padding=factor // 2)
    reference = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    assert ours.shape == reference.shape
    border = factor // 2
    inside = (..., slice(border, -border), slice(border, -border))
    torch.testing.assert_close(ours[inside], reference[inside])
    assert not torch.allclose(ours[..., 0, :], reference[..., 0, :])


@pytest.mark.parametrize("arch", PARAMETERS)
def test_learned_upsampling_starts_bilinear(arch: Arch) -> None:
    model = build_fcn(5, SKIPS[arch], TINY)
    assert tuple(model.decoder.upscore2) == SKIPS[arch]
    assert all(torch.equal(u.weight, bilinear_kernel(5, 2)) for u in model.decoder.upscore2.values())


@pytest.mark.parametrize("arch", PARAMETERS)
def test_a_learned_last_upsampling_starts_as_the_fixed_one(arch: Arch) -> None:
    """At the border too, and all of it has a gradient."""
    plain, learned = (speaking(build_fcn(5, SKIPS[arch], TINY, upsampling=u)) for u in ("learned_between", "learned"))
    missing = learned.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert missing == ["decoder.upscore.weight"]
    logits = learned(random_image(33, 70))
    torch.testing.assert_close(logits, plain(random_image(33, 70)))
    logits.square().sum().backward()
    assert learned.decoder.upscore.weight.grad.abs().min() > 0
    config = TrialConfig(arch=arch, dataset="roads", init="scratch", width_mult=TINY, upsampling="learned")
    assert count_flops(config, 5) > count_flops(config.edit(upsampling="fixed"), 5)


def test_fixed_upsampling_learns_nowhere() -> None:
    model = build_fcn(5, SKIPS["fcn8s"], TINY, upsampling="fixed")
    assert {name for name, p in model.named_parameters() if not p.requires_grad} == {
        "decoder.upscore2.pool4.weight", "decoder.upscore2.pool3.weight",
    }  # fmt: skip


def test_skips_are_scored_at_their_scale() -> None:
    scaled_down = speaking(build_fcn(5, SKIPS["fcn8s"], TINY, skip_scale=0.5))
    by_hand = build_fcn(5, SKIPS["fcn8s"], TINY).eval()
    by_hand.load_state_dict(scaled_down.state_dict())
    with torch.no_grad():
        by_hand.decoder.score_skips["pool4"].weight *= 0.5
        by_hand.decoder.score_skips["pool3"].weight *= 0.25
    torch.testing.assert_close(scaled_down(random_image(64, 96)), by_hand(random_image(64, 96)))


@pytest.mark.parametrize(("arch", "edge"), [("fcn32s", 1.0), ("fcn16s", 0.75), ("fcn8s", 0.5625)])
def test_constant_scores_at_the_middle_of_an_edge(arch: Arch, edge: float) -> None:
    """What the header of fcn.py says of our border, and of the paper's."""
    decoder = build_fcn(1, SKIPS[arch], TINY).decoder
    nn.init.ones_(decoder.score.bias)
    features = {
        f"pool{level}": torch.zeros(1, 16 * min(level - 2, 2), 256 >> level, 256 >> level) for level in (3, 4, 5)
    }
    assert decoder.eval()(features, (256, 256))[0, 0, 0, 128].item() == edge
    # Pad 100 before the first convolution, five poolings, an unpadded 7x7 one; then the deconvolutions, and the crop.
    x, strides = torch.ones(1, 1, 16, 16), [2] * len(SKIPS[arch]) + [32 >> len(SKIPS[arch])]
    for stride in strides:
        x = F.conv_transpose2d(x, bilinear_kernel(1, stride), stride=stride)
    crop = {"fcn32s": 19, "fcn16s": 27, "fcn8s": 31}[arch]
    assert x[0, 0, crop, 250].item() == pytest.approx(0.61, abs=0.001)


def test_scores_are_fused_from_deep_to_shallow() -> None:
    """FCN-8s written out: each coarser score is upsampled twice and added to the score of the next pooling."""
    model = speaking(build_fcn(5, SKIPS["fcn8s"], TINY))
    decoder, features = model.decoder, model.encoder(random_image(64, 96))
    fc7 = F.relu(decoder.fc7(F.relu(decoder.fc6(features["pool5"]))))
    up_pool4 = F.conv_transpose2d(decoder.score(fc7), bilinear_kernel(5, 2), stride=2, padding=1)
    fuse_pool4 = up_pool4 + decoder.score_skips["pool4"](features["pool4"])
    up_pool3 = F.conv_transpose2d(fuse_pool4, bilinear_kernel(5, 2), stride=2, padding=1)
    fuse_pool3 = up_pool3 + decoder.score_skips["pool3"](features["pool3"])
    expected = F.interpolate(fuse_pool3, scale_factor=8, mode="bilinear", align_corners=False)
    torch.testing.assert_close(model(random_image(64, 96)), expected)


def test_dropout_falls_on_fc6_and_fc7_in_training_only() -> None:
    model, x = speaking(build_fcn(5, SKIPS["fcn32s"], TINY)), random_image(32, 32)
    assert torch.equal(model(x), model(x))
    dropped: list[float] = []
    model.decoder.dropout.register_forward_hook(lambda _, __, out: dropped.append((out == 0).float().mean().item()))
    model.train()
    assert not torch.equal(model(x), model(x))
    assert len(dropped) == 4
    assert model.decoder.dropout.p == 0.5
    assert min(dropped) > 0.5  # ReLU's zeros and half of the rest


@pytest.mark.parametrize("arch", PARAMETERS)
def test_at_the_start_every_class_is_equally_likely(arch: Arch) -> None:
    """The score layers are zero (FCN paper, 4.1), and yet they get a gradient."""
    model = build_fcn(5, SKIPS[arch], TINY).train()
    logits = model(random_image(32, 48))
    assert torch.equal(logits, torch.zeros(1, 5, 32, 48))
    F.cross_entropy(logits, torch.zeros(1, 32, 48, dtype=torch.int64)).backward()
    assert all(layer.weight.grad.abs().sum() > 0 for layer in model.decoder.score_layers())


@pytest.fixture(scope="module")
def vgg16_state() -> dict[str, Tensor]:
    """Weights in the shape of torchvision's VGG16. The two big matrices are windows sliding over a short vector, so
    that every row differs and 550 MB become one."""
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in torchvision.models.vgg16().state_dict().items()}
    state = {}
    for name, shape in shapes.items():
        fan_in = shape[1:].numel() if len(shape) > 1 else 100
        if name.startswith("classifier") and len(shape) == 2:
            state[name] = torch.randn(sum(shape), generator=generator).mul_(fan_in**-0.5).as_strided(shape, (1, 1))
        else:
            state[name] = torch.randn(shape, generator=generator) * (2 / fan_in) ** 0.5
    return state


@torch.no_grad()
def test_imagenet_weights_compute_what_torchvisions_classifier_computes(vgg16_state: dict[str, Tensor]) -> None:
    """At 224 x 224 pool5 is 7 x 7, the size of fc6's kernel: unpadded it has one place, where it is the classifier."""
    with torch.device("meta"):
        reference = torchvision.models.vgg16()
    reference.load_state_dict(vgg16_state, assign=True)
    reference.eval()
    model = build_fcn(13, SKIPS["fcn32s"])
    load_vgg16(model, vgg16_state)
    x = random_image(224, 224)
    pool5 = model.encoder(x)["pool5"]
    expected = reference.features(x)
    assert torch.equal(pool5, expected)
    fc6, fc7 = model.decoder.fc6, model.decoder.fc7
    first = F.conv2d(pool5, fc6.weight, fc6.bias)
    expected = reference.classifier[0](reference.avgpool(expected).flatten(1))
    torch.testing.assert_close(first.flatten(1), expected, rtol=1e-3, atol=1e-4)
    second = fc7(F.relu(first))
    torch.testing.assert_close(second.flatten(1), reference.classifier[3](F.relu(expected)), rtol=1e-3, atol=1e-4)
    assert second.std() > 0.01
    # In the decoder fc6 is padded; the middle of its map is that place.
    torch.testing.assert_close(fc6(pool5)[..., 3, 3], first.flatten(1), rtol=1e-3, atol=1e-4)

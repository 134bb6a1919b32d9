"""Models of images of other than three channels: their first layer, the weights it takes over, and late fusion."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from segtrain.config import TrialConfig
from segtrain.models import MODELS, build_model, weights
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.models.image_channels import LateFusion, adapt
from segtrain.models.operations import count_flops

Recipe = Callable[..., TrialConfig]


def first(model: nn.Module) -> nn.Conv2d:
    return next(layer for layer in model.modules() if isinstance(layer, nn.Conv2d))


@torch.no_grad()
@pytest.mark.parametrize("arch", [
    "fcn8s", "fcn_resnet50", "segformer_b0", "unet", "unet_attention_residual", "torchvision:lraspp_mobilenet_v3_large",
    "smp:Unet/resnet18",
])  # fmt: skip
@pytest.mark.parametrize("channels", [1, 4])
def test_every_kind_of_model_sees_as_many_channels_as_there_are(recipe: Recipe, arch: str, channels: int) -> None:
    model = build_model(recipe(arch), 5, (channels,)).eval()
    assert model(torch.randn(2, channels, 64, 64)).shape == (2, 5, 64, 64)
    assert first(model).in_channels == channels
    assert first(model).weight.std() > 0.01


@pytest.mark.parametrize("arch", MODELS)
def test_three_channels_are_the_model_that_there_was(recipe: Recipe, arch: str) -> None:
    """To the bit, so that no trial of before becomes another."""
    torch.manual_seed(0)
    plain = build_model(recipe(arch), 5).state_dict()
    torch.manual_seed(0)
    told = build_model(recipe(arch), 5, (3,)).state_dict()
    assert all(torch.equal(tensor, told[name]) for name, tensor in plain.items())


def test_filters_are_taken_in_turn_and_keep_the_level_of_what_arrives() -> None:
    trained = {"first": torch.randn(8, 3, 3, 3), "second": torch.randn(8, 8, 3, 3), "bias": torch.randn(8)}

    def own(channels: int) -> dict[str, Tensor]:
        return {**trained, "first": torch.empty(8, channels, 3, 3)}

    grey, five = adapt(trained, own(1)), adapt(trained, own(5))
    assert torch.equal(grey["first"], trained["first"].sum(1, keepdim=True))
    assert torch.allclose(five["first"], trained["first"][:, [0, 1, 2, 0, 1]] * 3 / 5)
    assert all(adapt(trained, own(3))[name] is trained[name] for name in trained)
    assert all(five[name] is trained[name] for name in ("second", "bias"))


def test_a_grey_image_gives_what_it_gives_as_rgb(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule, seen from outside: with weights for RGB, one grey channel stands for three that are alike."""
    config = recipe("fcn8s", init="scratch")
    torch.manual_seed(0)
    rgb = build_model(config, 5)
    monkeypatch.setattr(weights, "load", lambda model, *_: model.load_state_dict(rgb.state_dict()))
    grey = build_model(config, 5, (1,))
    weights.start_from(grey, config, 5, Path("/nowhere"), (1,))
    image = torch.randn(1, 1, 32, 32)
    taps, expected = grey.encoder(image), rgb.encoder(image.expand(-1, 3, -1, -1))
    assert all(torch.allclose(taps[name], expected[name], atol=1e-5) for name in expected)


@pytest.fixture
def late(recipe: Recipe) -> EncoderDecoder:
    torch.manual_seed(0)
    model = build_model(recipe("fcn16s", fusion="late"), 5, (3, 1))
    for layer in model.decoder.score_layers():
        nn.init.normal_(layer.weight)
    return model.eval()


@torch.no_grad()
def test_late_fusion_is_half_the_sum_of_two_networks_scores(late: EncoderDecoder, recipe: Recipe) -> None:
    x, scores = torch.randn(2, 4, 40, 50), []
    for number, channels in enumerate((3, 1)):
        alone = build_model(recipe("fcn16s"), 5, (channels,)).eval()
        state = late.state_dict()
        alone.load_state_dict({
            name: state[f"{part}.{part}s.{number}.{rest}"]
            for name in alone.state_dict() for part, _, rest in [name.partition(".")]
        })  # fmt: skip
        scores.append(alone(x[:, :3] if number == 0 else x[:, 3:]))
    assert torch.allclose(late(x), (scores[0] + scores[1]) / 2, atol=1e-6)
    assert not torch.allclose(late(x), scores[0], atol=1e-2)


def test_late_fusion_counts_both_networks(recipe: Recipe) -> None:
    one = count_flops(recipe("fcn16s"), 5, (3,))
    both = count_flops(recipe("fcn16s", fusion="late"), 5, (3, 3))
    assert both == tuple(2 * count for count in one)


def test_each_network_of_a_late_fusion_takes_the_weights_of_the_first_layer(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = recipe("fcn8s", fusion="late")
    donor = build_model(recipe("fcn8s"), 5).state_dict()
    monkeypatch.setattr(weights, "load", lambda model, *_: model.load_state_dict(donor))
    model = build_model(config, 5, (3, 1))
    weights.start_from(model, config, 5, Path("/nowhere"), (3, 1))
    assert isinstance(model, LateFusion)
    filters = donor["encoder.features.0.weight"]
    own = model.state_dict()
    assert torch.equal(own["encoder.encoders.0.features.0.weight"], filters)
    assert torch.equal(own["encoder.encoders.1.features.0.weight"], filters.sum(1, keepdim=True))
    assert torch.equal(own["decoder.decoders.1.fc6.weight"], donor["decoder.fc6.weight"])


def test_freezing_and_scores_take_hold_of_both_networks(late: EncoderDecoder) -> None:
    assert len(late.decoder.score_layers()) == 4
    assert {layer.out_channels for layer in late.decoder.score_layers()} == {5}
    parts = {name.split(".")[2] for name, _ in late.encoder.named_parameters(prefix="encoder")}
    assert parts == {"0", "1"}

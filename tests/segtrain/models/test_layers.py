"""Which layers an image meets, and whose output each takes."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segtrain.config import TrialConfig
from segtrain.models import build_model
from segtrain.models.encoder_decoder import Decoder, EncoderDecoder
from segtrain.models.layers import IMAGE, Layer, list_layers, trace
from segtrain.models.stock.split import SplitModel

Recipe = Callable[..., TrialConfig]


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wide, self.deep = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 8, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> list[Tensor]:
        wide = self.wide(x)
        return [wide, self.deep(F.max_pool2d(wide, 2))]


class OwnConv(nn.Conv2d):
    """Of a model's own, and yet a convolution."""


class Head(Decoder):
    """The deep features, brought to the size of the wide ones, beside these."""

    def __init__(self) -> None:
        super().__init__()
        self.score = OwnConv(12, 2, 1)

    def score_layers(self) -> list[nn.Module]:
        return [self.score]

    def forward(self, features: list[Tensor], size: tuple[int, int]) -> Tensor:
        wide, deep = features
        larger = F.interpolate(deep, size=size)
        return self.score(torch.cat([wide, 1 + larger[..., :, :]], dim=1))  # type: ignore[no-any-return]


def test_a_model_worked_by_hand() -> None:
    model = EncoderDecoder(Encoder(), Head())
    model.encoder.requires_grad_(False)
    assert trace(model, torch.zeros(1, 3, 8, 12)) == [
        Layer("encoder.wide", "Conv2d", 3, 1, (4, 8, 12), 112, False, (IMAGE,)),
        Layer("", "max_pool2d", None, None, (4, 4, 6), 0, None, (0,)),
        Layer("encoder.deep", "Conv2d", 3, 2, (8, 2, 3), 296, False, (1,)),
        Layer("", "interpolate", None, None, (8, 8, 12), 0, None, (2,)),
        Layer("decoder.score", "Conv2d", 1, 1, (2, 8, 12), 26, True, (0, 3)),
    ]


class Whole(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.score = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU()), nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.score(self.encoder(x))  # type: ignore[no-any-return]


def test_the_encoder_of_a_model_that_is_not_ours_is_there() -> None:
    whole = Whole()
    found = trace(SplitModel(whole, "encoder", [whole.score]), torch.zeros(1, 3, 8, 12))
    assert [(layer.name, layer.kind, layer.shape, layer.inputs) for layer in found] == [
        ("encoder.body.0", "Conv2d", (8, 4, 6), (IMAGE,)),
        ("encoder.body.1", "ReLU", (8, 4, 6), (0,)),
        ("decoder.whole.score", "Conv2d", (2, 4, 6), (1,)),
        ("", "interpolate", (2, 8, 12), (2,)),
    ]


def test_the_skips_of_fcn8s_come_from_pool3_and_pool4(recipe: Recipe) -> None:
    layers = list_layers(recipe("fcn8s", image_height=64, image_width=96), 5)
    numbers = {layer.name: number for number, layer in enumerate(layers)}
    for pool, module, shape in (("pool4", "features.23", (5, 4, 6)), ("pool3", "features.16", (5, 8, 12))):
        skip = layers[numbers[f"decoder.score_skips.{pool}"]]
        assert (skip.inputs, skip.shape) == ((numbers[f"encoder.{module}"],), shape)
    assert layers[-1].inputs == (numbers["decoder.upscore2.pool3"], numbers["decoder.score_skips.pool3"])
    assert layers[-1].shape == (5, 64, 96)


@pytest.mark.parametrize("arch", ["fcn32s", "unet_attention_residual", "fcn_resnet50", "segformer_b0"])
def test_every_parameter_is_some_layers_and_every_input_came_before(recipe: Recipe, arch: str) -> None:
    config = recipe(arch)
    layers = list_layers(config, 5)
    with torch.device("meta"):
        model = build_model(config, 5)
    assert sum({layer.name: layer.parameters for layer in layers}.values()) == sum(
        parameter.numel() for parameter in model.parameters()
    )
    assert all(layer.inputs and max(layer.inputs) < number for number, layer in enumerate(layers))
    assert (layers[0].inputs, layers[-1].shape[0]) == ((IMAGE,), 5)

"""Images of other channels than red, green and blue: the layers that see them, and late fusion, a network for each
stream of an image's channels and the mean of their scores (Long et al. 2015, section 5, for RGB and HHA: half the sum).
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from segtrain.models.encoder_decoder import Decoder, EncoderDecoder

RGB_CHANNELS = 3


def of_channels(layer: nn.Conv2d, channels: int) -> nn.Conv2d:
    """A new layer like `layer` that sees so many channels, its weights drawn as ResNets' are: He's normal
    distribution by the values that leave it."""
    new = copy.deepcopy(layer)
    new.in_channels = channels
    new.weight = nn.Parameter(torch.empty_like(layer.weight[:, :1]).repeat(1, channels, 1, 1))
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    return new


def see_channels(model: nn.Module, channels: int) -> None:
    """Lets the first convolution of `model`, which sees RGB, see so many channels."""
    if channels == RGB_CHANNELS:
        return
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d) and layer.in_channels == RGB_CHANNELS and layer.groups == 1:
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, of_channels(layer, channels))
            return


def adapt(trained: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a network trained on RGB, for one that is the same but for the channels of the image: the filters
    of red, green and blue in turn, in as many channels as there are, times 3 by their number, so that the sum of
    what arrives stays as large; for a single channel their sum. That is timm's and smp's rule."""
    return {name: _adapted(tensor, own[name].shape[1]) if _sees_image(tensor, own[name]) else tensor
            for name, tensor in trained.items()}  # fmt: skip


def _sees_image(tensor: Tensor, own: Tensor) -> bool:
    shape = tensor.shape
    return tensor.ndim == 4 and shape[1] == RGB_CHANNELS and own.shape == (shape[0], own.shape[1], *shape[2:])


def _adapted(tensor: Tensor, channels: int) -> Tensor:
    if channels == RGB_CHANNELS:
        return tensor
    if channels == 1:
        return tensor.sum(dim=1, keepdim=True)
    in_turn = torch.arange(channels, device=tensor.device) % RGB_CHANNELS
    return tensor[:, in_turn] * (RGB_CHANNELS / channels)


class StreamEncoder(nn.Module):
    """x: (N, C, H, W), the streams behind each other -> the features of each by its own encoder."""

    def __init__(self, encoders: Sequence[nn.Module], streams: Sequence[int]) -> None:
        super().__init__()
        self.streams = [*streams]
        self.encoders = nn.ModuleList(encoders)

    def forward(self, x: Tensor) -> list[Any]:
        return [encoder(part) for encoder, part in zip(self.encoders, x.split(self.streams, dim=1), strict=True)]


class MeanDecoder(Decoder):
    """features of StreamEncoder, size (H, W) -> logits (N, K, H, W): the mean of those of its decoders."""

    def __init__(self, decoders: Sequence[nn.Module]) -> None:
        super().__init__()
        self.decoders = nn.ModuleList(decoders)

    def score_layers(self) -> Sequence[nn.Module]:
        return [layer for decoder in self.decoders for layer in decoder.score_layers()]  # type: ignore[operator]

    def forward(self, features: list[Any], size: tuple[int, int]) -> Tensor:
        logits = [decoder(part, size) for decoder, part in zip(self.decoders, features, strict=True)]
        return torch.stack(logits).mean(0)


class LateFusion(EncoderDecoder):
    """x: (N, C, H, W) -> logits (N, K, H, W), by a network for each of the `streams`, which add up to C channels."""

    can_keep_features = False

    def __init__(self, networks: Sequence[EncoderDecoder], streams: Sequence[int]) -> None:
        encoder = StreamEncoder([network.encoder for network in networks], streams)
        super().__init__(encoder, MeanDecoder([network.decoder for network in networks]))

    def load_each(self, states: Sequence[dict[str, Tensor]]) -> None:
        """Takes the weights of each network, under the names that they have in it."""
        for number, state in enumerate(states):
            named = {name.replace(".", f".{name.partition('.')[0]}s.{number}.", 1): t for name, t in state.items()}
            self.load_state_dict(named, strict=False)

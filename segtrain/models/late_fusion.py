"""Late fusion: a network of its own for each stream of an image's channels, and the mean of their scores (Long et al.
2015, section 5, for RGB and HHA: half the sum)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from segtrain.models.encoder_decoder import Decoder, EncoderDecoder


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

"""The shape of every model: an encoder, which freezing and transfer take hold of, and a decoder on top of it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn


class Decoder(nn.Module, ABC):
    """features of its encoder, size (H, W) of the image -> logits (N, K, H, W), float32 whatever the precision."""

    @abstractmethod
    def score_layers(self) -> Sequence[nn.Module]:
        """The layers that give class scores: all that `all_but_score` trains."""

    def forward_with_auxiliary(self, features: Any, size: tuple[int, int]) -> tuple[Tensor, list[Tensor]]:
        """What training looks at: the logits, and those of auxiliary heads in models that have them."""
        return self(features, size), []


class EncoderDecoder(nn.Module):
    """x: (N, C, H, W) normalised image -> logits (N, K, H, W)."""

    can_keep_features = True
    """Whether a frozen encoder's features are all that training needs of an image."""

    def __init__(self, encoder: nn.Module, decoder: Decoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        logits: Tensor = self.decoder(self.encoder(x), (height, width))
        return logits

    def forward_with_auxiliary(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        height, width = x.shape[-2:]
        return self.decoder.forward_with_auxiliary(self.encoder(x), (height, width))


def scaled(channels: int, width_mult: float) -> int:
    return max(1, round(channels * width_mult))

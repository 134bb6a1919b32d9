"""SegFormer-B0 to B5 (Xie et al., "SegFormer: Simple and Efficient Design for Semantic Segmentation with
Transformers", NeurIPS 2021), of transformers' modules.

    MixTransformer     hierarchical encoder (section 3.1): four stages at stride 4, 8, 16, 32
    AllMLPDecoder      one linear layer a stage, all at stride 4, fused to scores (section 3.2)

Deviations from the paper:
- Weights start as in transformers: all from N(0, 0.02). With `weight_init=paper` as in the paper's code: convolutions
  of the encoder from He's distribution by what they give, which makes the depthwise ones in its feed-forward blocks
  start sqrt(2/9) / 0.02 = 24 times larger, the decoder's fusion likewise, and its linear layers as torch starts them.
- Attention is written out (matrix product, softmax, matrix product), whose CUDA kernels are all deterministic.

transformers is imported when a model is built, not before: that takes seconds which other architectures need not wait.
"""

import math
from typing import Literal, NamedTuple

from torch import Tensor, nn

from segtrain.config import WeightInit
from segtrain.models.encoder_decoder import Decoder, EncoderDecoder
from segtrain.models.matrix_products import upsample

Size = Literal["b0", "b1", "b2", "b3", "b4", "b5"]


class Dimensions(NamedTuple):
    depths: tuple[int, int, int, int]  # blocks of each stage
    hidden_sizes: tuple[int, int, int, int]  # channels of each stage
    decoder_hidden_size: int


WIDE = (64, 128, 320, 512)
DIMENSIONS: dict[Size, Dimensions] = {
    "b0": Dimensions((2, 2, 2, 2), (32, 64, 160, 256), 256),
    "b1": Dimensions((2, 2, 2, 2), WIDE, 256),
    "b2": Dimensions((3, 4, 6, 3), WIDE, 768),
    "b3": Dimensions((3, 4, 18, 3), WIDE, 768),
    "b4": Dimensions((3, 8, 27, 3), WIDE, 768),
    "b5": Dimensions((3, 6, 40, 3), WIDE, 768),
}
"""As published with the weights, nvidia/mit-b0 to -b5; what all sizes share are the defaults of SegformerConfig."""


class MixTransformer(nn.Module):
    """x: (N, C, H, W) -> [(N, C1, H/4, W/4), (N, C2, H/8, W/8), (N, C3, H/16, W/16), (N, C4, H/32, W/32)], rounded up.

    Its tensors have the names that they have in transformers' SegformerModel.
    """

    def __init__(self, stages: nn.ModuleList) -> None:
        super().__init__()
        self.stages = stages

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class AllMLPDecoder(Decoder):
    """features of MixTransformer, size (H, W) -> logits (N, K, H, W), upsampled bilinearly from stride 4."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def score_layers(self) -> list[nn.Conv2d]:
        score = self.head.classifier
        assert isinstance(score, nn.Conv2d)
        return [score]

    def forward(self, features: list[Tensor], size: tuple[int, int]) -> Tensor:
        scores: Tensor = self.head(features)
        return upsample(scores, size)


def build_segformer(
    num_classes: int, size: Size, weight_init: WeightInit = "library", channels: int = 3
) -> EncoderDecoder:
    from transformers.models.segformer.configuration_segformer import SegformerConfig
    from transformers.models.segformer.modeling_segformer import SegformerForSemanticSegmentation

    config = SegformerConfig(
        **DIMENSIONS[size]._asdict(), num_labels=num_classes, num_channels=channels, attn_implementation="eager"
    )
    whole = SegformerForSemanticSegmentation(config)
    model = EncoderDecoder(MixTransformer(whole.segformer.stages), AllMLPDecoder(whole.decode_head))
    if weight_init == "paper":
        _start_as_the_paper(model)
    return model


def _start_as_the_paper(model: EncoderDecoder) -> None:
    for layer in model.encoder.modules():
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=0.02)
        elif isinstance(layer, nn.Conv2d):
            fan_out = layer.out_channels // layer.groups * layer.kernel_size[0] * layer.kernel_size[1]
            nn.init.normal_(layer.weight, std=math.sqrt(2 / fan_out))
    scores = model.decoder.score_layers()
    for layer in model.decoder.modules():
        if isinstance(layer, nn.Linear) or layer in scores:
            layer.reset_parameters()  # type: ignore[operator]  # of nn.Linear and nn.Conv2d
        elif isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


def load_mit(model: EncoderDecoder, state: dict[str, Tensor]) -> None:
    """Takes the weights of transformers' SegformerModel into the encoder."""
    model.encoder.load_state_dict(state)

"""FCN-ResNet50, torchvision's: a fully convolutional head (Long, Shelhamer, Darrell 2015) on a dilated ResNet-50
(He et al., "Deep Residual Learning for Image Recognition", CVPR 2016).

    encoder        torchvision's ResNet-50 without its classifier; strides of the last two stages are dilations
    FCNHead        3x3 convolution, batch norm, ReLU, dropout 0.1, 1x1 scores; bilinear upsampling from stride 8

Deviations from torchvision: none in the numbers. The logits are upsampled in float32 under bfloat16 too, and the
auxiliary head, which torchvision's own recipe trains along, is left out: the report that the study reproduces names
none.
Layers start as torchvision starts them.
"""

from torch import Tensor, nn

from segtrain.models.encoder_decoder import Decoder, EncoderDecoder
from segtrain.models.image_channels import see_channels
from segtrain.models.matrix_products import upsample

COCO_CLASSES = 21
"""Of PASCAL VOC, background among them: what init=coco was trained on."""


class FCNHead(Decoder):
    """features {"out": (N, 2048, H/8, W/8)}, size (H, W) -> logits (N, K, H, W)."""

    def __init__(self, head: nn.Sequential) -> None:
        super().__init__()
        self.head = head

    def score_layers(self) -> list[nn.Conv2d]:
        score = self.head[-1]
        assert isinstance(score, nn.Conv2d)
        return [score]

    def forward(self, features: dict[str, Tensor], size: tuple[int, int]) -> Tensor:
        scores: Tensor = self.head(features["out"])
        return upsample(scores, size)


def build_fcn_resnet50(num_classes: int, channels: int = 3) -> EncoderDecoder:
    from torchvision.models.segmentation import fcn_resnet50  # seconds, which other architectures need not wait

    whole = fcn_resnet50(weights=None, weights_backbone=None, num_classes=num_classes, aux_loss=False)
    see_channels(whole.backbone, channels)
    return EncoderDecoder(whole.backbone, FCNHead(whole.classifier))


def load_resnet50(model: EncoderDecoder, state: dict[str, Tensor]) -> None:
    """Takes the weights of torchvision's ResNet-50 classifier into the encoder, all but its last layer."""
    model.encoder.load_state_dict({name: tensor for name, tensor in state.items() if not name.startswith("fc.")})


def load_fcn_resnet50(model: EncoderDecoder, state: dict[str, Tensor]) -> list[str]:
    """Takes the weights of torchvision's whole FCN-ResNet50 of COCO_CLASSES classes, all but its auxiliary head; gives
    the names of the tensors that stay new, those of the scores where the classes are others in number."""
    assert isinstance(model.decoder, FCNHead)
    model.encoder.load_state_dict(dict(_below(state, "backbone.")))
    head = dict(_below(state, "classifier."))
    scores = [name for name in head if name.startswith("4.")]
    if model.decoder.score_layers()[0].out_channels == COCO_CLASSES:
        scores = []
    missing = model.decoder.head.load_state_dict({n: t for n, t in head.items() if n not in scores}, strict=False)
    if missing.missing_keys != scores or missing.unexpected_keys:
        raise KeyError(*missing)
    return [f"decoder.head.{name}" for name in scores]


def _below(state: dict[str, Tensor], prefix: str) -> list[tuple[str, Tensor]]:
    return [(name.removeprefix(prefix), tensor) for name, tensor in state.items() if name.startswith(prefix)]

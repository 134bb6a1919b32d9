"""FCN-32s, FCN-16s and FCN-8s on VGG16 (Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic
Segmentation", CVPR 2015, section 4 and figure 3).

    VGG16Encoder   the convolutions of VGG16; features pool3, pool4, pool5 at stride 8, 16, 32
    FCNDecoder     fc6 and fc7 as convolutions, 1x1 scores of fc7 and of the skips, learned 2x upsampling, fusion

Shapes: N images, K classes, H x W pixels.

`upsampling` says which of the upsamplings, all of which start bilinear, learn: those between skips, as in the paper,
none of them ("fixed", as in the reference implementation), or the last one too. `skip_scale` is what the reference
implementation scales pool4 by before it is scored, and pool3 twice, where it trains FCN-8s all at once: 0.01.

Deviations from the paper:
- Sizes are padded to a multiple of 32 and the maps have "same" padding, instead of pad 100 and crop offsets: no
  pixel of the score maps is thrown away, and small images fit.
- Beyond the border the last upsampling sees the outermost scores again, as F.interpolate does, and those between skips
  see zeros: constant scores of fc7 arrive at the middle of an edge 1.00, 0.75 and 0.56 times as large in 32s, 16s and
  8s. With the paper's pad 100 it is 0.61 in all three, at the top and on the left.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segtrain.config import Upsampling
from segtrain.models.encoder_decoder import Decoder, EncoderDecoder, scaled
from segtrain.models.matrix_products import ProductConv2d, upsample

STRIDE = 32
STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
"""Of VGG16: how many 3x3 convolutions, each followed by a ReLU, at how many channels; then a pooling."""
TAPS = {16: "pool3", 23: "pool4", 30: "pool5"}  # index in `features`, as torchvision numbers them


class VGG16Encoder(nn.Module):
    """x: (N, C, H, W) -> {"pool3": (N, C3, H/8, W/8), "pool4": (N, C4, H/16, W/16), "pool5": (N, C5, H/32, W/32)},
    H and W rounded up to multiples of 32. `width_mult` scales every channel count."""

    def __init__(self, width_mult: float, channels: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.out_channels = {}
        for convolutions, width in STAGES:
            for _ in range(convolutions):
                layers += [nn.Conv2d(channels, scaled(width, width_mult), 3, padding=1), nn.ReLU(inplace=True)]
                channels = scaled(width, width_mult)
            layers.append(nn.MaxPool2d(2))
            if len(layers) - 1 in TAPS:
                self.out_channels[TAPS[len(layers) - 1]] = channels
        self.features = nn.Sequential(*layers)
        for layer in self.features:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                zero_bias(layer)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % STRIDE, 0, -height % STRIDE))
        taps = {}
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in TAPS:
                taps[TAPS[index]] = x
        return taps


class FCNDecoder(Decoder):
    """features of VGG16Encoder, size (H, W) -> logits (N, K, H, W). `skips` names the poolings that are fused."""

    def __init__(
        self,
        in_channels: dict[str, int],
        num_classes: int,
        skips: tuple[str, ...],
        width_mult: float,
        upsampling: Upsampling,
        skip_scale: float,
    ) -> None:
        super().__init__()
        hidden = scaled(4096, width_mult)
        self.fc6 = ProductConv2d(in_channels["pool5"], hidden, kernel_size=7, padding=3)
        self.fc7 = ProductConv2d(hidden, hidden, kernel_size=1)
        self.dropout = nn.Dropout(0.5)
        self.score = nn.Conv2d(hidden, num_classes, kernel_size=1)
        self.skips = skips
        self.score_skips = nn.ModuleDict({skip: nn.Conv2d(in_channels[skip], num_classes, 1) for skip in skips})
        self.upscore2 = nn.ModuleDict(
            {skip: nn.ConvTranspose2d(num_classes, num_classes, 4, stride=2, padding=1, bias=False) for skip in skips}
        )
        for hidden_layer in (self.fc6, self.fc7):
            nn.init.kaiming_normal_(hidden_layer.weight, nonlinearity="relu")
            zero_bias(hidden_layer)
        for score_layer in self.score_layers():
            nn.init.zeros_(score_layer.weight)
            zero_bias(score_layer)
        self.skip_scales = {skip: skip_scale**depth for depth, skip in enumerate(skips, start=1)}
        for upscore in self.upscore2.values():
            upscore.weight = nn.Parameter(bilinear_kernel(num_classes, factor=2), upsampling != "fixed")
        self.upscore = None
        if upsampling == "learned":
            stride = STRIDE >> len(skips)
            self.upscore = nn.ConvTranspose2d(num_classes, num_classes, 2 * stride, stride, stride // 2, bias=False)
            self.upscore.weight = nn.Parameter(bilinear_kernel(num_classes, stride))

    def score_layers(self) -> list[nn.Conv2d]:
        """The layers that give class scores: what the paper trains in FCN-32s-fixed."""
        return [layer for layer in (self.score, *self.score_skips.values()) if isinstance(layer, nn.Conv2d)]

    def forward(self, features: dict[str, Tensor], size: tuple[int, int]) -> Tensor:
        x = self.dropout(F.relu(self.fc6(features["pool5"])))
        x = self.dropout(F.relu(self.fc7(x)))
        x = self.score(x)
        for skip in self.skips:
            pool = features[skip] if self.skip_scales[skip] == 1 else features[skip] * self.skip_scales[skip]
            x = self.upscore2[skip](x) + self.score_skips[skip](pool)
        if self.upscore is None:
            height, width = features["pool5"].shape[-2:]
            logits = upsample(x, (height * STRIDE, width * STRIDE))
        else:
            stride = self.upscore.stride[0]
            # In float32, as `upsample`.
            with torch.autocast("cuda" if x.is_cuda else "cpu", enabled=False):  # there is none of "meta"
                wide = self.upscore(with_border(x.float()))
            logits = wide[..., stride:-stride, stride:-stride]
        return logits[..., : size[0], : size[1]]


def with_border(x: Tensor) -> Tensor:
    """(N, K, H, W) -> (N, K, H + 2, W + 2), the outermost values twice. F.pad's way has no deterministic gradient on
    GPUs."""
    x = torch.cat([x[..., :1, :], x, x[..., -1:, :]], dim=-2)
    return torch.cat([x[..., :1], x, x[..., -1:]], dim=-1)


def build_fcn(
    num_classes: int,
    skips: tuple[str, ...],
    width_mult: float = 1.0,
    upsampling: Upsampling = "learned_between",
    skip_scale: float = 1.0,
    channels: int = 3,
) -> EncoderDecoder:
    encoder = VGG16Encoder(width_mult, channels)
    decoder = FCNDecoder(encoder.out_channels, num_classes, skips, width_mult, upsampling, skip_scale)
    return EncoderDecoder(encoder, decoder)


def load_vgg16(model: EncoderDecoder, state: dict[str, Tensor]) -> None:
    """Takes the weights of torchvision's VGG16 classifier, fc6 and fc7 included (section 4.1 of the paper)."""
    decoder = model.decoder
    assert isinstance(decoder, FCNDecoder)
    model.encoder.load_state_dict({name: tensor for name, tensor in state.items() if name.startswith("features.")})
    for layer, name in ((decoder.fc6, "classifier.0"), (decoder.fc7, "classifier.3")):
        layer.load_state_dict({"weight": state[f"{name}.weight"].view_as(layer.weight), "bias": state[f"{name}.bias"]})


def zero_bias(layer: nn.Conv2d) -> None:
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def bilinear_kernel(num_classes: int, factor: int) -> Tensor:
    """(K, K, 2f, 2f) weights of a deconvolution of stride f that upsamples each class bilinearly."""
    taps = 1 - (torch.arange(2 * factor) - (factor - 0.5)).abs() / factor
    return torch.eye(num_classes)[:, :, None, None] * torch.outer(taps, taps)

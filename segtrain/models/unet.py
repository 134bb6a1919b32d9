"""U-Net (Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015),
without skips, with residual blocks, and with attention gates.

    UNetEncoder     the contracting path (figure 1, left): double convolutions and 2x2 max pooling, 64 to 1024 channels
    UNetDecoder     the expanding path (figure 1, right), and 1x1 scores
    UpBlock         2x2 up-convolution, the skip concatenated, double convolution
    DoubleConv      3x3 convolution and ReLU, twice; with a shortcut, the residual unit of He et al., "Deep Residual
                    Learning for Image Recognition", CVPR 2016, which Zhang, Liu, Wang, "Road Extraction by Deep
                    Residual U-Net", GRSL 2018, put into U-Net
    AttentionGate   Oktay et al., "Attention U-Net: Learning Where to Look for the Pancreas", MIDL 2018, figure 2

Shapes: N images, K classes, H x W pixels.

Deviations from the papers:
- "Same" padding, and sizes padded to a multiple of 16, instead of valid convolutions on mirrored tiles: logits for
  every pixel at one go. Batch norm behind every 3x3 convolution. No dropout at the end of the contracting path.
- Residual blocks differ from plain ones by their shortcut only, so that the variants differ in one thing; Zhang et al.
  also put batch norm and ReLU before the convolutions, stride them instead of pooling, and have one level less.
- Gates stand at all four levels (Oktay et al. leave out the first) with half the skip's channels inside.

Weights start from N(0, sqrt(2 / n)) with n the values that enter one output, biases at zero (Ronneberger et al.,
section 3).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segtrain.config import Gate
from segtrain.models.encoder_decoder import Decoder, EncoderDecoder, scaled

STRIDE = 16
CHANNELS = (64, 128, 256, 512, 1024)


class DoubleConv(nn.Module):
    """x: (N, C_in, H, W) -> (N, C_out, H, W). `residual` adds x, projected to C_out channels, before the last ReLU."""

    def __init__(self, in_channels: int, out_channels: int, residual: bool) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = None
        if residual:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.convolutions(x)
        if self.shortcut is not None:
            out = out + self.shortcut(x)
        return F.relu(out)


class AttentionGate(nn.Module):
    """skip x: (N, C, H, W), gating signal g: (N, C_g, H/stride, W/stride) -> alpha x with
    alpha = sigmoid(psi^T ReLU(W_x x + W_g g + b)), one number in (0, 1) a place."""

    def __init__(self, channels: int, gating_channels: int, stride: int) -> None:
        super().__init__()
        inside = max(1, channels // 2)
        self.w_x = nn.Conv2d(channels, inside, kernel_size=stride, stride=stride, bias=False)
        self.w_g = nn.Conv2d(gating_channels, inside, kernel_size=1)
        self.psi = nn.Conv2d(inside, 1, kernel_size=1)
        self.stride = stride

    def forward(self, x: Tensor, g: Tensor) -> Tensor:
        alpha = torch.sigmoid(self.psi(F.relu(self.w_x(x) + self.w_g(g))))
        if self.stride > 1:
            alpha = F.interpolate(alpha, size=x.shape[-2:], mode="bilinear", align_corners=False)
        return alpha * x


class UpBlock(nn.Module):
    """below: (N, C_in, H/2, W/2), skip: (N, C, H, W) -> (N, C, H, W).

    `gate` says what gates the skip: nothing, "strided" `below` itself, to whose size a 2x2 convolution of stride 2
    brings the skip, "upsampled" what the up-convolution makes of it, at the skip's size.
    """

    def __init__(self, in_channels: int, channels: int, skip: bool, residual: bool, gate: Gate | None) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, channels, kernel_size=2, stride=2)
        self.skip = skip
        self.gate = gate
        if gate == "strided":
            self.attention = AttentionGate(channels, in_channels, stride=2)
        elif gate == "upsampled":
            self.attention = AttentionGate(channels, channels, stride=1)
        self.double_conv = DoubleConv(2 * channels if skip else channels, channels, residual)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        x = self.up(below)
        if self.gate is not None:
            skip = self.attention(skip, below if self.gate == "strided" else x)
        if self.skip:
            x = torch.cat([skip, x], dim=1)
        out: Tensor = self.double_conv(x)
        return out


class UNetEncoder(nn.Module):
    """x: (N, C, H, W) -> [(N, C1, H, W), (N, C2, H/2, W/2), ..., (N, C5, H/16, W/16)], H and W rounded up to multiples
    of 16."""

    def __init__(self, channels: list[int], residual: bool, image_channels: int = 3) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            DoubleConv(wide, wider, residual)
            for wide, wider in zip([image_channels, *channels], channels, strict=False)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % STRIDE, 0, -height % STRIDE))
        features: list[Tensor] = []
        for block in self.blocks:
            x = block(F.max_pool2d(x, 2) if features else x)
            features.append(x)
        return features


class UNetDecoder(Decoder):
    """features of UNetEncoder, size (H, W) -> logits (N, K, H, W)."""

    def __init__(self, channels: list[int], num_classes: int, skips: bool, residual: bool, gate: Gate | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            UpBlock(channels[level + 1], channels[level], skips, residual, gate)
            for level in reversed(range(len(channels) - 1))
        )
        self.score = nn.Conv2d(channels[0], num_classes, kernel_size=1)

    def score_layers(self) -> list[nn.Conv2d]:
        return [self.score]

    def forward(self, features: list[Tensor], size: tuple[int, int]) -> Tensor:
        *skips, x = features
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            x = block(x, skip)
        logits: Tensor = self.score(x).float()
        return logits[..., : size[0], : size[1]]


def build_unet(
    num_classes: int,
    width_mult: float,
    image_channels: int = 3,
    skips: bool = True,
    residual: bool = False,
    gate: Gate | None = None,
) -> EncoderDecoder:
    channels = [scaled(channel, width_mult) for channel in CHANNELS]
    encoder = UNetEncoder(channels, residual, image_channels)
    model = EncoderDecoder(encoder, UNetDecoder(channels, num_classes, skips, residual, gate))
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            # One pixel of an up-convolution is made from one place: its kernel is as large as its stride.
            entering = layer.weight[0].numel() if isinstance(layer, nn.Conv2d) else layer.in_channels
            nn.init.normal_(layer.weight, std=(2 / entering) ** 0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return model

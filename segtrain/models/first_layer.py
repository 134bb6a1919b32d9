"""The layers that see the image, for images of other than three channels."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

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

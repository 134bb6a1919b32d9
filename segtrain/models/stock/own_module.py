"""`package.module:function`: a module of the user's own, which the function gives when called as function(num_classes),
or as function(num_classes, in_channels=C) where the images have another number of channels than three.

Its attribute `encoder`, or `backbone`, is what freezing and transfer take hold of; a module without one trains as a
whole. What gives the class scores is its last convolution, or linear layer, with as many outputs as there are classes.
"""

import inspect

from torch import nn

from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.models.image_channels import RGB_CHANNELS
from segtrain.models.stock.split import SplitModel
from segtrain.own_code import CodeError, describe_error, import_object

ENCODER_NAMES = ("encoder", "backbone")


def build_own(name: str, num_classes: int, channels: int = 3) -> EncoderDecoder:
    """Raises CodeError, with the file and the line of what the function raises."""
    function = import_object(name, "arch")
    if not callable(function):
        raise CodeError(f"arch is {name!r}, which is a {type(function).__name__}; it has to be a function")
    besides = {} if channels == RGB_CHANNELS else {"in_channels": channels}
    try:
        inspect.signature(function).bind(num_classes, **besides)
    except TypeError as error:
        called = ", ".join(["num_classes", *(f"{name}={value}" for name, value in besides.items())])
        raise CodeError(
            f"arch is {name!r} and cannot be called as {name.partition(':')[2]}({called}): {error}; give every "
            "other argument a default"
        ) from None
    try:
        whole = function(num_classes, **besides)
    except (Exception, SystemExit) as error:
        raise CodeError(f"arch is {name!r}, and calling it failed: {describe_error(error)}") from error
    if not isinstance(whole, nn.Module):
        raise CodeError(f"arch is {name!r} and gave a {type(whole).__name__}; it has to give a torch.nn.Module")
    if isinstance(whole, EncoderDecoder):
        return whole
    encoder = next((one for one in ENCODER_NAMES if isinstance(getattr(whole, one, None), nn.Module)), None)
    inside = set(getattr(whole, encoder).modules()) if encoder else set()
    scored = [layer for layer in whole.modules() if layer not in inside and _outputs(layer) == num_classes]
    return SplitModel(whole, encoder, scored[-1:])


def _outputs(layer: nn.Module) -> int | None:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        return layer.out_channels
    return layer.out_features if isinstance(layer, nn.Linear) else None

"""Models by the name that a TrialConfig gives them, and how they are frozen and handed on.

Every model is an EncoderDecoder: freezing and transfer rely on its two parts and on nothing else.
"""

from collections.abc import Callable

from torch import Tensor, nn

from segtrain.config import Arch, Freeze, TrialConfig
from segtrain.errors import UserError
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.models.fcn import build_fcn
from segtrain.models.fcn_resnet50 import build_fcn_resnet50
from segtrain.models.segformer import build_segformer
from segtrain.models.unet import build_unet

MODELS: dict[Arch, Callable[[TrialConfig, int], EncoderDecoder]] = {
    "fcn32s": lambda config, classes: build_fcn(classes, (), config.width_mult),
    "fcn16s": lambda config, classes: build_fcn(classes, ("pool4",), config.width_mult),
    "fcn8s": lambda config, classes: build_fcn(classes, ("pool4", "pool3"), config.width_mult),
    "fcn_resnet50": lambda _, classes: build_fcn_resnet50(classes),
    "segformer_b0": lambda _, classes: build_segformer(classes, "b0"),
    "segformer_b1": lambda _, classes: build_segformer(classes, "b1"),
    "segformer_b2": lambda _, classes: build_segformer(classes, "b2"),
    "segformer_b3": lambda _, classes: build_segformer(classes, "b3"),
    "segformer_b4": lambda _, classes: build_segformer(classes, "b4"),
    "segformer_b5": lambda _, classes: build_segformer(classes, "b5"),
    "unet": lambda config, classes: build_unet(classes, config.width_mult),
    "unet_noskip": lambda config, classes: build_unet(classes, config.width_mult, skips=False),
    "unet_residual": lambda config, classes: build_unet(classes, config.width_mult, residual=True),
    "unet_attention_residual": lambda config, classes: build_unet(
        classes, config.width_mult, residual=True, gate=config.gate
    ),
}


class ParentError(UserError):
    """The weights of a parent trial do not fit the trial that is to start from them."""


def build_model(config: TrialConfig, num_classes: int) -> EncoderDecoder:
    return MODELS[config.arch](config, num_classes)


def set_trainable(model: EncoderDecoder, freeze: Freeze) -> None:
    """Leaves gradients only to the parameters that `freeze` lets learn."""
    if freeze == "encoder":
        model.encoder.requires_grad_(False)
    elif freeze == "all_but_score":
        model.requires_grad_(False)
        for layer in model.decoder.score_layers():
            layer.requires_grad_(True)


def set_train_mode(model: EncoderDecoder, freeze: Freeze) -> None:
    """Training mode, except that the batch-norm statistics of frozen layers stand still."""
    model.train()
    if freeze != "none":
        model.encoder.eval()
    if freeze == "all_but_score":
        for layer in model.decoder.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()


def load_parent(model: EncoderDecoder, state: dict[str, Tensor], freeze: Freeze) -> None:
    """Takes the encoder of a parent trial. The decoder stays new, except that `all_but_score` takes everything
    but the score layers: layers that are never trained must have been trained before.

    Raises ParentError when the parent's layers do not fit.
    """
    own = model.state_dict()
    if freeze == "all_but_score":
        scores = {id(parameter) for layer in model.decoder.score_layers() for parameter in layer.parameters()}
        left = {name for name, parameter in model.named_parameters() if id(parameter) in scores}
        taken = own.keys() - left
    else:
        taken = {name for name in own if name.startswith("encoder.")}
    wrong = sorted(name for name in taken if name not in state or state[name].shape != own[name].shape)
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ParentError(
            f"the parent's weights do not fit: {', '.join(wrong[:3])}{more} are missing there or have another shape; "
            "give the parent the same encoder and width_mult"
        )
    model.load_state_dict({name: state[name] for name in taken}, strict=False)

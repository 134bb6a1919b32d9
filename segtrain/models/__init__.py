"""Models by the name that a TrialConfig gives them, and how they are frozen and handed on.

Every model is an EncoderDecoder: freezing and transfer rely on its two parts and on nothing else.
"""

from torch import Tensor, nn

from segtrain.config import Freeze, FrozenNorm, Take
from segtrain.errors import UserError
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.models.resolve import MODELS, build_model
from segtrain.models.stock.split import ArchError, NoEncoder

__all__ = ["MODELS", "ParentError", "build_model", "load_parent", "set_train_mode", "set_trainable"]


class ParentError(UserError):
    """The weights of a parent trial do not fit the trial that is to start from them."""


def set_trainable(model: EncoderDecoder, freeze: Freeze) -> None:
    """Leaves gradients only to the parameters that `freeze` lets learn. Raises ArchError where it cannot take hold of
    them."""
    if freeze != "none" and isinstance(model.encoder, NoEncoder):
        raise ArchError(
            f"freeze is {freeze!r} and the encoder of this model is not known; call it `encoder` in the module, or set "
            "freeze=none"
        )
    if freeze == "all_but_score" and not model.decoder.score_layers():
        raise ArchError(
            "freeze is 'all_but_score' and no layer of this model has as many outputs as there are classes; set "
            "freeze=encoder, or freeze=none"
        )
    if freeze == "encoder":
        model.encoder.requires_grad_(False)
    elif freeze == "all_but_score":
        model.requires_grad_(False)
        for layer in model.decoder.score_layers():
            layer.requires_grad_(True)


def set_train_mode(model: EncoderDecoder, freeze: Freeze, frozen_norm: FrozenNorm = "still") -> None:
    """Training mode, except that the batch-norm statistics of frozen layers stand still. With `collecting` they do not:
    frozen layers normalise by their batch, collect statistics and drop out as the others do, as they do in a program
    that only takes their gradients away."""
    model.train()
    if frozen_norm == "collecting":
        return
    if freeze != "none":
        model.encoder.eval()
    if freeze == "all_but_score":
        for layer in model.decoder.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()


def load_parent(model: EncoderDecoder, state: dict[str, Tensor], freeze: Freeze, take: Take = "encoder") -> list[str]:
    """Takes layers of a parent trial, whose weights are `state`; gives the names of the layers that stay new.

    With `encoder` the decoder stays new, except that `all_but_score` takes everything but the score layers: layers
    that are never trained must have been trained before. With `all` every layer is taken that the parent has under
    the same name in the same shapes; those that are never trained must be among them.

    Raises ParentError when the parent's layers do not fit.
    """
    needed = _needed(model, freeze, take)
    own = model.state_dict()
    fitting = {name for name in own if name in state and state[name].shape == own[name].shape}
    wrong = sorted(needed - fitting)
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ParentError(
            f"the parent's weights do not fit: {', '.join(wrong[:3])}{more} are missing there or have another shape; "
            "give the parent the same encoder and width_mult"
        )
    if take == "encoder":
        taken = needed
    else:  # whole layers: a bias would be of no use without its weights
        torn = {_layer(name) for name in own.keys() - fitting}
        taken = {name for name in own if _layer(name) not in torn}
    if not taken:
        raise ParentError("no layer of the parent has the name and the shapes of one here; start from another trial")
    model.load_state_dict({name: state[name] for name in taken}, strict=False)
    kept = {_layer(name) for name in taken}
    return [layer for layer in dict.fromkeys(map(_layer, own)) if layer not in kept]


def _needed(model: EncoderDecoder, freeze: Freeze, take: Take) -> set[str]:
    """The tensors that the parent must have."""
    if take == "all" and freeze == "none":
        return set()
    if isinstance(model.encoder, NoEncoder):
        raise ParentError(
            "init is 'parent' and the encoder of this model is not known; call it `encoder` in the module, or set "
            "take=all and freeze=none"
        )
    own = model.state_dict()
    if freeze == "all_but_score":
        scores = {id(parameter) for layer in model.decoder.score_layers() for parameter in layer.parameters()}
        return own.keys() - {name for name, parameter in model.named_parameters() if id(parameter) in scores}
    return {name for name in own if name.startswith("encoder.")}


def _layer(tensor_name: str) -> str:
    return tensor_name.rpartition(".")[0]

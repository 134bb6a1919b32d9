"""Models by the name that a TrialConfig gives them, and where their weights come from.

Every model has `encoder(x) -> features`, `decoder(features, size) -> logits (N, K, H, W)` and
`forward(x) = decoder(encoder(x), size of x)`; freezing and transfer rely on nothing else.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor

from segtrain.config import Arch, Freeze, TrialConfig
from segtrain.errors import UserError
from segtrain.models.fcn import FCN

MODELS: dict[Arch, Callable[..., FCN]] = {
    "fcn32s": partial(FCN, skips=()),
    "fcn16s": partial(FCN, skips=("pool4",)),
    "fcn8s": partial(FCN, skips=("pool4", "pool3")),
}


class ParentError(UserError):
    """The weights of a parent trial do not fit the trial that is to start from them."""


def build_model(config: TrialConfig, num_classes: int) -> FCN:
    return MODELS[config.arch](num_classes=num_classes, width_mult=config.width_mult)


def set_trainable(model: FCN, freeze: Freeze) -> None:
    """Leaves gradients only to the parameters that `freeze` lets learn."""
    if freeze == "encoder":
        model.encoder.requires_grad_(False)
    elif freeze == "all_but_score":
        model.requires_grad_(False)
        for layer in model.decoder.score_layers():
            layer.requires_grad_(True)


def set_train_mode(model: FCN, freeze: Freeze) -> None:
    """Training mode, except that a frozen encoder's batch-norm statistics stand still."""
    model.train()
    if freeze != "none":
        model.encoder.eval()


def load_parent(model: FCN, state: dict[str, Tensor], freeze: Freeze) -> None:
    """Takes the encoder of a parent trial. The decoder stays new, except that `all_but_score` takes everything
    but the score layers: layers that are never trained must have been trained before.

    Raises ParentError when the parent's layers do not fit.
    """
    taken = {name for name in model.state_dict() if name.startswith("encoder.")}
    if freeze == "all_but_score":
        scores = {id(parameter) for layer in model.decoder.score_layers() for parameter in layer.parameters()}
        taken |= {name for name, parameter in model.named_parameters() if id(parameter) not in scores}
    own = model.state_dict()
    wrong = sorted(name for name in taken if name not in state or state[name].shape != own[name].shape)
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ParentError(
            f"the parent's weights do not fit: {', '.join(wrong[:3])}{more} are missing there or have another shape; "
            "give the parent the same encoder and width_mult"
        )
    model.load_state_dict({name: state[name] for name in taken}, strict=False)

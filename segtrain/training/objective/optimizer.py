"""What a step does: the optimiser, the average of the weights, and the learning rate, which has a closed form in the
epoch: having no state, it cannot be resumed wrongly."""

import inspect
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.swa_utils import get_ema_multi_avg_fn

from segtrain.config import TrialConfig
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.own_code import CodeError, describe_error, import_object, is_own_name
from segtrain.recipe import RecipeError

Kind = TypeVar("Kind", bound=Optimizer)
LR_FACTOR = "lr_factor"
"""Of a group of parameters: how many times the learning rate it learns at; absent where there is one group."""


def without_compiler(kind: type[Kind]) -> type[Kind]:
    """`kind` as it is under the guards that keep torch.compile out of it. At their first call they import the whole
    compiler, four seconds of a core in every process, and nothing is compiled here."""
    guarded = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in guarded}
    return type(kind.__name__, (kind,), {**methods, "step": torch.no_grad()(inspect.unwrap(kind.step))})


def memory_order(tensor: Tensor) -> list[int]:
    """Its dimensions, the one with the longest step in memory first: what Tensor.dim_order() gives, which imports a
    library of symbolic sizes for it, two seconds of a core in every process."""
    steps = tensor.stride()
    return sorted(range(tensor.dim()), key=lambda dim: -steps[dim])


class FusedAdamW(without_compiler(AdamW)):  # type: ignore[misc]
    """AdamW with amsgrad whose step takes every tensor as the row that it is in memory. torch's fused kernel does so
    too, but copies the gradient of a channels-last weight to find out: a sixth of a step (docs/speed.md)."""

    def _init_group(self, group: dict[str, Any], *lists: list[Tensor]) -> bool:
        """Fills `lists`: parameters, gradients, three moments, numbers of steps."""
        has_complex: bool = super()._init_group(group, *lists)
        tensors = lists[:-1]
        for number, parameter in enumerate(tensors[0]):
            order = memory_order(parameter)
            for each in tensors:
                each[number] = each[number].permute(order)
                assert each[number].is_contiguous(), "a gradient and its moments lie in memory as their parameter does"
        return has_complex


UncompiledSGD = without_compiler(SGD)


def build_optimizer(config: TrialConfig, model: nn.Module) -> Optimizer:
    """Over the parameters that require a gradient, so freeze the model first. Raises RecipeError and CodeError."""
    groups = _groups(config, model)
    if is_own_name(config.optimizer):
        return _own_optimizer(config, groups)
    if config.optimizer == "sgd":
        return UncompiledSGD(
            groups,
            lr=config.lr,
            momentum=config.momentum,
            nesterov=config.nesterov,
            weight_decay=config.weight_decay,
            fused=True,
        )
    return FusedAdamW(groups, lr=config.lr, weight_decay=config.weight_decay, amsgrad=True, fused=True)


def _groups(config: TrialConfig, model: nn.Module) -> list[Any]:
    """The parameters; where they do not all learn alike, in groups of those that do."""
    if (config.encoder_lr_factor, config.bias_lr_factor, config.bias_decay) == (1, 1, True):
        return [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert isinstance(model, EncoderDecoder)
    inside = {id(parameter) for parameter in model.encoder.parameters()}
    if config.encoder_lr_factor != 1 and not inside:
        raise RecipeError(
            f"encoder_lr_factor is {config.encoder_lr_factor:g} and arch is {config.arch!r}, whose encoder is not "
            "known; call it `encoder` in the module, or set encoder_lr_factor=1"
        )
    groups: dict[tuple[bool, bool], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        in_encoder, is_bias = id(parameter) in inside, name.endswith("bias")
        factor = (config.encoder_lr_factor if in_encoder else 1.0) * (config.bias_lr_factor if is_bias else 1.0)
        decays = {} if config.bias_decay or not is_bias else {"weight_decay": 0.0}
        # Biases are a group of their own only where they learn otherwise.
        alike = (not in_encoder, is_bias and (config.bias_lr_factor, config.bias_decay) != (1, True))
        if parameter.requires_grad:
            groups.setdefault(alike, {"params": [], LR_FACTOR: factor, **decays})["params"].append(parameter)
    return [groups[alike] for alike in sorted(groups)]


def _own_optimizer(config: TrialConfig, groups: list[Any]) -> Optimizer:
    name = config.optimizer
    function = import_object(name, "optimizer")
    if not callable(function):
        raise CodeError(f"optimizer is {name!r}, which is a {type(function).__name__}; it has to be a function")
    try:
        found = function(groups, lr=config.lr, weight_decay=config.weight_decay)
    except (Exception, SystemExit) as error:
        raise CodeError(
            f"optimizer is {name!r}, and calling it with (parameters, lr=..., weight_decay=...) failed: "
            f"{describe_error(error)}"
        ) from error
    if not isinstance(found, Optimizer):
        raise CodeError(
            f"optimizer is {name!r} and gave a {type(found).__name__}; it has to give a torch.optim.Optimizer"
        )
    return found


def set_learning_rate(optimizer: Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get(LR_FACTOR, 1.0)


def learning_rate(config: TrialConfig, epoch: int) -> float:
    """Of epoch 1 and on. It rises evenly over the epochs of the warm-up, below `lr` in each of them; in the T epochs
    behind it, of which t are over, it is `lr` times

    exponential   lr_gamma^t, torch's ExponentialLR
    poly          (1 - t/T)^poly_power, torch's PolynomialLR
    cosine        (1 + cos(pi t/T)) / 2, torch's CosineAnnealingLR
    constant      1
    """
    if epoch <= config.warmup_epochs:
        return config.lr * epoch / (config.warmup_epochs + 1)
    over, whole = epoch - 1 - config.warmup_epochs, config.epochs - config.warmup_epochs
    match config.schedule:
        case "exponential":
            return float(config.lr * config.lr_gamma**over)
        case "poly":
            return float(config.lr * (1 - over / whole) ** config.poly_power)
        case "cosine":
            return config.lr * (1 + math.cos(math.pi * over / whole)) / 2
        case "constant":
            return config.lr


class AveragedWeights:
    """An exponential moving average of a model's weights, which is judged in place of them (Polyak and Juditsky 1992;
    Tarvainen and Valpola 2017).

    Begins as the weights that training begins from; after each step `decay` of it stays. The statistics of batch
    norm are averaged as well; what is counted in whole numbers is taken over."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.state: dict[str, Tensor] = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        self._move = get_ema_multi_avg_fn(decay)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        current = model.state_dict()
        moving = [name for name, tensor in self.state.items() if tensor.is_floating_point()]
        self._move([self.state[name] for name in moving], [current[name] for name in moving], 0)
        for name in self.state.keys() - set(moving):
            self.state[name].copy_(current[name])

    @contextmanager
    def in_place_of(self, model: nn.Module) -> Iterator[None]:
        """The average is the model's weights, until the end of the block."""
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        model.load_state_dict(self.state)
        try:
            yield
        finally:
            model.load_state_dict(before)

    def load(self, state: dict[str, Tensor]) -> None:
        """What `state` was when the trial was stopped."""
        for name, tensor in self.state.items():
            tensor.copy_(state[name])

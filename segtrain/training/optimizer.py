"""The optimiser recipe of the reports: AdamW with amsgrad, the learning rate decaying exponentially by epoch."""

import inspect
from typing import TypeVar

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from segtrain.config import TrialConfig

Kind = TypeVar("Kind", bound=Optimizer)


def without_compiler(kind: type[Kind]) -> type[Kind]:
    """`kind` as it is under the guards that keep torch.compile out of it. At their first call they import the whole
    compiler, four seconds of a core in every process, and nothing is compiled here."""
    guarded = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in guarded}
    return type(kind.__name__, (kind,), {**methods, "step": torch.no_grad()(inspect.unwrap(kind.step))})


UncompiledAdamW = without_compiler(AdamW)


def build_optimizer(config: TrialConfig, model: nn.Module) -> AdamW:
    """Over the parameters that require a gradient, so freeze the model first."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return UncompiledAdamW(trainable, lr=config.lr, weight_decay=config.weight_decay, amsgrad=True, fused=True)


def learning_rate(config: TrialConfig, epoch: int) -> float:
    """torch's ExponentialLR in closed form: epoch 1 trains at `lr`, every later one at `lr_gamma` times the rate
    before it. Having no state, it cannot be resumed wrongly."""
    return config.lr * config.lr_gamma ** (epoch - 1)

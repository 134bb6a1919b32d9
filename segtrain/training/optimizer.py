"""The optimiser recipe of the reports: AdamW with amsgrad, the learning rate decaying exponentially by epoch."""

from torch import nn
from torch.optim import AdamW

from segtrain.config import TrialConfig


def build_optimizer(config: TrialConfig, model: nn.Module) -> AdamW:
    """Over the parameters that require a gradient, so freeze the model first."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return AdamW(trainable, lr=config.lr, weight_decay=config.weight_decay, amsgrad=True, fused=True)


def learning_rate(config: TrialConfig, epoch: int) -> float:
    """torch's ExponentialLR in closed form: epoch 1 trains at `lr`, every later one at `lr_gamma` times the rate
    before it. Having no state, it cannot be resumed wrongly."""
    return config.lr * config.lr_gamma ** (epoch - 1)

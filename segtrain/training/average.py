"""An exponential moving average of a model's weights, which is judged in place of the weights themselves (Polyak and
Juditsky 1992; Tarvainen and Valpola 2017)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class AveragedWeights:
    """Begins as the weights that training begins from; after each step `decay` of it stays. The statistics of batch
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

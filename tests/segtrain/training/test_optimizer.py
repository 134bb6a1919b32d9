"""The optimiser recipe against torch's own schedule, and what it lets alone."""

from collections.abc import Callable

import pytest
import torch
from torch.optim import AdamW
from torch.optim.lr_scheduler import ExponentialLR

from segtrain.config import TrialConfig
from segtrain.models import build_model, set_trainable
from segtrain.training.optimizer import build_optimizer, learning_rate


def linear() -> torch.nn.Linear:
    torch.manual_seed(0)
    return torch.nn.Linear(5, 2)


@pytest.mark.parametrize("gamma", [1.0, 0.98, 0.5])
def test_the_learning_rate_is_torchs_exponential_schedule(tiny: Callable[..., TrialConfig], gamma: float) -> None:
    config = tiny(lr=0.3, lr_gamma=gamma, epochs=20)
    optimizer = torch.optim.SGD(linear().parameters(), lr=0.3)
    schedule = ExponentialLR(optimizer, gamma=gamma)
    expected = []
    for _ in range(20):
        expected.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert [learning_rate(config, epoch) for epoch in range(1, 21)] == pytest.approx(expected)
    assert learning_rate(config, 1) == 0.3


def test_the_steps_are_adamws_with_amsgrad(tiny: Callable[..., TrialConfig]) -> None:
    """Gradients that shrink tell amsgrad from plain AdamW."""
    ours, reference = linear(), linear()
    optimizers = (
        build_optimizer(tiny(lr=0.1, weight_decay=0.3), ours),
        AdamW(reference.parameters(), lr=0.1, weight_decay=0.3, amsgrad=True, fused=False),
    )
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    for scale in (10.0, 1.0, 0.1, 0.01):
        for model, optimizer in zip((ours, reference), optimizers, strict=True):
            optimizer.zero_grad()
            (model(x).square().sum() * scale).backward()
            optimizer.step()
    torch.testing.assert_close(ours.weight, reference.weight)
    torch.testing.assert_close(ours.bias, reference.bias)


def test_frozen_parameters_have_no_state(tiny: Callable[..., TrialConfig]) -> None:
    config = tiny(freeze="encoder")
    model = build_model(config, 13)
    set_trainable(model, config.freeze)
    held = {id(p) for group in build_optimizer(config, model).param_groups for p in group["params"]}
    assert held == {id(parameter) for parameter in model.decoder.parameters()}

"""The optimiser recipe against torch's own schedule, and what it lets alone."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import SGD, Adagrad, AdamW, Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, ExponentialLR, LRScheduler, PolynomialLR

from segtrain import own_code
from segtrain.config import TrialConfig
from segtrain.models import build_model, set_trainable
from segtrain.own_code import CodeError
from segtrain.training.objective.optimizer import build_optimizer, learning_rate, set_learning_rate


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


def test_the_steps_are_the_same_whichever_way_a_weight_lies_in_memory(tiny: Callable[..., TrialConfig]) -> None:
    """And its gradient: torch's fused kernel goes through each as it lies."""
    found = []
    for memory_format, fused in ((torch.contiguous_format, False), (torch.channels_last, True)):
        torch.manual_seed(0)
        layer = torch.nn.Conv2d(3, 4, (3, 5)).to(memory_format=memory_format)
        if fused:
            optimizer = build_optimizer(tiny(lr=0.1, weight_decay=0.3), layer)
        else:
            optimizer = AdamW(layer.parameters(), lr=0.1, weight_decay=0.3, amsgrad=True, fused=False)
        images = torch.randn(2, 3, 6, 7, generator=torch.Generator().manual_seed(1)).to(memory_format=memory_format)
        for scale in (10.0, 1.0, 0.1):
            optimizer.zero_grad()
            (layer(images).square().sum() * scale).backward()
            optimizer.step()
        found.append(layer.weight.detach())
    torch.testing.assert_close(*found)


@pytest.mark.parametrize(
    ("edits", "schedule"),
    [
        ({"schedule": "poly", "poly_power": 0.5}, lambda o: PolynomialLR(o, total_iters=8, power=0.5)),
        ({"schedule": "cosine"}, lambda o: CosineAnnealingLR(o, T_max=8)),
        ({"schedule": "constant"}, lambda o: ConstantLR(o, factor=1)),
    ],
)
def test_the_other_schedules_are_torchs_too(
    tiny: Callable[..., TrialConfig], edits: dict[str, Any], schedule: Callable[[Optimizer], LRScheduler]
) -> None:
    optimizer = SGD(linear().parameters(), lr=0.3)
    theirs, expected = schedule(optimizer), []
    for _ in range(8):
        expected.append(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    config = tiny(lr=0.3, epochs=8, **edits)
    assert [learning_rate(config, epoch) for epoch in range(1, 9)] == pytest.approx(expected)


def test_the_warm_up_rises_evenly_to_where_the_schedule_begins(tiny: Callable[..., TrialConfig]) -> None:
    config = tiny(lr=0.4, lr_gamma=0.5, warmup_epochs=3, epochs=6)
    assert [learning_rate(config, epoch) for epoch in range(1, 7)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.2, 0.1])


@pytest.mark.parametrize("nesterov", [False, True])
def test_the_steps_of_sgd_are_torchs(tiny: Callable[..., TrialConfig], nesterov: bool) -> None:
    ours, reference = linear(), linear()
    config = tiny(optimizer="sgd", momentum=0.8, nesterov=nesterov, lr=0.1, weight_decay=0.3)
    optimizers = (
        build_optimizer(config, ours),
        SGD(reference.parameters(), lr=0.1, momentum=0.8, nesterov=nesterov, weight_decay=0.3, fused=False),
    )
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    for _ in range(4):
        for model, optimizer in zip((ours, reference), optimizers, strict=True):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours.weight, reference.weight)
    torch.testing.assert_close(ours.bias, reference.bias)


def test_the_encoder_learns_at_its_share_of_the_rate(tiny: Callable[..., TrialConfig]) -> None:
    config = tiny(encoder_lr_factor=0.25)
    model = build_model(config, 13)
    optimizer = build_optimizer(config, model)
    set_learning_rate(optimizer, 0.8)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert {rates[id(parameter)] for parameter in model.encoder.parameters()} == {0.2}
    assert {rates[id(parameter)] for parameter in model.decoder.parameters()} == {0.8}
    assert len(rates) == len([*model.parameters()])


OWN = """
from torch.optim import Adagrad


def mine(parameters, lr, weight_decay):
    return Adagrad(parameters, lr=lr, weight_decay=weight_decay)


def nothing(parameters, **_):
    pass


def rateless(parameters):
    pass
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "my_optimizers.py"
    path.write_text(OWN)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    yield path
    sys.modules.pop("my_optimizers", None)
    own_code.sources.cache_clear()


@pytest.mark.usefixtures("own")
def test_an_optimizer_of_ones_own(tiny: Callable[..., TrialConfig]) -> None:
    optimizer = build_optimizer(tiny(optimizer="my_optimizers:mine", lr=0.25, weight_decay=0.5), linear())
    assert isinstance(optimizer, Adagrad)
    assert (optimizer.defaults["lr"], optimizer.defaults["weight_decay"]) == (0.25, 0.5)


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("nothing", "optimizer is 'my_optimizers:nothing' and gave a NoneType; it has to give a torch.optim.Optimizer"),
        ("rateless", "and calling it with (parameters, lr=..., weight_decay=...) failed: TypeError: rateless() got an"),
        ("OWN", "has no OWN; correct the name"),
    ],
)
@pytest.mark.usefixtures("own")
def test_what_is_wrong_with_an_optimizer_of_ones_own_is_said(
    tiny: Callable[..., TrialConfig], function: str, sentence: str
) -> None:
    with pytest.raises(CodeError) as raised:
        build_optimizer(tiny(optimizer=f"my_optimizers:{function}"), linear())
    assert sentence in str(raised.value)


def test_biases_learn_at_their_own_rate_and_do_not_decay(tiny: Callable[..., TrialConfig]) -> None:
    """As Caffe has it: by torch's SGD over two groups."""
    config = tiny(optimizer="sgd", lr=0.1, weight_decay=0.5, bias_lr_factor=2.0, bias_decay=False)
    ours, reference = build_model(config, 13), build_model(config, 13)
    reference.load_state_dict(ours.state_dict())
    named = [*reference.named_parameters()]
    weights, biases = ([p for name, p in named if name.endswith("bias") == is_bias] for is_bias in (False, True))
    torchs = SGD([{"params": weights}, {"params": biases, "lr": 0.2, "weight_decay": 0.0}], 0.1, 0.9, weight_decay=0.5)
    optimizer = build_optimizer(config, ours)
    set_learning_rate(optimizer, 0.1)
    for model, steps in ((ours, optimizer), (reference, torchs)):
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        for _ in range(2):
            steps.step()
    for (name, ours_now), (_, theirs) in zip(ours.named_parameters(), reference.named_parameters(), strict=True):
        torch.testing.assert_close(ours_now, theirs, msg=name)


def test_factors_of_encoder_and_biases_multiply(tiny: Callable[..., TrialConfig]) -> None:
    config = tiny(encoder_lr_factor=0.1, bias_lr_factor=2.0)
    optimizer = build_optimizer(config, build_model(config, 13))
    set_learning_rate(optimizer, 1.0)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.2, 1.0, 2.0]
    # Without a factor for biases there are two groups, as there have always been: old checkpoints have them.
    config = tiny(encoder_lr_factor=0.1)
    assert len(build_optimizer(config, build_model(config, 13)).param_groups) == 2
    config = tiny(bias_decay=False)
    groups = build_optimizer(config, build_model(config, 13)).param_groups
    decays = [(group["params"][0].ndim, group["weight_decay"]) for group in groups]
    assert decays == [(4, 0.01), (1, 0.0), (4, 0.01), (1, 0.0)]


def test_frozen_parameters_have_no_state(tiny: Callable[..., TrialConfig]) -> None:
    config = tiny(freeze="encoder")
    model = build_model(config, 13)
    set_trainable(model, config.freeze)
    held = {id(p) for group in build_optimizer(config, model).param_groups for p in group["params"]}
    assert held == {id(parameter) for parameter in model.decoder.parameters()}

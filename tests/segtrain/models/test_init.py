"""What every architecture has to do, whichever paper it is from: one set of tests, run for each."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segtrain import checkpoint
from segtrain.config import Arch, Freeze, TrialConfig
from segtrain.models import ParentError, build_model, load_parent, set_train_mode, set_trainable
from segtrain.models.fcn import FCN
from segtrain.optim import build_optimizer

CLASSES = 13
ARCHS = get_args(Arch)
FREEZES = get_args(Freeze)


def build(tiny: Callable[..., TrialConfig], arch: Arch, *, seed: int = 0, classes: int = CLASSES) -> FCN:
    """A small model whose score layers say something: they start at zero, where no gradient passes them."""
    torch.manual_seed(seed)
    model = build_model(tiny(arch=arch), classes)
    for layer in model.decoder.score_layers():
        nn.init.normal_(layer.weight)
    return model


def images(count: int, height: int, width: int, seed: int = 1) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def targets(count: int, height: int, width: int) -> Tensor:
    return torch.randint(CLASSES, (count, height, width), generator=torch.Generator().manual_seed(2))


def step(model: FCN, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    F.cross_entropy(model(images(2, 32, 48)), targets(2, 32, 48)).backward()
    optimizer.step()


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize(
    ("count", "height", "width"), [(1, 32, 32), (2, 32, 64), (3, 64, 32), (1, 33, 47), (2, 95, 31), (1, 100, 36)]
)
def test_logits_have_the_size_of_the_image(
    tiny: Callable[..., TrialConfig], arch: Arch, count: int, height: int, width: int
) -> None:
    model = build(tiny, arch).eval()
    x = images(count, height, width)
    logits = model(x)
    assert logits.shape == (count, CLASSES, height, width)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()
    assert logits.std() > 0
    assert torch.equal(logits, model.decoder(model.encoder(x), (height, width)))


@pytest.mark.parametrize("arch", ARCHS)
def test_an_image_does_not_depend_on_its_batch(tiny: Callable[..., TrialConfig], arch: Arch) -> None:
    model, x = build(tiny, arch).eval(), images(3, 40, 56)
    alone = torch.cat([model(image[None]) for image in x])
    torch.testing.assert_close(model(x), alone)


@pytest.mark.parametrize("arch", ARCHS)
def test_every_parameter_gets_a_gradient(tiny: Callable[..., TrialConfig], arch: Arch) -> None:
    model = build(tiny, arch).train()
    F.cross_entropy(model(images(2, 48, 64)), targets(2, 48, 64)).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


@pytest.mark.parametrize("arch", ARCHS)
def test_at_the_start_every_class_is_equally_likely(tiny: Callable[..., TrialConfig], arch: Arch) -> None:
    """The score layers are zero (FCN paper, 4.1), and yet they get a gradient."""
    model = build_model(tiny(arch=arch), CLASSES).train()
    logits = model(images(2, 32, 48))
    assert torch.equal(logits, torch.zeros(2, CLASSES, 32, 48))
    F.cross_entropy(logits, targets(2, 32, 48)).backward()
    assert all(layer.weight.grad.abs().sum() > 0 for layer in model.decoder.score_layers())


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("freeze", FREEZES)
def test_a_freeze_mode_trains_its_parameters_and_no_others(
    tiny: Callable[..., TrialConfig], arch: Arch, freeze: Freeze
) -> None:
    model = build(tiny, arch)
    set_trainable(model, freeze)
    optimizer = build_optimizer(tiny(arch=arch, weight_decay=0.1), model)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for _ in range(3):
        set_train_mode(model, freeze)
        step(model, optimizer)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    trains = {
        "none": r".*",
        "encoder": r"decoder\..*",
        "all_but_score": r"decoder\.score(_skips\.pool\d)?\.(weight|bias)",
    }[freeze]
    assert changed == {name for name in before if re.fullmatch(trains, name)}
    assert changed == {name for name, parameter in model.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize("freeze", FREEZES)
def test_the_statistics_of_a_frozen_encoder_stand_still(tiny: Callable[..., TrialConfig], freeze: Freeze) -> None:
    model = build(tiny, "fcn8s").eval()
    set_train_mode(model, freeze)
    assert model.decoder.training
    assert model.encoder.training == (freeze == "none")
    assert all(layer.training == (freeze == "none") for layer in model.encoder.modules())


@pytest.mark.parametrize("arch", ARCHS)
def test_saved_weights_give_the_same_bits(tiny: Callable[..., TrialConfig], arch: Arch, tmp_path: Path) -> None:
    model = build(tiny, arch).to(memory_format=torch.channels_last).eval()
    checkpoint.save_best(tmp_path, model)
    other = build(tiny, arch, seed=9).to(memory_format=torch.channels_last).eval()
    x = images(2, 40, 56).to(memory_format=torch.channels_last)
    expected = model(x)
    assert not torch.equal(other(x), expected)
    other.load_state_dict(checkpoint.load_best(tmp_path))
    assert torch.equal(other(x), expected)


@pytest.mark.parametrize("arch", ARCHS)
def test_the_seed_makes_the_weights(tiny: Callable[..., TrialConfig], arch: Arch) -> None:
    first, again, other = (build(tiny, arch, seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    weights = [name for name in first if name.endswith("weight") and "upscore" not in name]
    assert not any(torch.equal(first[name], other[name]) for name in weights)


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("freeze", ["none", "encoder"])
def test_a_child_takes_the_encoder_and_has_a_decoder_of_its_own(
    tiny: Callable[..., TrialConfig], arch: Arch, freeze: Freeze
) -> None:
    """The parent may be another architecture with another number of classes on the same encoder."""
    parent = build(tiny, "fcn8s", seed=5, classes=4).state_dict()
    child = build(tiny, arch)
    before = {name: tensor.clone() for name, tensor in child.state_dict().items()}
    load_parent(child, parent, freeze)
    for name, tensor in child.state_dict().items():
        assert torch.equal(tensor, parent[name] if name.startswith("encoder.") else before[name]), name
    assert not torch.equal(before["encoder.features.0.weight"], parent["encoder.features.0.weight"])


@pytest.mark.parametrize("arch", ARCHS)
def test_a_child_that_trains_its_scores_takes_all_else(tiny: Callable[..., TrialConfig], arch: Arch) -> None:
    parent_model = build(tiny, arch, seed=5)
    for upscore in parent_model.decoder.upscore2.values():
        nn.init.normal_(upscore.weight)
    parent, child = parent_model.state_dict(), build(tiny, arch)
    before = {name: tensor.clone() for name, tensor in child.state_dict().items()}
    load_parent(child, parent, "all_but_score")
    for name, tensor in child.state_dict().items():
        own = name.startswith(("decoder.score.", "decoder.score_skips."))
        assert torch.equal(tensor, before[name] if own else parent[name]), name


def test_a_child_is_no_part_of_its_parent(tiny: Callable[..., TrialConfig]) -> None:
    parent, child = build(tiny, "fcn8s", seed=5), build(tiny, "fcn8s")
    load_parent(child, parent.state_dict(), "none")
    before = parent.encoder.features[0].weight.clone()
    step(child, build_optimizer(tiny(), child))
    assert torch.equal(parent.encoder.features[0].weight, before)


def test_a_parent_of_another_width_is_named(tiny: Callable[..., TrialConfig]) -> None:
    """26 tensors do not fit: three are named, 23 more are counted."""
    child = build(tiny, "fcn8s")
    before = {name: tensor.clone() for name, tensor in child.state_dict().items()}
    parent = build_model(tiny(arch="fcn8s", width_mult=0.125), CLASSES).state_dict()
    sentence = (
        "the parent's weights do not fit: encoder.features.0.bias, encoder.features.0.weight, "
        "encoder.features.10.bias and 23 more are missing there or have another shape; "
        "give the parent the same encoder and width_mult"
    )
    with pytest.raises(ParentError, match=f"^{re.escape(sentence)}$"):
        load_parent(child, parent, "encoder")
    assert all(torch.equal(tensor, before[name]) for name, tensor in child.state_dict().items())


def test_a_parent_without_a_skip_is_named(tiny: Callable[..., TrialConfig]) -> None:
    parent = build(tiny, "fcn16s").state_dict()
    sentence = "the parent's weights do not fit: decoder.upscore2.pool3.weight .*missing there or have another shape"
    with pytest.raises(ParentError, match=sentence):
        load_parent(build(tiny, "fcn8s"), parent, "all_but_score")

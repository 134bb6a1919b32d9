"""Freezing and handing on, for every architecture: what trains, what stands still, what a child takes."""

import re
from collections.abc import Callable
from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segtrain.architectures import Arch
from segtrain.config import Freeze, TrialConfig
from segtrain.models import MODELS, ParentError, load_parent, set_train_mode, set_trainable
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.training.objective.optimizer import build_optimizer

Build = Callable[..., EncoderDecoder]
Recipe = Callable[..., TrialConfig]
Noise = Callable[..., Tensor]

ARCHS = [arch for arch in MODELS if not re.fullmatch("segformer_b[1-5]", arch)]
FREEZES = get_args(Freeze)
SCORES: dict[Arch, str] = {
    "fcn32s": r"decoder\.score",
    "fcn16s": r"decoder\.score(_skips\.pool4)?",
    "fcn8s": r"decoder\.score(_skips\.pool[34])?",
    "fcn_resnet50": r"decoder\.head\.4",
    "segformer_b0": r"decoder\.head\.classifier",
    "unet": r"decoder\.score",
    "unet_noskip": r"decoder\.score",
    "unet_residual": r"decoder\.score",
    "unet_attention_residual": r"decoder\.score",
}


def copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("freeze", FREEZES)
def test_a_freeze_mode_trains_its_layers_and_no_others(
    build: Build, recipe: Recipe, images: Noise, targets: Noise, arch: Arch, freeze: Freeze
) -> None:
    """Batch-norm statistics are part of their layer. The images are faint: no statistics norm what a frozen residual
    encoder gives before it was trained, and on large values attention gates saturate."""
    model = build(arch)
    set_trainable(model, freeze)
    optimizer = build_optimizer(recipe(arch, weight_decay=0.1), model)
    before = copied(model)
    for _ in range(2):
        set_train_mode(model, freeze)
        optimizer.zero_grad()
        F.cross_entropy(model(0.1 * images(2, 64, 96)), targets(2, 64, 96)).backward()
        optimizer.step()
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    trains = {"none": ".*", "encoder": r"decoder\..*", "all_but_score": rf"{SCORES[arch]}\.(weight|bias)"}[freeze]
    assert changed == {name for name in before if re.fullmatch(trains, name)}
    with_gradient = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert with_gradient == changed & {name for name, _ in model.named_parameters()}


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("freeze", FREEZES)
def test_only_dropout_and_trained_layers_are_in_training_mode(build: Build, arch: Arch, freeze: Freeze) -> None:
    model = build(arch).eval()
    set_train_mode(model, freeze)
    assert all(layer.training == (freeze == "none") for layer in model.encoder.modules())
    for layer in model.decoder.modules():
        assert layer.training == (freeze != "all_but_score" or not isinstance(layer, nn.BatchNorm2d))


@pytest.mark.parametrize(
    ("parent_arch", "arch"),
    [
        *((arch, arch) for arch in ARCHS),
        ("fcn8s", "fcn32s"),
        ("unet", "unet_noskip"),
        ("unet_residual", "unet_attention_residual"),
    ],
)
@pytest.mark.parametrize("freeze", ["none", "encoder"])
def test_a_child_takes_the_encoder_and_has_a_decoder_of_its_own(
    build: Build, parent_arch: Arch, arch: Arch, freeze: Freeze
) -> None:
    """The parent may be another architecture with another number of classes on the same encoder."""
    parent, child = build(parent_arch, seed=5, classes=4), build(arch)
    for layer in parent.encoder.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean)
    state, before = parent.state_dict(), copied(child)
    load_parent(child, state, freeze)
    for name, tensor in child.state_dict().items():
        assert torch.equal(tensor, state[name] if name.startswith("encoder.") else before[name]), name
    first = next(name for name in before if name.startswith("encoder."))
    assert not torch.equal(before[first], state[first])


@pytest.mark.parametrize("arch", ARCHS)
def test_a_child_that_trains_its_scores_takes_all_else(build: Build, arch: Arch) -> None:
    """Also what a parent's decoder has learned besides weights: its batch-norm statistics."""
    parent, child = build(arch, seed=5), build(arch)
    for tensor in parent.state_dict().values():
        tensor.add_(1)
    state, before = parent.state_dict(), copied(child)
    load_parent(child, state, "all_but_score")
    for name, tensor in child.state_dict().items():
        own = re.fullmatch(rf"{SCORES[arch]}\.(weight|bias)", name)
        assert torch.equal(tensor, before[name] if own else state[name]), name


@pytest.mark.parametrize(
    ("parent_arch", "arch", "classes", "new"),
    [
        ("fcn32s", "fcn16s", 3, ["decoder.score_skips.pool4", "decoder.upscore2.pool4"]),
        ("fcn16s", "fcn8s", 3, ["decoder.score_skips.pool3", "decoder.upscore2.pool3"]),
        ("fcn8s", "fcn32s", 3, []),
        ("fcn32s", "fcn32s", 4, ["decoder.score"]),  # its weights do not fit, and its bias alone is of no use
    ],
)
def test_a_child_takes_every_layer_that_fits_and_says_which_do_not(
    build: Build, parent_arch: Arch, arch: Arch, classes: int, new: list[str]
) -> None:
    parent, child = build(parent_arch, seed=5, classes=classes), build(arch, classes=3)
    for tensor in parent.state_dict().values():
        tensor.add_(1)
    state, before = parent.state_dict(), copied(child)
    assert load_parent(child, state, "none", "all") == new
    for name, tensor in child.state_dict().items():
        assert torch.equal(tensor, before[name] if name.rpartition(".")[0] in new else state[name]), name


def test_what_is_not_trained_has_to_be_among_all_that_fits(build: Build) -> None:
    narrow = build("fcn16s", width_mult=0.125).state_dict()
    with pytest.raises(ParentError, match=r"^the parent's weights do not fit: encoder\.features\.0\.bias, "):
        load_parent(build("fcn16s"), narrow, "encoder", "all")
    with pytest.raises(
        ParentError, match=r"^the parent's weights do not fit: decoder\.upscore2\.pool4\.weight are miss"
    ):
        load_parent(build("fcn16s"), build("fcn32s").state_dict(), "all_but_score", "all")
    with pytest.raises(ParentError, match=r"^no layer of the parent has the name and the shapes of one here; start "):
        load_parent(build("fcn16s"), build("unet").state_dict(), "none", "all")


def test_a_child_is_no_part_of_its_parent(build: Build) -> None:
    parent, child = build("unet", seed=5), build("unet")
    load_parent(child, parent.state_dict(), "none")
    before = copied(parent)
    with torch.no_grad():
        for tensor in child.state_dict().values():
            tensor.add_(1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in parent.state_dict().items())


@pytest.mark.parametrize("arch", ARCHS)
def test_a_parent_on_another_encoder_is_refused(build: Build, arch: Arch) -> None:
    parent = build("unet" if not arch.startswith("unet") else "fcn8s").state_dict()
    child = build(arch)
    before = copied(child)
    encoder = sorted(name for name in before if name.startswith("encoder."))
    sentence = (
        f"the parent's weights do not fit: {', '.join(encoder[:3])} and {len(encoder) - 3} more are missing there or "
        "have another shape; give the parent the same encoder and width_mult"
    )
    with pytest.raises(ParentError, match=f"^{re.escape(sentence)}$"):
        load_parent(child, parent, "encoder")
    assert all(torch.equal(tensor, before[name]) for name, tensor in child.state_dict().items())


def test_a_parent_of_another_width_is_named(build: Build) -> None:
    """26 tensors do not fit: three are named, 23 more are counted."""
    sentence = (
        "the parent's weights do not fit: encoder.features.0.bias, encoder.features.0.weight, "
        "encoder.features.10.bias and 23 more are missing there or have another shape; "
        "give the parent the same encoder and width_mult"
    )
    with pytest.raises(ParentError, match=f"^{re.escape(sentence)}$"):
        load_parent(build("fcn8s"), build("fcn8s", width_mult=0.125).state_dict(), "encoder")


def test_a_parent_without_a_skip_is_named(build: Build) -> None:
    sentence = "the parent's weights do not fit: decoder.upscore2.pool3.weight .*missing there or have another shape"
    with pytest.raises(ParentError, match=sentence):
        load_parent(build("fcn8s"), build("fcn16s").state_dict(), "all_but_score")

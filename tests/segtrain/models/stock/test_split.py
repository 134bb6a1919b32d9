"""What every model that is not the program's own has to do, whichever library it is from."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from segtrain.config import TrialConfig
from segtrain.models import ParentError, build_model, load_parent, set_train_mode, set_trainable
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.models.operations import count_flops
from segtrain.models.stock.split import ArchError, SplitModel

Noise = Callable[..., Tensor]
Own = Callable[..., Path]

CLASSES = 13
ARCHS = {
    "smp:Unet/resnet18": (r"decoder\.whole\.segmentation_head\.0", 0),
    "smp:DeepLabV3Plus/resnet18": (r"decoder\.whole\.segmentation_head\.0", 0),
    "torchvision:lraspp_mobilenet_v3_large": (r"decoder\.whole\.classifier\.(low|high)_classifier", 0),
    "torchvision:deeplabv3_mobilenet_v3_large": (r"decoder\.whole\.classifier\.4", 1),
    "hf": (r"decoder\.whole\.decode_head\.classifier", 0),
    "splitnet:Net": (r"decoder\.whole\.score", 0),
}
"""With the tensors of its score layers, and how many auxiliary heads it has."""


@pytest.fixture
def recipe(own: Own, segformer_folder: Path) -> Callable[..., TrialConfig]:
    own("splitnet")

    def config(arch: str, **edits: object) -> TrialConfig:
        arch = f"hf:{segformer_folder}" if arch == "hf" else arch
        fields = {"dataset": "roads", "init": "scratch", "image_height": 40, "image_width": 72, **edits}
        return TrialConfig(arch=arch, **fields)

    return config


@pytest.mark.parametrize("arch", ARCHS)
def test_it_has_an_encoder_and_a_decoder_and_trains_what_it_should(
    recipe: Callable[..., TrialConfig], images: Noise, arch: str
) -> None:
    """One image of a size that no encoder divides: pooled branches have one value per channel there."""
    scores, auxiliary_heads = ARCHS[arch]
    model = build_model(recipe(arch), CLASSES)
    names = {name for name, _ in model.named_parameters()}
    assert any(name.startswith("encoder.") for name in names)
    assert any(name.startswith("decoder.") for name in names)

    set_trainable(model, "encoder")
    set_train_mode(model, "encoder")
    statistics = {name: value.clone() for name, value in model.state_dict().items() if name.startswith("encoder.")}
    logits, auxiliary = model.forward_with_auxiliary(images(1, 40, 72))
    assert {one.shape for one in (logits, *auxiliary)} == {(1, CLASSES, 40, 72)}
    assert len(auxiliary) == auxiliary_heads
    sum((one.square().mean() for one in auxiliary), logits.square().mean()).backward()
    with_gradient = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert with_gradient == {name for name in names if name.startswith("decoder.")}
    assert all(torch.equal(model.state_dict()[name], value) for name, value in statistics.items())
    assert all(layer.training for layer in model.decoder.modules())

    set_trainable(model, "all_but_score")
    left = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert left
    assert all(re.fullmatch(rf"{scores}\.(weight|bias)", name) for name in left)

    model.eval()
    with torch.no_grad():
        x = images(2, 40, 72)
        assert torch.equal(model.decoder(model.encoder(x), (40, 72)), model(x))
        assert torch.allclose(model(x)[1:], model(x[1:]), atol=1e-4)


@pytest.mark.parametrize("arch", ["smp:Unet/resnet18", "hf", "splitnet:Net"])
def test_it_can_be_exported_for_any_number_of_images(
    recipe: Callable[..., TrialConfig], images: Noise, arch: str
) -> None:
    """Which torch refuses where the number is taken for one that is always the same."""
    model = build_model(recipe(arch), CLASSES).eval()
    shapes = ({0: torch.export.Dim("images")},)
    program = torch.export.export(model, (images(3, 40, 72),), dynamic_shapes=shapes).module()
    torch.testing.assert_close(program(images(2, 40, 72)), model(images(2, 40, 72)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("arch", ARCHS)
def test_operations_are_counted(recipe: Callable[..., TrialConfig], arch: str) -> None:
    training, evaluation = count_flops(recipe(arch), CLASSES)
    frozen, _ = count_flops(recipe(arch, freeze="encoder"), CLASSES)
    assert 2 * evaluation < training <= 4 * evaluation
    assert evaluation < frozen < training


def test_a_child_takes_the_encoder_of_its_parent(recipe: Callable[..., TrialConfig]) -> None:
    """From another model of the library, with another number of classes."""
    parent = build_model(recipe("smp:FPN/resnet18"), 4).state_dict()
    child = build_model(recipe("smp:Unet/resnet18"), CLASSES)
    before = {name: value.clone() for name, value in child.state_dict().items()}
    load_parent(child, parent, "none")
    for name, tensor in child.state_dict().items():
        assert torch.equal(tensor, parent[name] if name.startswith("encoder.") else before[name]), name


class Whole(nn.Module):
    """Looks at the image, before its encoder and behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(3, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        self.score = nn.Conv2d(7, CLASSES, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = self.norm(self.encoder(x - x.mean()))
        return {"out": self.score(torch.cat([features, x], 1))}


def test_the_model_keeps_its_own_forward(images: Noise) -> None:
    whole = Whole().eval()
    x = images(2, 5, 6)
    with torch.no_grad():
        expected = whole(x)["out"]
        model = SplitModel(whole, "encoder", [whole.score]).eval()
        assert torch.equal(model(x), expected)
        assert torch.equal(model.decoder(model.encoder(x), (5, 6)), expected)


def test_a_batch_norm_with_one_value_rests_and_trains_again(images: Noise) -> None:
    model = SplitModel(whole := Whole(), "encoder", []).train()
    before = whole.norm.running_mean.clone()
    model(images(1, 1, 1))
    assert torch.equal(whole.norm.running_mean, before)
    assert whole.norm.training
    model(images(2, 1, 1))
    assert not torch.equal(whole.norm.running_mean, before)


def test_without_an_encoder_nothing_can_be_frozen_or_handed_on(images: Noise) -> None:
    model = SplitModel(nn.Conv2d(3, CLASSES, 1), None, [])
    assert model(images(1, 4, 4)).shape == (1, CLASSES, 4, 4)
    set_trainable(model, "none")
    sentence = (
        "freeze is 'encoder' and the encoder of this model is not known; call it `encoder` in the module, or set "
        "freeze=none"
    )
    with pytest.raises(ArchError, match=f"^{re.escape(sentence)}$"):
        set_trainable(model, "encoder")
    with pytest.raises(ParentError, match=r"^init is 'parent' and the encoder of this model is not known"):
        load_parent(model, {}, "none")


def test_scores_that_nobody_knows_cannot_be_all_that_trains() -> None:
    with pytest.raises(ArchError, match=r"^freeze is 'all_but_score' and no layer of this model has as many outputs"):
        set_trainable(SplitModel(Whole(), "encoder", []), "all_but_score")


@pytest.mark.parametrize(
    ("output", "got"),
    [
        (None, "NoneType"),
        ({"logits": 1}, "dict"),
        (torch.zeros(2, CLASSES), r"a tensor of shape \(2, 13\)"),
        (torch.zeros(1, CLASSES, 4, 4), r"a tensor of shape \(1, 13, 4, 4\)"),
    ],
)
def test_what_is_no_logits(output: object, got: str, images: Noise) -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> object:
            return output

    with pytest.raises(ArchError, match=rf"^the model returns {got} for images of shape \(2, 3, 4, 4\); allowed: "):
        SplitModel(Odd(), None, [])(images(2, 4, 4))


def test_a_model_that_reads_numbers_is_counted_where_there_are_some(own: Own) -> None:
    own("reader", "from splitnet import Net\n\n\nclass Reader(Net):\n    def forward(self, x):\n"
        "        return super().forward(x if x.sum().item() == 0 else -x)\n")  # fmt: skip
    own("splitnet")
    config = TrialConfig(arch="reader:Reader", dataset="roads", init="scratch")
    plain = TrialConfig(arch="splitnet:Net", dataset="roads", init="scratch")
    assert count_flops(config, CLASSES) == count_flops(plain, CLASSES)


def test_an_own_model_in_our_shape_is_taken_as_it_is(own: Own) -> None:
    own("ours", "from segtrain.models.unet import build_unet\n\n\ndef tiny(classes):\n"
        "    return build_unet(classes, 0.0625)\n")  # fmt: skip
    model = build_model(TrialConfig(arch="ours:tiny", dataset="roads", init="scratch"), CLASSES)
    assert type(model) is EncoderDecoder

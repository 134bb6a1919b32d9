"""Published weights by each library's own loading, from files saved here: what is taken, and what stays new."""

import re
import sys
from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn
from transformers.models.segformer.modeling_segformer import SegformerForSemanticSegmentation

from segtrain.config import TrialConfig
from segtrain.models import build_model, weights
from segtrain.models.resolve import head_note
from segtrain.models.stock.split import ArchError, SplitModel
from segtrain.models.weights import WeightsError

CLASSES = 13


def build(arch: str, init: str = "imagenet") -> SplitModel:
    model = build_model(TrialConfig(arch=arch, dataset="roads", init=init), CLASSES)
    assert isinstance(model, SplitModel)
    return model


def randomised(model: nn.Module) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return {name: torch.rand(value.shape) if value.is_floating_point() else value for name, value in
            model.state_dict().items()}  # fmt: skip


@pytest.mark.parametrize("encoder", ["resnet18", "tu-resnet18"])
def test_an_encoder_of_smp_takes_its_weights_from_a_local_folder(tmp_path: Path, encoder: str) -> None:
    """With a classifier, as they are published."""
    timms = encoder.startswith("tu-")
    classifier = timm.create_model("resnet18") if timms else torchvision.models.resnet18()
    state = randomised(classifier)
    folder = tmp_path / "weights" / ("resnet18.a1_in1k" if timms else "resnet18.imagenet")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    save_file(state, folder / "model.safetensors")
    model = build(f"smp:Unet/{encoder}")
    assert weights.load(model, f"smp:Unet/{encoder}", tmp_path) == []
    loaded = model.body.state_dict()
    prefix = "model." if timms else ""
    assert {f"{prefix}{name}" for name in state if not name.startswith("fc.")} == set(loaded)
    assert all(torch.equal(loaded[f"{prefix}{name}"], state[name]) for name in state if not name.startswith("fc."))


def test_an_encoder_without_published_weights_says_so(tmp_path: Path) -> None:
    sentence = "init is 'imagenet' and arch is 'smp:Unet/dpn107', whose encoder has no such weights; set init=scratch"
    with pytest.raises(WeightsError, match=f"^{re.escape(sentence)}$"):
        weights.find_or_download("smp:Unet/dpn107", tmp_path)


@pytest.mark.parametrize(
    ("name", "file", "classifier", "prefix"),
    [
        ("lraspp_mobilenet_v3_large", "mobilenet_v3_large-8738ca79.pth", "mobilenet_v3_large", "features."),
        ("fcn_resnet50", "resnet50-0676ba61.pth", "resnet50", ""),
    ],
)
def test_a_backbone_of_torchvision_takes_the_weights_of_a_classifier(
    tmp_path: Path, name: str, file: str, classifier: str, prefix: str
) -> None:
    state = randomised(torchvision.models.get_model(classifier))
    (tmp_path / "weights").mkdir()
    torch.save(state, tmp_path / "weights" / file)
    model = build(f"torchvision:{name}")
    weights.load(model, f"torchvision:{name}", tmp_path)
    loaded = model.body.state_dict()
    assert len(loaded) > 100
    assert all(torch.equal(value, state[f"{prefix}{name}"]) for name, value in loaded.items())


def test_a_whole_model_of_torchvision_keeps_all_but_its_scores(tmp_path: Path) -> None:
    arch = "torchvision:lraspp_mobilenet_v3_large"
    state = randomised(torchvision.models.get_model(arch[12:], weights_backbone=None, num_classes=21))
    (tmp_path / "weights").mkdir()
    torch.save(state, tmp_path / "weights" / "lraspp_mobilenet_v3_large-d234d4ea.pth")
    model = build(arch, "pretrained")
    new = weights.load(model, arch, tmp_path, "pretrained")
    head = "decoder.whole.classifier"
    assert new == [f"{head}.{part}_classifier.{name}" for part in ("high", "low") for name in ("bias", "weight")]
    assert torch.equal(model.body.state_dict()["0.0.weight"], state["backbone.0.0.weight"])
    assert torch.equal(model.state_dict()[f"{head}.cbr.0.weight"], state["classifier.cbr.0.weight"])


def test_a_model_of_transformers_keeps_all_but_its_scores(tmp_path: Path, segformer_folder: Path) -> None:
    arch = f"hf:{segformer_folder}"
    state = SegformerForSemanticSegmentation.from_pretrained(segformer_folder).state_dict()
    model = build(arch, "pretrained")
    new = weights.load(model, arch, tmp_path, "pretrained")
    assert new == [f"decoder.whole.decode_head.classifier.{name}" for name in ("bias", "weight")]
    prefixes = {"segformer.": "encoder.body.", "decode_head.": "decoder.whole.decode_head."}
    for name, value in state.items():
        prefix = next(one for one in prefixes if name.startswith(one))
        ours = prefixes[prefix] + name.removeprefix(prefix)
        assert ours in new or torch.equal(model.state_dict()[ours], value), name


def test_a_head_that_is_not_used_is_told(segformer_folder: Path) -> None:
    config = TrialConfig(arch=f"hf:{segformer_folder}", dataset="roads", init="pretrained")
    assert head_note(config, 13) == (
        f"hf:{segformer_folder}: its head was trained on 5 classes, roads has 13: a new one"
    )
    assert head_note(config, 5) is None
    assert head_note(config.edit(init="scratch"), 13) is None


def test_a_folder_without_weights_is_named(tmp_path: Path, segformer_folder: Path) -> None:
    (tmp_path / "config.json").write_text((segformer_folder / "config.json").read_text())
    sentence = (
        f"init is 'pretrained' but {tmp_path} holds neither model.safetensors nor pytorch_model.bin; put the weights "
        "there, or train without them: --set init=scratch"
    )
    with pytest.raises(WeightsError, match=f"^{re.escape(sentence)}$"):
        weights.find_or_download(f"hf:{tmp_path}", tmp_path, "pretrained")


def test_the_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "weights" / "resnet50-0676ba61.pth")
    with pytest.raises(WeightsError, match=r"does not hold the weights that torchvision:fcn_resnet50 starts from"):
        weights.load(build("torchvision:fcn_resnet50"), "torchvision:fcn_resnet50", tmp_path)


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert smp.__name__ in sys.modules
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    monkeypatch.setattr(sys, "path", [])
    sentence = (
        "arch is 'smp:Unet/resnet18' and segmentation_models_pytorch is not installed; install the extra: "
        "uv pip install -e '.[models]'"
    )
    with pytest.raises(ArchError, match=f"^{re.escape(sentence)}$"):
        build("smp:Unet/resnet18")


@pytest.mark.parametrize(
    ("arch", "begins"),
    [
        ("smp:Unett/resnet18", "arch is 'smp:Unett/resnet18' and there is no Unett; did you mean Unet or"),
        ("smp:Unet/resnet99", "arch is 'smp:Unet/resnet99' and there is no encoder resnet99; did you mean resnet"),
        ("smp:Unet/tu-resnet0", "arch is 'smp:Unet/tu-resnet0' and there is no encoder tu-resnet0; did you mean tu-"),
        ("torchvision:fcn_resnet5", "arch is 'torchvision:fcn_resnet5'; did you mean fcn_resnet50? allowed: deeplab"),
        ("hf:/no/such", "arch is 'hf:/no/such' and no config.json of it is there, neither in a folder of that name"),
    ],
)
def test_a_name_that_no_library_knows(arch: str, begins: str) -> None:
    with pytest.raises(ArchError, match=f"^{re.escape(begins)}") as caught:
        build(arch, "scratch")
    assert "\n" not in str(caught.value)


def test_a_transformer_that_is_none_for_segmentation(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(
        ArchError, match=r"a model of type bert, which is none for semantic segmentation; allowed: beit"
    ):
        build(f"hf:{tmp_path}", "scratch")

"""What is wrong with a sweep's weights, and with models that are not the program's own, is said before its first
trial."""

import hashlib
import importlib
import io
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from transformers.models.segformer.configuration_segformer import SegformerConfig
from transformers.models.segformer.modeling_segformer import SegformerForImageClassification

from segtrain import own_code, records
from segtrain.config import TrialConfig
from segtrain.errors import UserError
from segtrain.models.weights import WeightsError
from sweeps.engine.plan.preflight import check_models, check_recipes, check_weights, keep_code

CONSOLE = Console(file=io.StringIO())
SOURCE = """
from torch import nn

number = 7


def good(classes):
    return nn.Conv2d(3, classes, 1)


def fewer(classes):
    return nn.Conv2d(3, classes - 1, 1)


def nothing(*_):
    pass


def two(classes, width):
    return nn.Conv2d(3, classes, 1)


def raising(classes):
    raise OSError("no such file")


def mean(logits, target):
    return logits.mean()


class Forward(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.layer = nn.Conv2d(4, classes, 1)

    def forward(self, x):
        return self.layer(x)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "checked.py"
    path.write_text(SOURCE)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    importlib.invalidate_caches()
    yield path
    sys.modules.pop("checked", None)
    own_code.sources.cache_clear()


@pytest.fixture
def check(module: Path) -> Callable[..., str]:
    """check(function, **edits) a trial of the function of that name -> what is told of it."""

    def run(function: str, **edits: object) -> str:
        base = TrialConfig(arch=f"checked:{function}", dataset="scenes", init="scratch", image_height=64)
        told = io.StringIO()
        check_models([base.edit(**edits)], Console(file=told))
        return told.getvalue()

    return run


def test_of_a_model_that_does_what_it_should_there_is_nothing_to_tell(check: Callable[..., str]) -> None:
    assert check("good") == ""


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("number", "arch is 'checked:number', which is a int; it has to be a function"),
        ("nothing", "arch is 'checked:nothing' and gave a NoneType; it has to give a torch.nn.Module"),
        ("two", "arch is 'checked:two' and cannot be called as two(num_classes): missing a required argument: "
         "'width'; give every other argument a default"),
        ("raising", "arch is 'checked:raising', and calling it failed: {file}, line 24: OSError: no such file"),
        ("fewer", "arch is 'checked:fewer' and gives logits of shape (1, 12, 64, 256) for an image; the data needs "
         "(1, 13, 64, 256): give as many outputs as the function is asked for"),
        ("Forward", "arch is 'checked:Forward', and sending one image of 64x256 through it failed: {file}, line 37: "
         "RuntimeError: Given groups=1, weight of size [13, 4, 1, 1], expected input[1, 3, 64, 256] to have 4 "
         "channels, but got 3 channels instead"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(check: Callable[..., str], module: Path, function: str, sentence: str) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(sentence.format(file=module))}$"):
        check(function)


def test_a_freeze_without_an_encoder_is_refused(check: Callable[..., str]) -> None:
    with pytest.raises(UserError, match=r"^freeze is 'encoder' and the encoder of this model is not known"):
        check("good", freeze="encoder")


@pytest.mark.parametrize(
    ("edits", "sentence"),
    [
        ({"class_weights": "1:2"}, "class_weights is '1:2', 2 numbers, and scenes has 13 classes; give one for each: "),
        ({"loss": "checked:nothing"}, "loss is 'checked:nothing' and gave NoneType; it has to give a tensor of one"),
        ({"optimizer": "checked:two"}, "optimizer is 'checked:two', and calling it with (parameters, lr=..., "),
        ({"arch": "checked:good", "encoder_lr_factor": 0.1}, "encoder_lr_factor is 0.1 and arch is 'checked:good', "
         "whose encoder is not known; call it `encoder` in the module, or set encoder_lr_factor=1"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("module")
def test_a_recipe_that_does_not_go_with_the_data_or_the_model(edits: dict[str, Any], sentence: str) -> None:
    config = TrialConfig(arch="fcn8s", dataset="scenes", init="scratch", width_mult=0.0625)
    check_recipes([config])
    if "arch" in edits:
        config = config.edit(width_mult=1)
    with pytest.raises(UserError) as raised:
        check_recipes([config.edit(**edits)])
    assert str(raised.value).startswith(sentence)


def test_own_code_is_copied_for_the_workers(module: Path, tmp_path: Path) -> None:
    config = TrialConfig(arch="checked:good", dataset="scenes", init="scratch")
    keep_code([config, config.edit(arch="fcn8s")], tmp_path / "study")
    assert (tmp_path / "study" / records.CODE_DIR / "checked.py").read_text() == SOURCE
    keep_code([config.edit(arch="fcn8s")], tmp_path / "other")
    assert not (tmp_path / "other").exists()
    keep_code([config.edit(arch="fcn8s", loss="checked:mean")], tmp_path / "other")
    assert (tmp_path / "other" / records.CODE_DIR / "checked.py").read_text() == SOURCE


def test_weights_of_another_network_are_refused_before_the_first_trial(tmp_path: Path) -> None:
    """B0's, which fit B0, in B1's folder."""
    for name in ("mit-b0", "mit-b1"):
        SegformerForImageClassification(SegformerConfig(num_labels=10)).save_pretrained(tmp_path / "weights" / name)
    b0, b1 = (TrialConfig(arch=arch, dataset="scenes") for arch in ("segformer_b0", "segformer_b1"))
    check_weights([b0, b1.edit(init="scratch")], tmp_path)
    with pytest.raises(WeightsError, match="mit-b1 does not hold the weights that segformer_b1 starts from"):
        check_weights([b0, b1], tmp_path)


def test_a_damaged_download_is_refused_before_the_first_trial(tmp_path: Path) -> None:
    path = tmp_path / "weights" / "vgg16-397923af.pth"
    path.parent.mkdir()
    torch.save({}, path, _use_new_zipfile_serialization=False)
    begins = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    with pytest.raises(WeightsError, match=f"its SHA-256 begins with {begins}, and its name says 397923af"):
        check_weights([TrialConfig(arch="fcn8s", dataset="scenes")], tmp_path)


@pytest.mark.parametrize(
    ("edits", "sentence"),
    [
        (
            {"fusion": "late"},
            "fusion is 'late' and the channels of scenes, red, green, blue, are of one kind; set fusion=early, or a "
            "dataset whose images have several",
        ),
    ],
)
def test_a_fusion_needs_channels_of_several_kinds(edits: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(sentence)}$"):
        check_recipes([TrialConfig(arch="fcn8s", dataset="scenes", init="scratch", **edits)])


@pytest.mark.parametrize(
    ("edits", "sentence"),
    [
        (
            {"resolution": "restored"},
            "resolution is 'restored' and outdoors has several tasks, semantic and geometric, which are scored at the "
            "size of the training; set resolution=resized, or a dataset with one of them",
        ),
        (
            {"class_weights": "1:2"},
            "class_weights is '1:2' and outdoors has several tasks, semantic and geometric, with classes of their own; "
            "set class_weights=inverse or median, which are counted for each, or none",
        ),
    ],
)
def test_what_does_not_go_with_several_tasks_is_told(edits: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(sentence)}$"):
        check_recipes([TrialConfig(arch="fcn8s", dataset="outdoors", init="scratch", **edits)])
    check_recipes([TrialConfig(arch="fcn8s", dataset="outdoors", init="scratch", class_weights="median", loss="focal")])

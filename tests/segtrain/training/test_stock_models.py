"""A trial of each kind of model that is not the program's own, from its first step to its test scores."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers.models.segformer.configuration_segformer import SegformerConfig
from transformers.models.segformer.modeling_segformer import SegformerForSemanticSegmentation

from segtrain import own_code, records
from segtrain.config import TrialConfig
from segtrain.training import checkpoint, epoch
from segtrain.training.trial import train

Train = Callable[..., list[dict[str, Any]]]

OWN = """
from torch import nn


class Net(nn.Sequential):
    def __init__(self, classes):
        super().__init__(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, classes, 1))


class Failing(Net):
    def forward(self, x):
        if self.training and len(x) > 1:
            raise ValueError("no more than\\none image")
        return super().forward(x)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """`mynet.py`, which can be imported."""
    path = tmp_path / "mynet.py"
    path.write_text(OWN)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    importlib.invalidate_caches()
    yield path
    sys.modules.pop("mynet", None)
    own_code.sources.cache_clear()


@pytest.fixture
def hf_folder(tmp_path: Path) -> Path:
    settings = SegformerConfig(
        num_labels=5, depths=[1, 1, 1, 1], hidden_sizes=[8, 16, 16, 16], decoder_hidden_size=16,
        num_attention_heads=[1, 1, 2, 2],
    )  # fmt: skip
    SegformerForSemanticSegmentation(settings).save_pretrained(tmp_path / "segformer")
    return tmp_path / "segformer"


@pytest.mark.parametrize(
    "arch", ["smp:Unet/resnet18", "smp:DeepLabV3Plus/resnet18", "torchvision:lraspp_mobilenet_v3_large", "mynet:Net"]
)
def test_a_trial_of_a_stock_model_ends_with_scores(
    tiny: Callable[..., TrialConfig], folder: Path, roads_root: Path, run_trial: Train, module: Path, arch: str
) -> None:
    """14 images in batches of 13: the last batch holds a single one."""
    config = tiny(arch=arch, width_mult=1.0, epochs=1, batch_size=13)
    (line,) = run_trial(config, folder, roads_root)
    assert line[records.TRAIN_LOSS] > 0
    assert records.read_test_scores(folder).images == 3
    assert "/" not in config.trial_id
    assert ":" not in config.trial_id


def test_a_model_of_a_local_folder_starts_from_its_weights(
    tiny: Callable[..., TrialConfig], folder: Path, roads_root: Path, run_trial: Train, hf_folder: Path
) -> None:
    config = tiny(arch=f"hf:{hf_folder}", width_mult=1.0, init="pretrained", epochs=1, freeze="encoder")
    run_trial(config, folder, roads_root)
    trained = checkpoint.load_best(folder)
    own = SegformerForSemanticSegmentation.from_pretrained(hf_folder).state_dict()
    shared = {n: v for n, v in trained.items() if n.startswith("encoder.")}
    assert shared
    for name, value in shared.items():
        assert torch.equal(value, own[f"segformer.{name.removeprefix('encoder.body.')}"]), name
    env = records.read_json(folder / records.ENV_FILE)
    assert env["head"] == f"hf:{hf_folder}: its head was trained on 5 classes, roads has 13: a new one"
    assert env["code"]["files"] == ["config.json", "model.safetensors"]
    assert json.loads((folder / records.CODE_DIR / "config.json").read_text())["model_type"] == "segformer"


def test_the_source_of_an_own_model_is_kept_with_the_trial(
    tiny: Callable[..., TrialConfig], folder: Path, roads_root: Path, run_trial: Train, module: Path
) -> None:
    run_trial(tiny(arch="mynet:Net", width_mult=1.0, epochs=1), folder, roads_root)
    code = records.read_code(folder)
    assert code == {"sha256": own_code.digest({"mynet.py": OWN.encode()}), "files": ["mynet.py"], "earlier": []}
    assert (folder / records.CODE_DIR / "mynet.py").read_text() == OWN


def test_a_trial_that_went_on_with_other_code_says_so(
    tiny: Callable[..., TrialConfig], folder: Path, roads_root: Path, run_trial: Train, module: Path
) -> None:
    config = tiny(arch="mynet:Net", width_mult=1.0, epochs=2)
    begun = train(config, folder, roads_root, 1)
    next(begun)
    begun.close()
    before = records.read_code(folder)
    own_code.sources.cache_clear()
    sys.modules.pop("mynet")
    module.write_text(f"{OWN}\n# changed\n")
    run_trial(config, folder, roads_root)
    after = records.read_code(folder)
    assert before is not None
    assert after is not None
    assert after["sha256"] != before["sha256"]
    assert after["earlier"] == [before["sha256"]]


def test_a_model_of_the_program_keeps_no_code(
    tiny: Callable[..., TrialConfig], folder: Path, roads_root: Path, run_trial: Train
) -> None:
    run_trial(tiny(epochs=1), folder, roads_root)
    assert records.read_code(folder) is None
    assert not (folder / records.CODE_DIR).exists()
    assert not {"head", "code"} & set(records.read_json(folder / records.ENV_FILE))


def test_what_own_code_raises_is_told_by_file_and_line(
    tiny: Callable[..., TrialConfig], folder: Path, roads_root: Path, run_trial: Train, module: Path,
    status: Callable[[Path], records.Status],
) -> None:  # fmt: skip
    with pytest.raises(ValueError, match="no more than"):
        run_trial(tiny(arch="mynet:Failing", width_mult=1.0), folder, roads_root)
    assert status(folder).state == "failed"
    assert status(folder).reason == f"{module}, line 13: ValueError: no more than one image"


def test_an_auxiliary_head_learns_and_the_recorded_loss_is_without_it(
    tiny: Callable[..., TrialConfig], folder: Path, roads_root: Path, run_trial: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(arch="torchvision:deeplabv3_mobilenet_v3_large", width_mult=1.0, epochs=1, batch_size=14)
    (line,) = run_trial(config, folder, roads_root)
    monkeypatch.setattr(epoch, "AUXILIARY_WEIGHT", 0.0)
    other = folder.with_name("without")
    (without,) = run_trial(config, other, roads_root)
    assert line[records.TRAIN_LOSS] == without[records.TRAIN_LOSS]  # of one step, before anything was learned
    assert (folder / records.BEST_FILE).read_bytes() != (other / records.BEST_FILE).read_bytes()

"""Where pretrained weights are looked for, in which order, and what is said when they are nowhere."""

import re
import urllib.request
from pathlib import Path

import pytest
import torch

from segtrain.models import weights
from segtrain.models.fcn import VGG16_WEIGHTS
from segtrain.models.weights import WeightsError

NAME = "vgg16-397923af.pth"
URL = f"https://download.pytorch.org/models/{NAME}"


@pytest.fixture
def torch_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Torch's cache of checkpoints, empty and the test's own; a download finds a closed door on this machine."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(urllib.request, "_opener", None)  # it remembers the proxies it found first
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "torch" / "hub" / "checkpoints"


def write(folder: Path, value: float) -> Path:
    folder.mkdir(parents=True)
    torch.save({"features.0.bias": torch.full((3,), value)}, folder / NAME)
    return folder / NAME


def test_the_folder_under_the_data_root_comes_first(tmp_path: Path, torch_cache: Path) -> None:
    local = write(tmp_path / "data" / "weights", 1.0)
    write(torch_cache, 2.0)
    assert weights.find_or_download(VGG16_WEIGHTS, tmp_path / "data") == local
    loaded = weights.load(VGG16_WEIGHTS, tmp_path / "data")
    assert {name: tensor.tolist() for name, tensor in loaded.items()} == {"features.0.bias": [1.0, 1.0, 1.0]}


def test_torchs_cache_comes_second(tmp_path: Path, torch_cache: Path) -> None:
    cached = write(torch_cache, 2.0)
    assert weights.find_or_download(VGG16_WEIGHTS, tmp_path / "data") == cached
    assert weights.load(VGG16_WEIGHTS, tmp_path / "data")["features.0.bias"].tolist() == [2.0, 2.0, 2.0]


def test_a_file_that_is_nowhere_and_does_not_come_is_named(tmp_path: Path, torch_cache: Path) -> None:
    """A real download that really fails: the proxy it has to go through is a closed port."""
    before, after = (
        f"init is 'imagenet' but its weights {NAME} are neither in {tmp_path / 'data' / 'weights'} nor in "
        f"{torch_cache}; downloading {URL} failed (",
        "). Put the file into one of these folders, or train without it: --set init=scratch",
    )
    with pytest.raises(WeightsError, match=f"^{re.escape(before)}<urlopen error .+>{re.escape(after)}$"):
        weights.load(VGG16_WEIGHTS, tmp_path / "data")
    assert not list(torch_cache.glob("*")), "half a download is no weights"


def test_weights_are_data_and_run_nothing(tmp_path: Path, torch_cache: Path) -> None:
    """A pickle that would call a function is refused."""

    class Harmful:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)  # type: ignore[return-value]

    (tmp_path / "data" / "weights").mkdir(parents=True)
    torch.save({"features.0.bias": Harmful()}, tmp_path / "data" / "weights" / NAME)
    with pytest.raises(Exception, match="Weights only load failed"):
        weights.load(VGG16_WEIGHTS, tmp_path / "data")
    assert not (tmp_path / "ran").exists()

"""Where pretrained weights are looked for, in which order, what is said when they are nowhere, and what they do."""

import hashlib
import logging
import re
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from huggingface_hub import constants
from safetensors.torch import load_file
from torch import Tensor
from torchvision.models.segmentation import fcn_resnet50
from transformers.models.segformer.configuration_segformer import SegformerConfig
from transformers.models.segformer.modeling_segformer import SegformerForImageClassification

from segtrain.architectures import WITHOUT_IMAGENET, Arch
from segtrain.config import TrialConfig
from segtrain.models import MODELS, weights
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.models.fcn_resnet50 import build_fcn_resnet50
from segtrain.models.resolve import head_note
from segtrain.models.weights import WeightsError

Build = Callable[..., EncoderDecoder]
Noise = Callable[..., Tensor]

FILES: dict[Arch, str] = {"fcn8s": "vgg16-397923af.pth", "fcn_resnet50": "resnet50-0676ba61.pth"}


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


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Hugging Face cache, empty and the test's own."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def write_mit_b0(folder: Path) -> SegformerForImageClassification:
    """As nvidia/mit-b0 is published: a classifier, by transformers itself."""
    model = SegformerForImageClassification(SegformerConfig(num_labels=10)).eval()
    model.save_pretrained(folder)
    return model


def test_every_architecture_has_its_weights_or_none() -> None:
    assert set(weights.IMAGENET) == set(MODELS) - set(WITHOUT_IMAGENET)


@pytest.mark.parametrize("arch", FILES)
def test_a_file_under_the_data_root_comes_first_and_torchs_cache_second(
    tmp_path: Path, torch_cache: Path, arch: Arch
) -> None:
    cached = write(torch_cache / FILES[arch])
    assert weights.find_or_download(arch, tmp_path / "data") == cached
    local = write(tmp_path / "data" / "weights" / FILES[arch])
    assert weights.find_or_download(arch, tmp_path / "data") == local


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_a_folder_under_the_data_root_comes_first_and_the_hub_cache_second(
    tmp_path: Path, hub_cache: Path, file: str
) -> None:
    repository = hub_cache / "models--nvidia--mit-b3"
    snapshot = repository / "snapshots" / ("a" * 40)
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("a" * 40)
    write(snapshot / "config.json")
    write(snapshot / file)
    assert weights.find_or_download("segformer_b3", tmp_path / "data") == snapshot
    local = write(tmp_path / "data" / "weights" / "mit-b3" / file).parent
    assert weights.find_or_download("segformer_b3", tmp_path / "data") == snapshot, "half a folder is none"
    write(local / "config.json")
    assert weights.find_or_download("segformer_b3", tmp_path / "data") == local


@pytest.mark.parametrize("arch", FILES)
def test_a_file_that_is_nowhere_and_does_not_come_is_named(tmp_path: Path, torch_cache: Path, arch: Arch) -> None:
    """A real download that really fails."""
    url = f"https://download.pytorch.org/models/{FILES[arch]}"
    before, after = (
        f"init is 'imagenet' but its weights {FILES[arch]} are neither in {tmp_path / 'data' / 'weights'} nor in "
        f"{torch_cache}; downloading {url} failed (",
        "). Put the file into one of these folders, or train without it: --set init=scratch",
    )
    with pytest.raises(WeightsError, match=f"^{re.escape(before)}<urlopen error .+>{re.escape(after)}$"):
        weights.find_or_download(arch, tmp_path / "data")
    assert not list(torch_cache.glob("*")), "half a download is no weights"


def test_a_folder_that_is_nowhere_and_does_not_come_is_named(
    tmp_path: Path, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offline by its own switch: behind a closed door the hub's client tries for 23 seconds."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    local = tmp_path / "data" / "weights" / "mit-b0"
    before, after = (
        "init is 'imagenet' but its weights config.json and model.safetensors or pytorch_model.bin of nvidia/mit-b0 "
        f"are neither in {local} nor in the Hugging Face cache {hub_cache}; downloading them failed (",
        f"). Put both files into {local}, or train without them: --set init=scratch",
    )
    with pytest.raises(WeightsError, match=f"^{re.escape(before)}.+{re.escape(after)}$"):
        weights.find_or_download("segformer_b0", tmp_path / "data")


@torch.no_grad()
def test_coco_weights_compute_what_torchvisions_network_computes(images: Noise, tmp_path: Path) -> None:
    """Whole for its own 21 classes, its auxiliary head left out; for others the scores are new, and that is said."""
    reference = fcn_resnet50(weights=None, weights_backbone=None, num_classes=21, aux_loss=True).eval()
    state = reference.state_dict()
    path = write(tmp_path / "weights" / "fcn_resnet50_coco-1167a1af.pth")
    torch.save(state, path)
    whole, other = (build_fcn_resnet50(classes).eval() for classes in (21, 3))
    assert weights.load(whole, "fcn_resnet50", tmp_path, "coco") == []
    x = images(1, 64, 64)
    assert torch.equal(whole(x), reference(x)["out"])
    before = other.decoder.head[4].weight.clone()
    assert weights.load(other, "fcn_resnet50", tmp_path, "coco") == ["decoder.head.4.weight", "decoder.head.4.bias"]
    assert torch.equal(other.decoder.head[4].weight, before)
    assert torch.equal(other.decoder.head[0].weight, reference.classifier[0].weight)
    config = TrialConfig(arch="fcn_resnet50", dataset="pets", init="coco", freeze="all_but_score")
    note = "fcn_resnet50: its head was trained on 21 classes, pets has 3: a new one"
    assert (head_note(config, 3), head_note(config, 21)) == (note, None)
    # As before a sweep: the hash in the name, and the names of the tensors.
    with pytest.raises(WeightsError, match=r"its SHA-256 begins with [0-9a-f]{8}, and its name says 1167a1af"):
        weights.check_hash(path)
    torch.save({name: tensor for name, tensor in state.items() if name != "classifier.1.weight"}, path)
    with pytest.raises(WeightsError, match="does not hold the weights that fcn_resnet50 starts from"):
        weights.check(config, 3, tmp_path)


@torch.no_grad()
@pytest.mark.parametrize("zipped", [True, False])
def test_resnet50_computes_what_torchvisions_classifier_computes(
    build: Build, images: Noise, tmp_path: Path, zipped: bool
) -> None:
    """Up to stride 8; from there the strides are dilations. In the format of torch.save, and in that of before 1.6."""
    reference = torchvision.models.resnet50(weights=None).eval()
    (tmp_path / "weights").mkdir()
    path = tmp_path / "weights" / FILES["fcn_resnet50"]
    torch.save(reference.state_dict(), path, _use_new_zipfile_serialization=zipped)
    assert zipfile.is_zipfile(path) == zipped
    model = build("fcn_resnet50").eval()
    head = model.decoder.head[4].weight.clone()
    weights.load(model, "fcn_resnet50", tmp_path)
    state = reference.state_dict()
    for name, tensor in model.encoder.state_dict().items():
        assert torch.equal(tensor, state[name]), name
    ours = theirs = images(1, 64, 64)
    for stage in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2"):
        ours, theirs = model.encoder[stage](ours), getattr(reference, stage)(theirs)
    assert torch.equal(ours, theirs)
    assert theirs.shape == (1, 512, 8, 8)
    assert torch.equal(model.decoder.head[4].weight, head)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["safetensors", "zip", "pickle"])
def test_segformer_computes_what_transformers_classifier_computes(
    build: Build,
    images: Noise,
    tmp_path: Path,
    kind: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """From files as they are published, whose names for the tensors are older than transformers' own; not a word."""
    folder = tmp_path / "weights" / "mit-b0"
    reference = write_mit_b0(folder)
    state = load_file(folder / "model.safetensors")
    assert "segformer.encoder.patch_embeddings.0.proj.weight" in state
    if kind != "safetensors":
        torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization=kind == "zip")
        (folder / "model.safetensors").unlink()
    model = build("segformer_b0").eval()
    logging.getLogger("transformers").addHandler(caplog.handler)  # its records go no further up
    capfd.readouterr()
    weights.load(model, "segformer_b0", tmp_path)
    assert capfd.readouterr() == ("", "")
    logging.getLogger("transformers").removeHandler(caplog.handler)
    assert caplog.messages == []
    x = images(1, 64, 96)
    expected = reference(x, output_hidden_states=True).hidden_states
    features = model.encoder(x)
    assert len(features) == 4
    for ours, theirs in zip(features, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_another_networks_weights_are_refused(build: Build, tmp_path: Path) -> None:
    """B0's in B1's folder, a file that lacks a layer, and a folder that does: transformers would make that one up."""
    write_mit_b0(tmp_path / "weights" / "mit-b1")
    write_mit_b0(tmp_path / "weights" / "mit-b0")
    file = tmp_path / "weights" / "mit-b0" / "model.safetensors"
    state = load_file(file)
    del state["segformer.encoder.layer_norm.3.bias"]
    torch.save(state, file.with_name("pytorch_model.bin"))
    file.unlink()
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "weights" / FILES["fcn_resnet50"])
    places = {"segformer_b0": "mit-b0", "segformer_b1": "mit-b1", "fcn_resnet50": FILES["fcn_resnet50"]}
    for arch, place in places.items():
        sentence = (
            f"{tmp_path / 'weights' / place} does not hold the weights that {arch} starts from; put the right ones "
            "there, or train without them: --set init=scratch"
        )
        with pytest.raises(WeightsError, match=f"^{re.escape(sentence)}$"):
            weights.load(build(arch), arch, tmp_path)


def test_weights_are_data_and_run_nothing(build: Build, tmp_path: Path) -> None:
    """A pickle that would call a function is refused."""

    class Harmful:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)  # type: ignore[return-value]

    (tmp_path / "weights").mkdir()
    torch.save({"features.0.bias": Harmful()}, tmp_path / "weights" / FILES["fcn8s"])
    with pytest.raises(WeightsError, match=r"cannot be read as weights \(UnpicklingError: Weights only load failed"):
        weights.load(build("fcn8s"), "fcn8s", tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_vgg16_is_read_in_both_formats(build: Build, tmp_path: Path, zipped: bool) -> None:
    """Its layers in small: what reads the file does not know their sizes."""
    model = build("fcn8s")
    state = {name: torch.randn_like(tensor) for name, tensor in model.encoder.state_dict().items()}
    for layer, name in ((model.decoder.fc6, "classifier.0"), (model.decoder.fc7, "classifier.3")):
        state |= {
            f"{name}.weight": torch.randn_like(layer.weight).flatten(1),
            f"{name}.bias": torch.randn_like(layer.bias),
        }
    (tmp_path / "weights").mkdir()
    path = tmp_path / "weights" / FILES["fcn8s"]
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    assert zipfile.is_zipfile(path) == zipped
    weights.load(model, "fcn8s", tmp_path)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.encoder.state_dict().items())
    assert torch.equal(model.decoder.fc6.weight.flatten(1), state["classifier.0.weight"])


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_cut_off_is_one_sentence(build: Build, tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "weights" / FILES["fcn_resnet50"]
    path.parent.mkdir()
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    folder = tmp_path / "weights" / "mit-b0"
    write_mit_b0(folder)
    safe = folder / "model.safetensors"
    safe.write_bytes(safe.read_bytes()[:5000])
    model = build("fcn_resnet50")
    for size in (0, 7, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(WeightsError, match=rf"^{re.escape(str(path))} cannot be read as weights \(.+\); delete it"):
            weights.load(model, "fcn_resnet50", tmp_path)
    with pytest.raises(WeightsError, match=rf"^{re.escape(str(folder))} cannot be read as weights \(.+\); delete it"):
        weights.load(build("segformer_b0"), "segformer_b0", tmp_path)


def test_the_hash_in_the_name_is_the_files(tmp_path: Path) -> None:
    path = write(tmp_path / "vgg16-397923af.pth")
    begins = hashlib.sha256(b"").hexdigest()[:8]
    sentence = (
        f"{path} is damaged or another file: its SHA-256 begins with {begins}, and its name says 397923af; delete it "
        "and fetch it again, or train without it: --set init=scratch"
    )
    with pytest.raises(WeightsError, match=f"^{re.escape(sentence)}$"):
        weights.check_hash(path)
    weights.check_hash(path.rename(tmp_path / f"vgg16-{begins}.pth"))
    weights.check_hash(write(tmp_path / "mit-b0" / "config.json").parent)
